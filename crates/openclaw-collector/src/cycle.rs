//! The collector's heartbeat: count, decide locally, deliver, apply.
//!
//! Two tasks. The cycle never waits for the network: it moves the guard's cap, keeps the local loop warm and
//! takes over the moment the leases lapse. The delivery posts one batch at a time; a slow edge delays only
//! itself.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use openclaw_controller::{ControlLoop, Flow, LittleGuard, LoopSettings, Report};
use openclaw_protocol::{BatchAnswer, CollectorInfo, EventBatch, RatingEvent, Totals, UserCounts, UserId};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use crate::admission::Admission;
use crate::clock::Clock;
use crate::delivery::{Backoff, Delivery, DeliveryError};
use crate::leases::Leases;
use crate::settings::CollectorSettings;
use crate::status::{CollectorStatus, ControlledBy};

/// Single events posted per cycle at most, where the edge takes no batches: each is a round trip.
const SINGLES_PER_CYCLE: usize = 100;

/// A running collector. Dropping it without [`stop`](Collector::stop) ends it without a last delivery.
#[derive(Debug)]
pub struct Collector {
    inner: Arc<Inner>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Inner {
    settings: CollectorSettings,
    info: CollectorInfo,
    admission: Arc<Admission>,
    local: Mutex<Local>,
    leases: Mutex<Leases>,
    outbox: Mutex<Outbox>,
    outbox_filled: Notify,
    delivered: AtomicU64,
    edge_error: Mutex<Option<String>>,
}

/// The local loop and what feeds it.
#[derive(Debug)]
struct Local {
    control: ControlLoop,
    requests: Flow,
    requests_peak_per_s: f64,
    cycles: u64,
    cycled_ns: u64,
}

/// What waits for delivery.
#[derive(Debug, Default)]
struct Outbox {
    events: VecDeque<RatingEvent>,
    users: HashMap<UserId, UserCounts>,
    seq: u64,
}

impl Collector {
    /// Starts the cycle and, where an edge is configured, the delivery, on the current tokio runtime.
    ///
    /// # Errors
    /// The HTTP client's error where it cannot be built.
    pub fn start(settings: CollectorSettings) -> Result<Self, reqwest::Error> {
        let epoch = Clock::unix_ms();
        let nonce = RandomState::new().hash_one(epoch);
        let id = format!("{}-{}-{nonce:016x}", settings.service, std::process::id());
        let info = CollectorInfo { id, service: settings.service.clone(), epoch };
        let delivery = settings.edge.clone().map(Delivery::new).transpose()?;
        let admission = Arc::new(Admission::new(&settings));
        let now_ns = admission.clock.now_ns();
        let local = Local {
            control: ControlLoop::new(
                loop_settings(&settings),
                Box::new(LittleGuard::new(settings.start_per_s)),
                now_ns,
            ),
            requests: Flow::new(Totals::default()),
            requests_peak_per_s: 0.0,
            cycles: 0,
            cycled_ns: now_ns,
        };
        let inner = Arc::new(Inner {
            info,
            admission,
            local: Mutex::new(local),
            leases: Mutex::default(),
            outbox: Mutex::default(),
            outbox_filled: Notify::new(),
            delivered: AtomicU64::new(0),
            edge_error: Mutex::new(None),
            settings,
        });
        inner.cycle();
        let (stop, stopped) = watch::channel(false);
        let mut tasks = vec![tokio::spawn(run_cycles(Arc::clone(&inner), stopped.clone()))];
        if let Some(delivery) = delivery {
            tasks.push(tokio::spawn(run_delivery(Arc::clone(&inner), delivery, stopped)));
        }
        Ok(Self { inner, stop, tasks })
    }

    /// What the service asks on its requests' path.
    #[must_use]
    pub fn admission(&self) -> Arc<Admission> {
        Arc::clone(&self.inner.admission)
    }

    /// The collector's state.
    #[must_use]
    pub fn status(&self) -> CollectorStatus {
        self.inner.status()
    }

    /// A handle that can tell the state later.
    pub fn status_provider(&self) -> impl Fn() -> CollectorStatus + Send + Sync + 'static {
        let inner = Arc::clone(&self.inner);
        move || inner.status()
    }

    /// Delivers what waits, once, and ends.
    pub async fn stop(self) {
        // The tasks hold receivers; where they are gone already there is nobody to tell.
        let _ = self.stop.send(true);
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::warn!(%error, "a collector task ended badly");
            }
        }
    }
}

fn loop_settings(settings: &CollectorSettings) -> LoopSettings {
    LoopSettings {
        slo_s: settings.slo.as_secs_f64(),
        tick_ns: u64::try_from(settings.flush_interval.as_nanos()).unwrap_or(u64::MAX),
        start_per_s: settings.start_per_s,
        defaults: settings.defaults,
        bounds: settings.bounds,
        users_max: settings.users_max,
        sources_max: 1,
        ttl_ns: u64::try_from(settings.ttl.as_nanos()).unwrap_or(u64::MAX),
    }
}

async fn run_cycles(inner: Arc<Inner>, mut stopped: watch::Receiver<bool>) {
    let mut interval = tokio::time::interval(inner.settings.flush_interval);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = interval.tick() => {}
            () = inner.admission.full_batch.notified() => {}
            _ = stopped.changed() => {
                inner.cycle();
                return;
            }
        }
        inner.cycle();
    }
}

async fn run_delivery(inner: Arc<Inner>, delivery: Delivery, mut stopped: watch::Receiver<bool>) {
    let mut backoff = Backoff::default();
    let jitter = RandomState::new();
    let mut failures = 0_u64;
    while !*stopped.borrow() {
        tokio::select! {
            () = inner.outbox_filled.notified() => {}
            _ = stopped.changed() => break,
        }
        match inner.deliver(&delivery).await {
            Ok(()) => backoff.succeeded(),
            Err(error) => {
                failures += 1;
                inner.note_failure(&error);
                let uniform = (jitter.hash_one(failures) >> 11) as f64 / (1_u64 << 53) as f64;
                tokio::select! {
                    () = tokio::time::sleep(backoff.failed(uniform)) => {}
                    _ = stopped.changed() => break,
                }
            }
        }
    }
    if let Err(error) = inner.deliver(&delivery).await {
        let waiting = inner.outbox.lock().events.len();
        inner.admission.count_dropped(waiting);
        tracing::warn!(%error, events = waiting, "stopped before the last events were delivered");
    }
}

impl Inner {
    /// One heartbeat.
    fn cycle(&self) {
        let admission = &*self.admission;
        let now_ns = admission.clock.now_ns();
        let (totals, users) = (admission.counters.totals(), admission.counters.drain_active());
        let events = admission.drain_events();

        let mut local = self.local.lock();
        local.cycles += 1;
        let report = Report {
            collector: &self.info,
            seq: local.cycles,
            in_flight: self.ratings_in_flight(),
            totals,
            users: &users,
        };
        local.control.report(&report, now_ns);
        events.iter().for_each(|event| local.control.observe_event(event));
        local.control.tick(now_ns);
        self.lead_or_follow(&local.control, &users, now_ns);
        self.move_guard(&mut local, now_ns);
        let idle_ns = u64::try_from(self.settings.ttl.as_nanos()).unwrap_or(u64::MAX);
        admission.counters.sweep(local.cycles, idle_ns, now_ns);
        drop(local);

        admission.forget_idle(now_ns);
        self.fill_outbox(events, users);
    }

    fn ratings_in_flight(&self) -> u32 {
        u32::try_from(self.admission.ratings_in_flight.load(Relaxed)).unwrap_or(u32::MAX)
    }

    /// While the edge's answers hold, follow them; else apply the local loop's decision.
    fn lead_or_follow(&self, control: &ControlLoop, users: &[UserCounts], now_ns: u64) {
        let mut leases = self.leases.lock();
        leases.sweep(&self.admission, now_ns);
        let follows = leases.edge_holds(now_ns);
        metrics::gauge!("openclaw_collector_edge_controls").set(f64::from(u8::from(follows)));
        metrics::gauge!("openclaw_collector_leases").set(leases.users() as f64);
        if follows {
            return;
        }
        let id = Some(self.info.id.as_str());
        let assignment = control.assignment(id, now_ns);
        self.admission.assign_everyone(assignment.defaults, assignment.newcomers, now_ns);
        self.admission.set_guard_s(assignment.guard_s);
        leases.guard_ms = assignment.guard_s.map(|guard_s| guard_s * 1e3);
        let until_ns = now_ns.saturating_add(u64::try_from(self.settings.ttl.as_nanos()).unwrap_or(u64::MAX));
        for user in users {
            let (policy, _) = control.policy(&user.user_id, id, now_ns);
            leases.grant(&user.user_id, policy, until_ns, &self.admission, now_ns);
        }
    }

    /// Turns the guard time into a number of requests, from how fast requests leave.
    fn move_guard(&self, local: &mut Local, now_ns: u64) {
        let interval_s = now_ns.saturating_sub(local.cycled_ns) as f64 / 1e9;
        local.cycled_ns = now_ns;
        let completed = self.admission.requests_done.load(Relaxed);
        local.requests.advance(Totals { completed, ..Totals::default() }, interval_s);
        let throughput = local.requests.throughput_per_s();
        let faded = local.requests_peak_per_s * (-interval_s / 30.0).exp();
        local.requests_peak_per_s = faded.max(throughput.1);
        let seen = self.admission.guard_seen(throughput, local.requests_peak_per_s);
        let cap = self.settings.guard_law.cap(&seen);
        self.admission.set_cap(cap);
        metrics::gauge!("openclaw_collector_guard_cap_requests").set(f64::from(cap));
        metrics::gauge!("openclaw_collector_in_flight_requests")
            .set(f64::from(self.admission.requests_in_flight()));
    }

    /// Moves events and counters to the outbox; without an edge there is nothing to deliver.
    fn fill_outbox(&self, events: Vec<RatingEvent>, users: Vec<UserCounts>) {
        if self.settings.edge.is_none() {
            return;
        }
        let mut outbox = self.outbox.lock();
        outbox.users.extend(users.into_iter().map(|user| (user.user_id.clone(), user)));
        outbox.events.extend(events);
        self.bound(&mut outbox);
        metrics::gauge!("openclaw_collector_events_waiting").set(outbox.events.len() as f64);
        drop(outbox);
        self.outbox_filled.notify_one();
    }

    /// The oldest events give way, and users beyond the bound: they are active again before long.
    fn bound(&self, outbox: &mut Outbox) {
        let excess = outbox.events.len().saturating_sub(self.settings.queue_max);
        outbox.events.drain(..excess);
        self.admission.count_dropped(excess);
        if outbox.users.len() > self.settings.users_max {
            outbox.users.clear();
        }
    }

    /// Posts what waits, in as many batches as it takes.
    async fn deliver(&self, delivery: &Delivery) -> Result<(), DeliveryError> {
        loop {
            let batch = self.next_batch();
            let now_ms = Clock::unix_ms();
            match delivery.post_batch(&batch, now_ms).await {
                Ok(Some(answer)) => self.apply(&answer, batch.events.len()),
                Ok(None) => return self.deliver_singles(delivery, batch).await,
                Err(error) => {
                    self.put_back(batch);
                    return Err(error);
                }
            }
            if self.outbox.lock().events.len() < self.settings.batch_max {
                return Ok(());
            }
        }
    }

    fn next_batch(&self) -> EventBatch {
        let mut outbox = self.outbox.lock();
        outbox.seq += 1;
        let count = outbox.events.len().min(self.settings.batch_max);
        EventBatch {
            collector: self.info.clone(),
            seq: outbox.seq,
            in_flight: self.ratings_in_flight(),
            totals: self.admission.counters.totals(),
            users: outbox.users.drain().map(|(_, user)| user).take(self.settings.users_max).collect(),
            dependencies: Vec::new(),
            events: outbox.events.drain(..count).collect(),
        }
    }

    fn put_back(&self, batch: EventBatch) {
        let mut outbox = self.outbox.lock();
        for user in batch.users {
            // A counter that moved on while the batch was under way is the newer one.
            outbox.users.entry(user.user_id.clone()).or_insert(user);
        }
        batch.events.into_iter().rev().for_each(|event| outbox.events.push_front(event));
        self.bound(&mut outbox);
    }

    fn apply(&self, answer: &BatchAnswer, events: usize) {
        let rejected = answer.rejected.len().min(events);
        for item in answer.rejected.iter().take(3) {
            tracing::warn!(index = item.index, detail = %item.problem.detail, "the edge rejected an event");
        }
        self.note_success(events - rejected);
        self.leases.lock().apply(answer, &self.admission, self.admission.clock.now_ns());
    }

    /// Posts events one by one, for an edge that knows only the brief's contract.
    async fn deliver_singles(&self, delivery: &Delivery, mut batch: EventBatch) -> Result<(), DeliveryError> {
        let ttl_ms = u64::try_from(self.settings.ttl.as_millis()).unwrap_or(u64::MAX);
        let later = batch.events.split_off(batch.events.len().min(SINGLES_PER_CYCLE));
        let mut now = std::mem::replace(&mut batch.events, later).into_iter();
        let mut outcome = Ok(());
        while let Some(mut event) = now.next() {
            event.in_flight = Some(batch.in_flight);
            match delivery.post_single(&event).await {
                Ok(answer) => {
                    self.note_success(1);
                    let now_ns = self.admission.clock.now_ns();
                    let mut leases = self.leases.lock();
                    leases.apply_single(&event.user_id, &answer, ttl_ms, &self.admission, now_ns);
                }
                Err(error) => {
                    batch.events.splice(0..0, std::iter::once(event).chain(now));
                    outcome = Err(error);
                    break;
                }
            }
        }
        batch.users.clear();
        self.put_back(batch);
        outcome
    }

    fn note_success(&self, events: usize) {
        self.delivered.fetch_add(events as u64, Relaxed);
        metrics::counter!("openclaw_collector_events_delivered_total").increment(events as u64);
        metrics::counter!("openclaw_collector_batches_total", "result" => "delivered").increment(1);
        if self.edge_error.lock().take().is_some() {
            tracing::info!("the edge answers again");
        }
    }

    fn note_failure(&self, error: &DeliveryError) {
        metrics::counter!("openclaw_collector_batches_total", "result" => "failed").increment(1);
        let mut known = self.edge_error.lock();
        if known.is_none() {
            tracing::warn!(%error, "events wait; the last leases hold until they lapse, then the local loop decides");
        }
        *known = Some(error.to_string());
    }

    fn status(&self) -> CollectorStatus {
        let now_ns = self.admission.clock.now_ns();
        let leases = self.leases.lock();
        let follows = leases.edge_holds(now_ns);
        let (policy_version, guard_ms, leased) =
            (leases.policy_version.clone(), leases.guard_ms, leases.users());
        drop(leases);
        let local = self.local.lock();
        let seen = local.control.observation().copied().filter(|seen| seen.samples > 0);
        drop(local);
        CollectorStatus {
            id: self.info.id.clone(),
            service: self.info.service.clone(),
            controlled_by: if follows { ControlledBy::Edge } else { ControlledBy::Local },
            policy_version: policy_version.filter(|_| follows),
            guard_ms,
            guard_cap: self.admission.cap(),
            in_flight: self.admission.requests_in_flight(),
            leases: leased,
            users_tracked: self.admission.counters.users_tracked(),
            events_waiting: self.outbox.lock().events.len(),
            events_dropped: self.admission.dropped.load(Relaxed),
            events_delivered: self.delivered.load(Relaxed),
            edge_error: self.edge_error.lock().clone(),
            p95_ms: seen.map(|seen| seen.p95_s * 1e3).filter(|ms| ms.is_finite()),
            late_fraction: seen.map(|seen| seen.late_fraction),
            totals: self.admission.counters.totals(),
        }
    }
}

#[cfg(test)]
mod tests;
