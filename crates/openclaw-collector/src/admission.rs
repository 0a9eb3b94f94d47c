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
use crate::settings::CollectorSettings;

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
    late_ns: AtomicU64,
    pub(crate) requests_done: AtomicU64,
    pub(crate) ratings_in_flight: AtomicU64,
    queue: Mutex<Vec<RatingEvent>>,
    queue_max: usize,
    batch_max: usize,
    pub(crate) full_batch: Notify,
    pub(crate) dropped: AtomicU64,
    pub(crate) queued: AtomicU64,
    bounds: Bounds,
    configured: BucketPolicy,
}

impl Admission {
    pub(crate) fn new(settings: &CollectorSettings) -> Self {
        let defaults = params(settings.bounds.clamp(settings.defaults));
        Self {
            clock: Clock::default(),
            counters: Counters::new(settings.users_max),
            buckets: KeyedBuckets::new(Settings::new(defaults, settings.users_max, HashSeed::random())),
            guard: Arc::new(InFlightGuard::new(u32::MAX)),
            guard_enabled: settings.guard,
            guard_open: AtomicBool::new(!settings.guard),
            guard_ns: AtomicU64::new(duration_ns(settings.slo / 2)),
            late_ns: AtomicU64::new(0),
            requests_done: AtomicU64::new(0),
            ratings_in_flight: AtomicU64::new(0),
            queue: Mutex::new(Vec::new()),
            queue_max: settings.queue_max,
            batch_max: settings.batch_max,
            full_batch: Notify::new(),
            dropped: AtomicU64::new(0),
            queued: AtomicU64::new(0),
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
            metrics::counter!("openclaw_rating_throttled_total", "by" => "guard").increment(1);
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
            metrics::counter!("openclaw_rating_throttled_total", "by" => "bucket").increment(1);
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

    /// Tells how an admitted rating ended, and queues its event.
    pub fn finished(&self, finished: Finished) {
        self.ratings_in_flight.fetch_sub(1, Relaxed);
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
        self.queued.fetch_add(1, Relaxed);
        if length == self.batch_max {
            self.full_batch.notify_one();
        }
    }

    pub(crate) fn count_dropped(&self, events: usize) {
        if events > 0 {
            self.dropped.fetch_add(events as u64, Relaxed);
            metrics::counter!("openclaw_collector_events_dropped_total").increment(events as u64);
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

    /// Sets the guard time; `None` opens the guard. A time that is not a positive number is ignored.
    pub(crate) fn set_guard_s(&self, guard_s: Option<f64>) {
        self.guard_open.store(!self.guard_enabled || guard_s.is_none(), Relaxed);
        if let Some(guard_s) = guard_s.filter(|&guard_s| guard_s > 0.0 && guard_s < 3600.0) {
            self.guard_ns.store((guard_s * 1e9) as u64, Relaxed);
        }
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
