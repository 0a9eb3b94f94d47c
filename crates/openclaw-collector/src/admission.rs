//! What a service asks before it works, and tells when it has: the request's own path.
//!
//! Everything here is a few atomic operations and short map look-ups. Nothing waits for the edge, the delivery
//! or the cycle.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use openclaw_bucket::{
    BucketParams, Decision, GuardFull, HashSeed, InFlight, InFlightGuard, KeyedBuckets, Settings, TableFull,
};
use openclaw_controller::{Bounds, GuardTime};
use openclaw_protocol::{BucketPolicy, Context, ItemId, Outcome, RatingEvent, UserId};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::counters::{Counters, Verdict};
use crate::metering::Meters;
use crate::settings::CollectorSettings;

/// The shortest guard time that is obeyed, as a fraction of the SLO. Under a time that no request can meet, all
/// are late and the guard stays at its floor of two: whoever answers could close the service with one number.
const GUARD_MIN_OF_SLO: f64 = 0.05;
/// The longest guard time that is obeyed, in seconds.
const GUARD_MAX_S: f64 = 3600.0;

/// How one admitted rating ended.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Who rated.
    pub user_id: UserId,
    /// What was rated.
    pub item_id: ItemId,
    /// The score.
    pub score: f64,
    /// The rating's own timestamp, ms since the epoch.
    pub timestamp_ms: u64,
    /// Circumstances.
    pub context: Context,
    /// Service time as the caller saw it.
    pub latency: Duration,
    /// Accepted, failed or timed out.
    pub outcome: Outcome,
    /// Processing time without waiting, where known.
    pub work: Option<Duration>,
}

/// Admission of one service: guard, buckets, counters, and the queue of events.
#[derive(Debug)]
pub struct Admission {
    pub(crate) clock: Clock,
    pub(crate) counters: Counters,
    buckets: KeyedBuckets,
    guard: Arc<InFlightGuard>,
    guard_enabled: bool,
    guard_open: AtomicBool,
    guard_ns: AtomicU64,
    guard_min_s: f64,
    late_ns: AtomicU64,
    pub(crate) requests_done: AtomicU64,
    pub(crate) ratings_in_flight: AtomicU64,
    queue: Mutex<Vec<RatingEvent>>,
    queue_max: usize,
    batch_max: usize,
    pub(crate) full_batch: Notify,
    pub(crate) dropped: AtomicU64,
    pub(crate) meters: Meters,
    bounds: Bounds,
    configured: BucketPolicy,
}

impl Admission {
    pub(crate) fn new(settings: &CollectorSettings) -> Self {
        let defaults = params(settings.bounds.clamp(settings.defaults));
        let meters = Meters::new();
        Self {
            clock: Clock::default(),
            counters: Counters::new(settings.users_max, meters.users_untracked.clone()),
            buckets: KeyedBuckets::new(Settings::new(defaults, settings.users_max, HashSeed::random())),
            guard: Arc::new(InFlightGuard::with_seed(u32::MAX, HashSeed::random())),
            guard_enabled: settings.guard,
            guard_open: AtomicBool::new(!settings.guard),
            guard_ns: AtomicU64::new(duration_ns(settings.slo / 2)),
            guard_min_s: settings.slo.as_secs_f64() * GUARD_MIN_OF_SLO,
            late_ns: AtomicU64::new(0),
            requests_done: AtomicU64::new(0),
            ratings_in_flight: AtomicU64::new(0),
            queue: Mutex::new(Vec::new()),
            queue_max: settings.queue_max,
            batch_max: settings.batch_max,
            full_batch: Notify::new(),
            dropped: AtomicU64::new(0),
            meters,
            bounds: settings.bounds,
            configured: settings.defaults,
        }
    }

    /// Asks the in-flight guard for one request, on behalf of `user`; it leaves when the answer is dropped.
    ///
    /// # Errors
    /// [`GuardFull`] where too much is in flight; [`Admission::refused`] must then count the ratings.
    pub fn enter(&self, user: &UserId) -> Result<InFlight, GuardFull> {
        self.guard.try_enter(user)
    }

    /// Counts ratings that the guard refused.
    pub fn refused<'a>(&self, users: impl Iterator<Item = &'a UserId>) {
        let now_ns = self.clock.now_ns();
        for user in users {
            self.counters.attempt(user, Verdict::Throttled, now_ns);
            self.meters.throttled_by_guard.increment(1);
        }
    }

    /// Takes one token of `user`'s bucket. An admitted rating must be [`finished`](Admission::finished).
    pub fn take(&self, user: &UserId) -> Decision {
        let now_ns = self.clock.now_ns();
        let decision = self.buckets.try_acquire(user, 1.0, now_ns);
        if decision.is_allowed() {
            self.counters.attempt(user, Verdict::Accepted, now_ns);
            self.ratings_in_flight.fetch_add(1, Relaxed);
        } else {
            self.counters.attempt(user, Verdict::Throttled, now_ns);
            self.meters.throttled_by_bucket.increment(1);
        }
        decision
    }

    /// How long a request that the guard refused should stay away: as long as the work in flight may take.
    pub fn guard_time(&self) -> Duration {
        Duration::from_nanos(self.guard_ns.load(Relaxed))
    }

    /// Whether `params` are lower than what the configuration gives a user.
    #[must_use]
    pub fn is_lowered(&self, params: BucketParams) -> bool {
        params.refill_rate() < self.configured.refill_rate || params.capacity() < self.configured.bucket_size
    }

    /// Tells how an admitted rating ended, and queues its event. Once per [`take`](Admission::take) that was
    /// allowed, also where the work was broken off: a rating that never finishes stays in flight for ever.
    pub fn finished(&self, finished: Finished) {
        // One that was never taken must not turn the number in flight into billions.
        let one_less = |in_flight: u64| in_flight.checked_sub(1);
        if self.ratings_in_flight.try_update(Relaxed, Relaxed, one_less).is_err() {
            tracing::debug!(user = %finished.user_id, "a rating finished that was never taken");
        }
        match finished.outcome {
            Outcome::Accepted => self.counters.completed(),
            Outcome::Throttled | Outcome::Failed | Outcome::Timeout => self.counters.failed(),
        }
        let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
        let mut event =
            RatingEvent::new(finished.user_id, finished.item_id, finished.score, finished.timestamp_ms);
        event.latency_ms = Some(ms(finished.latency));
        event.outcome = Some(finished.outcome);
        event.work_ms = finished.work.map(ms);
        event.context = finished.context;
        self.queue(event);
    }

    /// Tells that a request that had entered is done. `latency` is its whole service time.
    pub fn request_done(&self, latency: Duration) {
        self.requests_done.fetch_add(1, Relaxed);
        if duration_ns(latency) > self.guard_ns.load(Relaxed) {
            self.late_ns.fetch_max(self.clock.now_ns(), Relaxed);
        }
    }

    fn queue(&self, event: RatingEvent) {
        let length = {
            let mut queue = self.queue.lock();
            if queue.len() < self.queue_max {
                queue.push(event);
                queue.len()
            } else {
                drop(queue);
                self.count_dropped(1);
                return;
            }
        };
        if length == self.batch_max {
            self.full_batch.notify_one();
        }
    }

    pub(crate) fn count_dropped(&self, events: usize) {
        if events > 0 {
            self.dropped.fetch_add(events as u64, Relaxed);
            self.meters.events_dropped.increment(events as u64);
        }
    }

    pub(crate) fn drain_events(&self) -> Vec<RatingEvent> {
        std::mem::take(&mut *self.queue.lock())
    }

    /// Requests in flight.
    #[must_use]
    pub fn requests_in_flight(&self) -> u32 {
        self.guard.in_flight()
    }

    /// What the guard's law looks at, with the throughput of requests that the cycle measured.
    pub(crate) fn guard_seen(&self, (fast, slow): (f64, f64), peak: f64) -> GuardTime {
        let late_ns = self.late_ns.load(Relaxed);
        GuardTime {
            guard_s: self.guard_ns.load(Relaxed) as f64 / 1e9,
            throughput_fast_per_s: fast,
            throughput_slow_per_s: slow,
            throughput_peak_per_s: peak,
            late: late_ns > 0 && self.clock.now_ns().saturating_sub(late_ns) < 1_000_000_000,
        }
    }

    /// Sets the guard's cap; an open guard only counts.
    pub(crate) fn set_cap(&self, cap: u32) {
        self.guard.set_cap(if self.guard_open.load(Relaxed) { u32::MAX } else { cap });
    }

    pub(crate) fn cap(&self) -> Option<u32> {
        (!self.guard_open.load(Relaxed)).then(|| self.guard.cap())
    }

    /// Sets the guard time; `None` opens the guard. Returns false where the time is not a positive number and
    /// changes nothing.
    pub(crate) fn set_guard_s(&self, guard_s: Option<f64>) -> bool {
        match guard_s {
            None => self.guard_open.store(true, Relaxed),
            Some(guard_s) if guard_s > 0.0 => {
                let guard_s = guard_s.clamp(self.guard_min_s.min(GUARD_MAX_S), GUARD_MAX_S);
                self.guard_ns.store((guard_s * 1e9) as u64, Relaxed);
                self.guard_open.store(!self.guard_enabled, Relaxed);
            }
            Some(_) => return false,
        }
        true
    }

    /// The guard time in ms, where there is a guard.
    pub(crate) fn guard_ms(&self) -> Option<f64> {
        (!self.guard_open.load(Relaxed)).then(|| self.guard_ns.load(Relaxed) as f64 / 1e6)
    }

    /// Gives one user parameters of its own, inside the operator's bounds.
    pub(crate) fn assign(&self, user: &str, policy: BucketPolicy, now_ns: u64) -> Result<(), TableFull> {
        self.buckets.set_params(user, params(self.bounds.clamp(policy)), now_ns)
    }

    /// Takes a user's own parameters away.
    pub(crate) fn unassign(&self, user: &str, now_ns: u64) {
        self.buckets.clear_params(user, now_ns);
    }

    /// Sets what users without parameters of their own get, each and together.
    pub(crate) fn assign_everyone(
        &self,
        defaults: BucketPolicy,
        newcomers: Option<BucketPolicy>,
        now_ns: u64,
    ) {
        self.buckets.set_defaults(params(self.bounds.clamp(defaults)), now_ns);
        self.buckets.set_newcomers(newcomers.map(|policy| params(self.bounds.clamp(policy))), now_ns);
    }

    pub(crate) fn forget_idle(&self, now_ns: u64) {
        self.buckets.forget_idle(now_ns);
    }
}

/// Bucket parameters of a policy inside finite bounds.
fn params(policy: BucketPolicy) -> BucketParams {
    BucketParams::new(policy.bucket_size, policy.refill_rate).unwrap_or_else(|_| {
        // Bounds beyond what a bucket can hold: the nearest that it can.
        let within = |value: f64, max: f64| value.max(0.0).min(max);
        let capacity = within(policy.bucket_size, openclaw_bucket::CAPACITY_MAX);
        let refill_rate = within(policy.refill_rate, openclaw_bucket::REFILL_RATE_MAX);
        BucketParams::new(capacity, refill_rate)
            .unwrap_or_else(|_| unreachable!("inside the bucket's own bounds"))
    })
}

fn duration_ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
