//! The delivery task: what waits goes out, what comes back is applied, what fails waits again, on disk where there is
//! a spool.
//!
//! One request at a time. After each fresh batch at most one from the spool follows, so that an outage is made up for
//! without holding up what limits are decided by.

use std::collections::HashSet;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use openclaw_protocol::{BatchAnswer, EventBatch, RatingEvent, UserId};
use tokio::sync::watch;
use tokio::time::Instant;

use super::Inner;
use crate::breaker::{Breaker, Circuit, Send};
use crate::delivery::{Delivery, DeliveryError, shown};
use crate::spool::{Oldest, Shelf};

/// Single events posted per cycle at most, where the edge takes no batches: each is a round trip.
const SINGLES_PER_CYCLE: usize = 100;
/// Rejected events that are logged of one answer.
const REJECTED_LOGGED_MAX: usize = 3;

/// Delivers to one edge.
#[derive(Debug)]
pub(super) struct Deliverer {
    inner: Arc<Inner>,
    delivery: Delivery,
    shelf: Option<Shelf>,
    breaker: Breaker,
    /// How often batches from the spool were halved because the edge found them too large.
    late_halvings: u32,
    /// When a collector that stops gives up.
    deadline: Option<Instant>,
}

impl Deliverer {
    pub(super) fn new(inner: Arc<Inner>, delivery: Delivery, shelf: Option<Shelf>, breaker: Breaker) -> Self {
        Self { inner, delivery, shelf, breaker, late_halvings: 0, deadline: None }
    }

    /// Delivers whenever a cycle has filled the outbox, and a last time when told to end.
    pub(super) async fn run(mut self, mut told: watch::Receiver<bool>) {
        let told = loop {
            tokio::select! {
                () = self.inner.outbox_filled.notified() => self.round().await,
                told = told.changed() => break told,
            }
        };
        if told.is_ok() {
            self.last_rounds().await;
        }
    }

    /// One attempt, where one is due. What cannot go out is kept on disk.
    async fn round(&mut self) {
        let result = match self.breaker.ask(self.inner.admission.clock.now_ns()) {
            Send::Nothing => None,
            Send::All => Some(self.deliver_all().await),
            Send::Probe => Some(self.probe().await),
        };
        let down = !matches!(result, Some(Ok(())));
        match result {
            None => {}
            Some(Ok(())) => self.breaker.succeeded(),
            Some(Err(error)) => {
                self.inner.note_failure(&error);
                self.breaker.failed(self.inner.admission.clock.now_ns(), error.retry_after());
            }
        }
        self.inner.note_circuit(self.breaker.circuit());
        if down {
            self.keep_waiting().await;
        }
    }

    async fn deliver_all(&mut self) -> Result<(), DeliveryError> {
        self.deliver().await?;
        self.deliver_late().await
    }

    /// Counters alone first; everything else if they arrive.
    async fn probe(&mut self) -> Result<(), DeliveryError> {
        self.inner.note_circuit(Circuit::HalfOpen);
        let batch = self.inner.next_batch(0);
        let sent_ns = self.inner.admission.clock.now_ns();
        match self.post(&batch, sent_ns).await {
            Ok(Some(answer)) => self.inner.apply(&answer, &batch, sent_ns),
            // An edge of single events: the first of them is the probe.
            Ok(None) => {}
            Err(error) => {
                self.undelivered(batch, &error).await;
                return Err(error);
            }
        }
        self.deliver_all().await
    }

    /// Posts what waits, in as many batches as it takes; what fills no batch waits for the next cycle.
    async fn deliver(&mut self) -> Result<(), DeliveryError> {
        loop {
            let batch = self.inner.next_batch(usize::MAX);
            let sent_ns = self.inner.admission.clock.now_ns();
            match self.post(&batch, sent_ns).await {
                Ok(Some(answer)) => self.inner.apply(&answer, &batch, sent_ns),
                Ok(None) => return self.deliver_singles(batch).await,
                Err(error) => {
                    self.undelivered(batch, &error).await;
                    return Err(error);
                }
            }
            if !self.inner.outbox.lock().fills_a_batch() {
                return Ok(());
            }
        }
    }

    /// Posts everything that is not on disk yet, until nothing waits, something fails or time runs out; keeps the rest.
    async fn last_rounds(&mut self) {
        self.deadline = Some(Instant::now() + self.inner.settings.drain);
        loop {
            if let Err(error) = self.deliver().await {
                self.inner.note_failure(&error);
                break;
            }
            if self.inner.outbox.lock().is_empty() {
                break;
            }
        }
        self.keep_waiting().await;
        if let Some(shelf) = &mut self.shelf
            && let Some(Err(error)) = shelf.with(|spool| spool.sync()).await
        {
            tracing::warn!(%error, "what waits in the spool may not survive a loss of power");
        }
    }

    /// Posts one batch. What comes in meanwhile is kept on disk before memory is full.
    async fn post(&mut self, batch: &EventBatch, sent_ns: u64) -> Result<Option<BatchAnswer>, DeliveryError> {
        let Self { inner, delivery, shelf, deadline, .. } = self;
        let url = delivery.url();
        let within_deadline = async {
            let post = delivery.post_batch(batch, sent_ns);
            let Some(deadline) = *deadline else { return post.await };
            tokio::time::timeout_at(deadline, post).await.unwrap_or_else(|_| {
                let reason = "the time for stopping is over".to_owned();
                Err(DeliveryError::Unreachable { url, reason })
            })
        };
        let mut post = pin!(within_deadline);
        loop {
            tokio::select! {
                biased;
                answer = &mut post => return answer,
                () = inner.outbox_filled.notified(), if shelf.is_some() => {
                    let excess = inner.outbox.lock().take_excess();
                    keep(inner, shelf, excess).await;
                }
            }
        }
    }

    /// A batch that did not arrive waits again; one that will never be taken is made smaller or given up.
    async fn undelivered(&mut self, mut batch: EventBatch, error: &DeliveryError) {
        let events = std::mem::take(&mut batch.events);
        let gave_way = {
            let mut outbox = self.inner.outbox.lock();
            let smaller = error.is_too_large() && outbox.halve();
            if error.is_final() && !smaller {
                // The counters in it are cumulative, and come again with their users.
                outbox.done(events.len());
                events.len()
            } else {
                outbox.put_back(events, batch.users)
            }
        };
        self.inner.admission.count_dropped(gave_way);
    }

    /// Moves what waits in memory to the disk, where there is a spool.
    async fn keep_waiting(&mut self) {
        if self.shelf.is_some() {
            let waiting = self.inner.outbox.lock().take_events();
            keep(&self.inner, &mut self.shelf, waiting).await;
        }
    }

    /// Posts one batch of what is on disk.
    async fn deliver_late(&mut self) -> Result<(), DeliveryError> {
        if self.inner.spooled.load(Relaxed) == 0 {
            return Ok(());
        }
        let events_max = (self.inner.settings.batch_max >> self.late_halvings).max(1);
        let Some(oldest) = self.oldest(events_max).await else { return Ok(()) };
        let mut batch = self.inner.next_batch(0);
        batch.late = true;
        batch.events = oldest.events().to_vec();
        let sent_ns = self.inner.admission.clock.now_ns();
        match self.post(&batch, sent_ns).await {
            Ok(Some(answer)) => {
                self.inner.apply(&answer, &batch, sent_ns);
                self.done(oldest, batch.events.len()).await;
                Ok(())
            }
            Ok(None) => self.deliver_late_singles(oldest).await,
            Err(error) if error.is_too_large() && events_max > 1 => {
                self.late_halvings += 1;
                batch.events.clear();
                self.undelivered(batch, &error).await;
                Ok(())
            }
            Err(error) => {
                let events = batch.events.len();
                batch.events.clear();
                self.undelivered(batch, &error).await;
                if error.is_final() {
                    self.done(oldest, events).await;
                    self.inner.admission.count_dropped(events);
                }
                Err(error)
            }
        }
    }

    async fn deliver_late_singles(&mut self, oldest: Oldest) -> Result<(), DeliveryError> {
        let mut result = Ok(());
        let mut done = 0;
        for event in oldest.events().iter().take(SINGLES_PER_CYCLE) {
            match self.delivery.post_single(event).await {
                Ok(_) => self.inner.note_success(1),
                Err(error) if error.is_final() => {
                    self.inner.admission.count_dropped(1);
                    self.inner.note_failure(&error);
                }
                Err(error) => {
                    result = Err(error);
                    break;
                }
            }
            done += 1;
        }
        self.done(oldest, done).await;
        result
    }

    /// The oldest events on disk, where there are any that can be read.
    async fn oldest(&mut self, events_max: usize) -> Option<Oldest> {
        let inner = Arc::clone(&self.inner);
        let found = self.shelf.as_mut()?.with(move |spool| {
            let oldest = spool.oldest(events_max);
            inner.note_spool(spool);
            oldest
        });
        let oldest = found.await??;
        self.inner.admission.count_dropped(usize::try_from(oldest.lost).unwrap_or(usize::MAX));
        (!oldest.events().is_empty()).then_some(oldest)
    }

    async fn done(&mut self, oldest: Oldest, events: usize) {
        let inner = Arc::clone(&self.inner);
        let Some(shelf) = &mut self.shelf else { return };
        shelf
            .with(move |spool| {
                spool.done(&oldest, events);
                inner.note_spool(spool);
            })
            .await;
    }

    /// Posts events one by one, for an edge that knows only the brief's contract.
    async fn deliver_singles(&mut self, mut batch: EventBatch) -> Result<(), DeliveryError> {
        let later = batch.events.split_off(batch.events.len().min(SINGLES_PER_CYCLE));
        self.inner.put_back(later);
        let mut events = std::mem::take(&mut batch.events).into_iter();
        while let Some(mut event) = events.next() {
            event.in_flight = Some(batch.in_flight);
            match self.delivery.post_single(&event).await {
                Ok(answer) => {
                    self.inner.outbox.lock().done(1);
                    self.inner.note_success(1);
                    let now_ns = self.inner.admission.clock.now_ns();
                    let mut leases = self.inner.leases.lock();
                    leases.apply_single(&event.user_id, &answer, &self.inner.admission, now_ns);
                }
                Err(error) if error.is_final() => {
                    self.inner.outbox.lock().done(1);
                    self.inner.admission.count_dropped(1);
                    self.inner.note_failure(&error);
                }
                Err(error) => {
                    self.inner.put_back(std::iter::once(event).chain(events).collect());
                    return Err(error);
                }
            }
        }
        Ok(())
    }
}

/// Writes events to the spool; what does not fit, or cannot be written, is counted as dropped.
async fn keep(inner: &Arc<Inner>, shelf: &mut Option<Shelf>, events: Vec<RatingEvent>) {
    let Some(shelf) = shelf.as_mut().filter(|_| !events.is_empty()) else { return };
    let count = events.len();
    let (noting, now_ns) = (Arc::clone(inner), inner.admission.clock.now_ns());
    let appended = shelf.with(move |spool| {
        let appended = spool.append(&events, now_ns);
        noting.note_spool(spool);
        appended
    });
    let gave_way = match appended.await {
        None => count,
        Some(appended) => {
            if let Some(error) = appended.error {
                tracing::warn!(%error, "events cannot be kept and are dropped");
            }
            usize::try_from(appended.gave_way).unwrap_or(usize::MAX)
        }
    };
    inner.admission.count_dropped(gave_way);
}

impl Inner {
    fn next_batch(&self, events_max: usize) -> EventBatch {
        let totals = self.admission.counters.totals();
        let dependencies = self.admission.local_guard.gauges();
        let in_flight = self.ratings_in_flight();
        self.outbox.lock().next_batch(self.info.clone(), in_flight, totals, dependencies, events_max)
    }

    fn apply(&self, answer: &BatchAnswer, batch: &EventBatch, sent_ns: u64) {
        let now_ns = self.admission.clock.now_ns();
        let rejected = answer.rejected.len().min(batch.events.len());
        for item in answer.rejected.iter().take(REJECTED_LOGGED_MAX) {
            let detail = shown(&item.problem.detail);
            tracing::warn!(index = item.index, %detail, "the edge rejected an event");
        }
        let mut outbox = self.outbox.lock();
        if !batch.late {
            outbox.done(batch.events.len());
        }
        outbox.succeeded(Duration::from_nanos(now_ns.saturating_sub(sent_ns)));
        drop(outbox);
        self.rejected.fetch_add(rejected as u64, Relaxed);
        self.admission.meters.events_rejected.increment(rejected as u64);
        self.note_success(batch.events.len() - rejected);
        let asked: HashSet<&UserId> = batch
            .users
            .iter()
            .map(|user| &user.user_id)
            .chain(batch.events.iter().map(|event| &event.user_id))
            .collect();
        self.leases.lock().apply(answer, &asked, &self.admission, now_ns);
    }

    fn put_back(&self, events: Vec<RatingEvent>) {
        // An edge that takes single events only has no use for counters.
        let gave_way = self.outbox.lock().put_back(events, Vec::new());
        self.admission.count_dropped(gave_way);
    }

    fn note_success(&self, events: usize) {
        self.delivered.fetch_add(events as u64, Relaxed);
        self.admission.meters.events_delivered.increment(events as u64);
        self.admission.meters.posts_delivered.increment(1);
        if self.edge_error.lock().take().is_some() {
            tracing::info!("the edge answers again");
        }
    }

    fn note_failure(&self, error: &DeliveryError) {
        self.admission.meters.posts_failed.increment(1);
        let mut known = self.edge_error.lock();
        if known.is_none() {
            tracing::warn!(%error, "events wait; the last leases hold until they lapse, then the local loop decides");
        }
        *known = Some(error.to_string());
    }
}
