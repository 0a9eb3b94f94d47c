//! The delivery task: what waits goes out, what comes back is applied, what fails waits again.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use openclaw_protocol::{BatchAnswer, EventBatch, RatingEvent, UserId};
use tokio::sync::watch;

use super::Inner;
use crate::delivery::{Backoff, Delivery, DeliveryError, shown};

/// Single events posted per cycle at most, where the edge takes no batches: each is a round trip.
const SINGLES_PER_CYCLE: usize = 100;
/// Rejected events that are logged of one answer.
const REJECTED_LOGGED_MAX: usize = 3;

/// Delivers whenever a cycle has filled the outbox, pauses after failures, and delivers a last time when told
/// to end.
pub(super) async fn run(inner: Arc<Inner>, delivery: Delivery, mut told: watch::Receiver<bool>) {
    let mut backoff = Backoff::default();
    let jitter = RandomState::new();
    let mut failures = 0_u64;
    let told = loop {
        tokio::select! {
            () = inner.outbox_filled.notified() => {}
            told = told.changed() => break told,
        }
        let Err(error) = inner.deliver(&delivery).await else {
            backoff.succeeded();
            continue;
        };
        inner.note_failure(&error);
        failures += 1;
        let uniform = (jitter.hash_one(failures) >> 11) as f64 / (1_u64 << 53) as f64;
        tokio::select! {
            () = tokio::time::sleep(backoff.failed(uniform)) => {}
            told = told.changed() => break told,
        }
    };
    if told.is_ok() {
        inner.deliver_the_rest(&delivery).await;
    }
}

impl Inner {
    /// Posts what waits, in as many batches as it takes; what fills no batch waits for the next cycle.
    async fn deliver(&self, delivery: &Delivery) -> Result<(), DeliveryError> {
        loop {
            let batch = self.next_batch();
            let sent_ns = self.admission.clock.now_ns();
            match delivery.post_batch(&batch, sent_ns).await {
                Ok(Some(answer)) => self.apply(&answer, &batch, sent_ns),
                Ok(None) => return self.deliver_singles(delivery, batch).await,
                Err(error) => {
                    self.undelivered(batch, &error);
                    return Err(error);
                }
            }
            if !self.outbox.lock().fills_a_batch() {
                return Ok(());
            }
        }
    }

    /// Posts everything, until nothing waits or something fails.
    async fn deliver_the_rest(&self, delivery: &Delivery) {
        loop {
            if let Err(error) = self.deliver(delivery).await {
                self.note_failure(&error);
                return;
            }
            if self.outbox.lock().is_empty() {
                return;
            }
        }
    }

    fn next_batch(&self) -> EventBatch {
        let totals = self.admission.counters.totals();
        let dependencies = self.admission.local_guard.gauges();
        self.outbox.lock().next_batch(self.info.clone(), self.ratings_in_flight(), totals, dependencies)
    }

    /// A batch that did not arrive waits again; one that will never be taken is made smaller or given up.
    fn undelivered(&self, batch: EventBatch, error: &DeliveryError) {
        let mut outbox = self.outbox.lock();
        let smaller = error.is_too_large() && outbox.halve();
        let gave_way = if error.is_final() && !smaller {
            // The counters in it are cumulative, and come again with their users.
            outbox.done(batch.events.len());
            batch.events.len()
        } else {
            outbox.put_back(batch.events, batch.users)
        };
        drop(outbox);
        self.admission.count_dropped(gave_way);
    }

    fn apply(&self, answer: &BatchAnswer, batch: &EventBatch, sent_ns: u64) {
        let now_ns = self.admission.clock.now_ns();
        let rejected = answer.rejected.len().min(batch.events.len());
        for item in answer.rejected.iter().take(REJECTED_LOGGED_MAX) {
            let detail = shown(&item.problem.detail);
            tracing::warn!(index = item.index, %detail, "the edge rejected an event");
        }
        let mut outbox = self.outbox.lock();
        outbox.done(batch.events.len());
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

    /// Posts events one by one, for an edge that knows only the brief's contract.
    async fn deliver_singles(&self, delivery: &Delivery, mut batch: EventBatch) -> Result<(), DeliveryError> {
        let later = batch.events.split_off(batch.events.len().min(SINGLES_PER_CYCLE));
        self.put_back(later);
        let mut events = std::mem::take(&mut batch.events).into_iter();
        while let Some(mut event) = events.next() {
            event.in_flight = Some(batch.in_flight);
            match delivery.post_single(&event).await {
                Ok(answer) => {
                    self.outbox.lock().done(1);
                    self.note_success(1);
                    let now_ns = self.admission.clock.now_ns();
                    let mut leases = self.leases.lock();
                    leases.apply_single(&event.user_id, &answer, &self.admission, now_ns);
                }
                Err(error) if error.is_final() => {
                    self.outbox.lock().done(1);
                    self.admission.count_dropped(1);
                    self.note_failure(&error);
                }
                Err(error) => {
                    self.put_back(std::iter::once(event).chain(events).collect());
                    return Err(error);
                }
            }
        }
        Ok(())
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
