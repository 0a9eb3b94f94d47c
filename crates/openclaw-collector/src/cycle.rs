//! The collector's heartbeat: count, decide locally, deliver, apply.
//!
//! Two tasks. The cycle never waits for the network: it moves the guard's cap, keeps the local loop warm and
//! takes over the moment the leases lapse. The delivery posts one batch at a time; a slow edge delays only
//! itself.

mod deliver;

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use openclaw_controller::{
    ControlLoop, GateTimes, LittleGuard, LoopSettings, Report, Throughput, ThroughputMeter,
};
use openclaw_protocol::{CollectorInfo, DependencyGauge, RatingEvent, UserCounts};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use deliver::Deliverer;

use crate::admission::Admission;
use crate::breaker::{Breaker, Circuit};
use crate::clock::Clock;
use crate::delivery::Delivery;
use crate::leases::Leases;
use crate::local_guard::LocalClass;
use crate::outbox::Outbox;
use crate::settings::CollectorSettings;
use crate::spool::{Shelf, Spool, SpoolError};
use crate::status::{CollectorStatus, ControlledBy};
use crate::trust::InvalidTrust;

/// Longest time that [`Collector::stop`] gives a task beyond what it needs: a service that ends must end.
const GRACE: Duration = Duration::from_secs(2);
/// Time between two looks through all buckets for those that can be forgotten.
const FORGET_INTERVAL_NS: u64 = 1_000_000_000;
/// Counters are kept for this many times to live. The edge forgets an idle user after one, and must do so
/// first: it takes a counter that starts over for one that it knows, as long as it is no lower.
const COUNTERS_KEPT_TTLS: u32 = 3;
/// Characters of the service's name in a collector's id, which an edge takes up to 128 bytes long.
const ID_NAME_CHARS: usize = 16;

/// Cycles that may be missed, and the time that must have passed, before the collector counts as stuck: a busy
/// machine delays a task for a while.
const CYCLES_MISSED_MAX: u32 = 20;
const LIVE_AT_LEAST: Duration = Duration::from_secs(5);

/// A running collector. Dropping it without [`stop`](Collector::stop) ends it without a last delivery.
#[derive(Debug)]
pub struct Collector {
    inner: Arc<Inner>,
    cycles: Task,
    delivery: Option<Task>,
}

/// A task that ends when told, or when whoever could tell is gone.
#[derive(Debug)]
struct Task {
    stop: watch::Sender<bool>,
    ended: JoinHandle<()>,
}

impl Task {
    fn spawn<F: Future<Output = ()> + Send + 'static>(run: impl FnOnce(watch::Receiver<bool>) -> F) -> Self {
        let (stop, told) = watch::channel(false);
        Self { stop, ended: tokio::spawn(run(told)) }
    }

    /// Tells the task to end and waits for it. Returns whether it did in time.
    async fn end(mut self, wait_max: Duration) -> bool {
        // Where the task is gone already there is nobody to tell.
        let _ = self.stop.send(true);
        match tokio::time::timeout(wait_max, &mut self.ended).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::warn!(%error, "a collector task ended badly");
                false
            }
            Err(_) => {
                self.ended.abort();
                false
            }
        }
    }
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
    /// Begins the ids of this collector's events, and how many there were.
    event_prefix: String,
    events_ever: AtomicU64,
    /// What the spool holds, and its bytes.
    spooled: AtomicU64,
    spool_bytes: AtomicU64,
    circuit: Mutex<Circuit>,
    delivered: AtomicU64,
    rejected: AtomicU64,
    edge_error: Mutex<Option<String>>,
}

/// The local loop and what feeds it.
#[derive(Debug)]
struct Local {
    control: ControlLoop,
    requests: ThroughputMeter,
    /// By dependency, in the service's order.
    calls: Vec<ThroughputMeter>,
    cycles: u64,
    cycled_ns: u64,
    sweeps: Sweeps,
    forgot_ns: u64,
}

/// Looks for leases that have lapsed and users that are idle. One in an interval is enough: where many events come,
/// cycles do, and each look goes over everyone.
#[derive(Debug)]
struct Sweeps {
    number: u64,
    last_ns: u64,
}

impl Sweeps {
    /// Whether it is time, and if so, begins the next one.
    fn begin(&mut self, interval: Duration, now_ns: u64) -> bool {
        // A cycle that comes a little early counts as on time.
        let due = u128::from(now_ns.saturating_sub(self.last_ns)) >= interval.as_nanos() / 5 * 4;
        if due {
            *self = Self { number: self.number + 1, last_ns: now_ns };
        }
        due
    }
}

/// Why a collector does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The edge is to be reached by TLS, and nobody's certificate could be believed.
    #[error(transparent)]
    Trust(#[from] InvalidTrust),
    /// The spool cannot be used.
    #[error(transparent)]
    Spool(#[from] SpoolError),
}

impl Collector {
    /// Starts the cycle and, where an edge is configured, the delivery, on the current tokio runtime.
    ///
    /// It reads what an earlier process left in the spool, where there is one; that may take a moment.
    ///
    /// # Errors
    /// [`StartError`] where nobody could be trusted or the spool not be used.
    pub fn start(settings: CollectorSettings) -> Result<Self, StartError> {
        let epoch = Clock::unix_ms();
        let nonce = RandomState::new().hash_one(epoch);
        let name: String = settings.service.chars().take(ID_NAME_CHARS).collect();
        let id = format!("{name}-{}-{nonce:016x}", std::process::id());
        let info = CollectorInfo { id, service: settings.service.clone(), epoch };
        let delivery = settings.edge.clone().map(Delivery::new).transpose()?;
        let admission = Arc::new(Admission::new(&settings));
        let now_ns = admission.clock.now_ns();
        let spool = settings.spool.clone().filter(|_| delivery.is_some());
        let spool = spool.map(|spool| Spool::open(spool, now_ns)).transpose()?;
        let breaker = Breaker::new(settings.retry, nonce);
        let local = Local {
            control: ControlLoop::new(
                loop_settings(&settings),
                Box::new(LittleGuard::new(settings.start_per_s)),
                now_ns,
            ),
            requests: ThroughputMeter::default(),
            calls: vec![ThroughputMeter::default(); admission.local_guard.gauges().len()],
            cycles: 0,
            cycled_ns: now_ns,
            sweeps: Sweeps { number: 0, last_ns: now_ns },
            forgot_ns: now_ns,
        };
        let inner = Arc::new(Inner {
            info,
            admission,
            local: Mutex::new(local),
            leases: Mutex::new(Leases::new(settings.ttl, settings.flush_interval)),
            outbox: Mutex::new(Outbox::new(settings.batch_max, settings.queue_max, settings.users_max)),
            outbox_filled: Notify::new(),
            event_prefix: format!("{nonce:016x}"),
            events_ever: AtomicU64::new(0),
            spooled: AtomicU64::new(0),
            spool_bytes: AtomicU64::new(0),
            circuit: Mutex::new(Circuit::Closed),
            delivered: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            edge_error: Mutex::new(None),
            settings,
        });
        if let Some(spool) = &spool {
            inner.note_spool(spool);
        }
        inner.cycle();
        let cycles = Task::spawn(|told| run_cycles(Arc::clone(&inner), told));
        let deliverer = delivery
            .map(|delivery| Deliverer::new(Arc::clone(&inner), delivery, spool.map(Shelf::new), breaker));
        let delivery = deliverer.map(|deliverer| Task::spawn(|told| deliverer.run(told)));
        Ok(Self { inner, cycles, delivery })
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

    /// A handle that can tell later whether limits still move: the error says for how long they have not.
    pub fn liveness_provider(&self) -> impl Fn() -> Result<(), String> + Send + Sync + 'static {
        let inner = Arc::clone(&self.inner);
        move || inner.liveness()
    }

    /// Delivers what waits and ends, within [`CollectorSettings::drain`] and a moment, whatever the edge does; what is
    /// not delivered by then stays in the spool, or is counted as dropped where there is none. Ratings that finish
    /// later are counted as dropped events once the queue is full, so stop the service first.
    pub async fn stop(self) {
        // First the cycle, so that the last delivery finds everything.
        self.cycles.end(GRACE).await;
        let Some(delivery) = self.delivery else { return };
        delivery.end(self.inner.settings.drain + GRACE).await;
        let abandoned = self.inner.outbox.lock().abandon();
        if abandoned > 0 {
            self.inner.admission.count_dropped(abandoned);
            tracing::warn!(events = abandoned, "stopped before the last events were delivered");
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

/// Whether a cycle that was last seen `silent` ago still comes every `interval`.
fn live(silent: Duration, interval: Duration) -> Result<(), String> {
    if silent < LIVE_AT_LEAST.max(interval * CYCLES_MISSED_MAX) {
        return Ok(());
    }
    let silent_s = silent.as_secs_f64();
    Err(format!("limits have not moved for {silent_s:.1} s: the collector's cycle has ended or is stuck"))
}

async fn run_cycles(inner: Arc<Inner>, mut told: watch::Receiver<bool>) {
    // An interval of nothing would panic.
    let mut interval = tokio::time::interval(inner.settings.flush_interval.max(Duration::from_millis(1)));
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = interval.tick() => {}
            () = inner.admission.full_batch.notified() => {}
            told = told.changed() => {
                if told.is_ok() {
                    inner.cycle();
                }
                return;
            }
        }
        inner.cycle();
    }
}

impl Inner {
    /// One heartbeat.
    fn cycle(&self) {
        let admission = &*self.admission;
        let now_ns = admission.clock.now_ns();
        let users = {
            let outbox = self.outbox.lock();
            admission.counters.drain_active(|user| outbox.pending(user))
        };
        // Totals after users: what a user's counter shows, the totals show too.
        let totals = admission.counters.totals();
        let events = admission.drain_events();
        let dependencies = admission.local_guard.gauges();

        let overrides = self.leases.lock().overrides(Clock::unix_ms());
        let mut local = self.local.lock();
        local.control.set_overrides(overrides);
        local.cycles += 1;
        let report = Report {
            collector: &self.info,
            seq: local.cycles,
            in_flight: self.ratings_in_flight(),
            totals,
            users: &users,
            dependencies: &dependencies,
            // The local loop decides where it counts: nothing travels.
            round_trip_s: None,
        };
        local.control.report(&report, now_ns);
        events.iter().for_each(|event| local.control.observe_event(event));
        local.control.tick(now_ns);
        let sweeps = local.sweeps.begin(self.settings.flush_interval, now_ns);
        let times = self.lead_or_follow(&local.control, &users, sweeps, now_ns);
        self.move_guard(&mut local, times, &dependencies, now_ns);
        let kept = self.settings.ttl.saturating_mul(COUNTERS_KEPT_TTLS);
        let idle_ns = u64::try_from(kept.as_nanos()).unwrap_or(u64::MAX);
        if sweeps {
            admission.counters.sweep(local.sweeps.number, idle_ns, now_ns);
        }
        if now_ns.saturating_sub(local.forgot_ns) >= FORGET_INTERVAL_NS {
            local.forgot_ns = now_ns;
            admission.forget_idle(now_ns);
        }
        drop(local);
        self.fill_outbox(events, users);
    }

    fn ratings_in_flight(&self) -> u32 {
        u32::try_from(self.admission.ratings_in_flight.load(Relaxed)).unwrap_or(u32::MAX)
    }

    /// While the edge's answers hold, follow them; else apply the local loop's decision. Returns the guard times
    /// that hold, by the local loop's numbers.
    fn lead_or_follow(
        &self,
        control: &ControlLoop,
        users: &[UserCounts],
        sweeps: bool,
        now_ns: u64,
    ) -> GateTimes {
        let mut leases = self.leases.lock();
        // Granted before the lapsed are taken away, so that nobody is a newcomer for a moment in between.
        leases.lead(control, &self.info.id, users, &self.admission, now_ns);
        if sweeps {
            leases.sweep(&self.admission, now_ns);
        }
        let meters = &self.admission.meters;
        let edge_holds = leases.edge_holds(now_ns);
        self.admission.edge_controls.store(edge_holds, Relaxed);
        meters.edge_controls.set(f64::from(u8::from(edge_holds)));
        meters.leases.set(leases.users() as f64);
        leases.gate_times(control, &self.info.id, now_ns)
    }

    /// Turns the guard times into numbers of requests and calls, from how fast they leave.
    fn move_guard(&self, local: &mut Local, times: GateTimes, gauges: &[DependencyGauge], now_ns: u64) {
        let interval_s = now_ns.saturating_sub(local.cycled_ns) as f64 / 1e9;
        local.cycled_ns = now_ns;
        let guard = &self.admission.local_guard;
        let requests = local.requests.advance(guard.requests_done.load(Relaxed), interval_s);
        let meters = local.calls.iter_mut().zip(gauges);
        let calls: Vec<Throughput> =
            meters.map(|(meter, gauge)| meter.advance(gauge.completed, interval_s)).collect();
        // The local loop numbers what has reported, in its own order; this service's guards have their own.
        let control = &local.control;
        let place = |gauge: &DependencyGauge| control.dependency_names().position(|name| name == gauge.name);
        let places: Vec<Option<usize>> = gauges.iter().map(place).collect();
        let own = |number: Option<usize>| times.dependencies.get(number?).copied().flatten();
        let times = GateTimes { dependencies: places.iter().map(|&place| own(place)).collect(), ..times };
        let classes = control.contexts().enumerate().map(|(class, context)| {
            let called = control.calls(class);
            let calls = |place: &Option<usize>| place.and_then(|place| called.get(place)) == Some(&true);
            LocalClass { context, calls: places.iter().map(calls).collect() }
        });
        let unloaded_s = control.observation().map_or(0.0, |seen| seen.base_s);
        guard.move_limits(times, requests, &calls, unloaded_s, classes);
        self.admission.meters.guard_cap.set(guard.cap().map_or(f64::INFINITY, f64::from));
        self.admission.meters.in_flight.set(f64::from(guard.in_flight()));
    }

    /// Moves events and counters to the outbox; without an edge there is nothing to deliver.
    fn fill_outbox(&self, mut events: Vec<RatingEvent>, users: Vec<UserCounts>) {
        if self.settings.edge.is_none() {
            return;
        }
        for event in &mut events {
            // Named here rather than on the request's path: a name is an allocation.
            let number = self.events_ever.fetch_add(1, Relaxed);
            event.event_id = Some(format!("{}-{number}", self.event_prefix).into());
        }
        let mut outbox = self.outbox.lock();
        let gave_way = outbox.fill(events, users);
        self.admission.meters.events_waiting.set(outbox.waiting() as f64);
        drop(outbox);
        self.admission.count_dropped(gave_way);
        self.outbox_filled.notify_one();
    }

    fn note_spool(&self, spool: &Spool) {
        self.spooled.store(spool.events(), Relaxed);
        self.spool_bytes.store(spool.bytes(), Relaxed);
        self.admission.meters.spool_events.set(spool.events() as f64);
        self.admission.meters.spool_bytes.set(spool.bytes() as f64);
    }

    fn note_circuit(&self, circuit: Circuit) {
        *self.circuit.lock() = circuit;
        self.admission.meters.circuit_open.set(match circuit {
            Circuit::Closed => 0.0,
            Circuit::HalfOpen => 0.5,
            Circuit::Open => 1.0,
        });
    }

    fn liveness(&self) -> Result<(), String> {
        let silent_ns = self.admission.clock.now_ns().saturating_sub(self.local.lock().cycled_ns);
        live(Duration::from_nanos(silent_ns), self.settings.flush_interval)
    }

    fn status(&self) -> CollectorStatus {
        let now_ns = self.admission.clock.now_ns();
        let leases = self.leases.lock();
        let follows = leases.edge_holds(now_ns);
        let (policy_version, leased) = (leases.policy_version.clone(), leases.users());
        drop(leases);
        let local = self.local.lock();
        let seen = local.control.observation().copied().filter(|seen| seen.samples > 0);
        drop(local);
        CollectorStatus {
            id: self.info.id.clone(),
            service: self.info.service.clone(),
            controlled_by: if follows { ControlledBy::Edge } else { ControlledBy::Local },
            policy_version: policy_version.filter(|_| follows),
            guard_ms: self.admission.guard_ms(),
            guard_cap: self.admission.local_guard.cap(),
            in_flight: self.admission.requests_in_flight(),
            leases: leased,
            users_tracked: self.admission.counters.users_tracked(),
            events_waiting: self.outbox.lock().waiting(),
            events_spooled: self.spooled.load(Relaxed),
            spool_bytes: self.spool_bytes.load(Relaxed),
            circuit: *self.circuit.lock(),
            events_dropped: self.admission.dropped.load(Relaxed),
            events_delivered: self.delivered.load(Relaxed),
            events_rejected: self.rejected.load(Relaxed),
            edge_error: self.edge_error.lock().clone(),
            p95_ms: seen.map(|seen| seen.p95_s * 1e3).filter(|ms| ms.is_finite()),
            late_fraction: seen.map(|seen| seen.late_fraction),
            dependencies: self.admission.local_guard.gauges(),
            totals: self.admission.counters.totals(),
        }
    }
}

#[cfg(test)]
mod tests;
