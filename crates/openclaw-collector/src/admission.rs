//! What a service asks before it works, and tells when it has: the request's own path.
//!
//! Everything here is a few atomic operations and short map look-ups. Nothing waits for the edge, the delivery
//! or the cycle.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use openclaw_bucket::{
    BucketParams, Decision, GuardFull, HashSeed, InFlight, KeyedBuckets, Settings, TableFull,
};
use openclaw_controller::{Bounds, Gate};
use openclaw_protocol::{BucketPolicy, Context, ItemId, Outcome, RatingEvent, UserId};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::counters::{Counters, Verdict};
use crate::local_guard::LocalGuard;
use crate::metering::Meters;
use crate::settings::CollectorSettings;
use crate::status::ControlledBy;

/// The shortest guard time that is obeyed, as a fraction of the SLO. Under a time that no request can meet, all
/// are late and the guard stays at its floor of two: whoever answers could close the service with one number.
const GUARD_MIN_OF_SLO: f64 = 0.05;

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
    /// Time spent in each dependency, in ms; `None` where none was called.
    pub dependency_ms: Option<BTreeMap<Arc<str>, f64>>,
}

/// A call to a dependency; it ends on drop.
#[derive(Debug)]
#[must_use = "dropping it at once ends the call"]
pub struct Call {
    admission: Arc<Admission>,
    dependency: usize,
    began: Instant,
}

impl Drop for Call {
    fn drop(&mut self) {
        self.admission.local_guard.call_ended(self.dependency, self.began.elapsed());
    }
}

/// Admission of one service: guard, buckets, counters, and the queue of events.
#[derive(Debug)]
pub struct Admission {
    pub(crate) clock: Clock,
    pub(crate) counters: Counters,
    buckets: KeyedBuckets,
    pub(crate) local_guard: LocalGuard,
    pub(crate) ratings_in_flight: AtomicU64,
    pub(crate) edge_controls: AtomicBool,
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
        let clock = Clock::default();
        let slo_s = settings.slo.as_secs_f64();
        Self {
            clock,
            counters: Counters::new(settings.users_max, meters.users_untracked.clone()),
            buckets: KeyedBuckets::new(Settings::new(defaults, settings.users_max, HashSeed::random())),
            local_guard: LocalGuard::new(
                Gate { guard: settings.guard_law, ..Gate::default() },
                settings.guard,
                slo_s / 2.0,
                slo_s * GUARD_MIN_OF_SLO,
                &settings.dependencies,
                clock,
            ),
            ratings_in_flight: AtomicU64::new(0),
            edge_controls: AtomicBool::new(false),
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

    /// Asks the in-flight guards for one request of `user`, in its circumstances; it leaves when the answer is dropped.
    ///
    /// # Errors
    /// [`GuardFull`] where too much is in flight, or nothing leaves; [`Admission::refused`] must then count the ratings.
    pub fn enter(&self, user: &UserId, context: &Context) -> Result<InFlight, GuardFull> {
        self.local_guard.try_enter(user, context)
    }

    /// Lets one request of `user` in whatever is in flight, for services that only foretell refusals.
    pub fn enter_regardless(&self, user: &UserId) -> InFlight {
        self.local_guard.enter(user)
    }

    /// Who decides the limits now, as of the last cycle.
    #[must_use]
    pub fn controlled_by(&self) -> ControlledBy {
        if self.edge_controls.load(Relaxed) { ControlledBy::Edge } else { ControlledBy::Local }
    }

    /// Counts ratings that the guard refused.
    pub fn refused<'a>(&self, ratings: impl Iterator<Item = (&'a UserId, &'a Context)>) {
        let now_ns = self.clock.now_ns();
        for (user, context) in ratings {
            self.counters.attempt(user, context, Verdict::Throttled, now_ns);
            self.meters.throttled_by_guard.increment(1);
        }
    }

    /// Takes one token of `user`'s bucket. An admitted rating must be [`finished`](Admission::finished).
    pub fn take(&self, user: &UserId, context: &Context) -> Decision {
        self.take_cost(user, context, 1.0)
    }

    /// The same for work that costs `cost` tokens; a cost that is no number, or negative, is refused.
    pub fn take_cost(&self, user: &UserId, context: &Context, cost: f64) -> Decision {
        let now_ns = self.clock.now_ns();
        let decision = self.buckets.try_acquire(user, cost, now_ns);
        if decision.is_allowed() {
            self.admitted(user, context, now_ns);
        } else {
            self.counters.attempt(user, context, Verdict::Throttled, now_ns);
            self.meters.throttled_by_bucket.increment(1);
        }
        decision
    }

    /// What [`take_cost`](Admission::take_cost) would have said, for services that only foretell refusals: the work
    /// goes on either way, counts as admitted, and must be [`finished`](Admission::finished).
    pub fn foretell(&self, user: &UserId, context: &Context, cost: f64) -> Decision {
        let now_ns = self.clock.now_ns();
        let decision = self.buckets.try_acquire(user, cost, now_ns);
        self.admitted(user, context, now_ns);
        decision
    }

    fn admitted(&self, user: &UserId, context: &Context, now_ns: u64) {
        self.counters.attempt(user, context, Verdict::Accepted, now_ns);
        self.ratings_in_flight.fetch_add(1, Relaxed);
    }

    /// How long a request that the guard refused should stay away: as long as the work in flight may take.
    pub fn guard_time(&self) -> Duration {
        self.local_guard.guard_time()
    }

    /// Begins a call to the dependency of that name; `None` where it is not one of the configured ones.
    pub fn call(self: &Arc<Self>, name: &str) -> Option<Call> {
        let dependency = self.local_guard.dependency(name)?;
        self.local_guard.call_began(dependency);
        Some(Call { admission: Arc::clone(self), dependency, began: Instant::now() })
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
        event.dependency_ms = finished.dependency_ms;
        event.context = finished.context;
        self.queue(event);
    }

    /// Tells that a request that had entered is done. `latency` is its whole service time, and `served` says whether
    /// it was done as asked.
    pub fn request_done(&self, latency: Duration, served: bool) {
        self.local_guard.done(latency, served);
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
        self.local_guard.in_flight()
    }

    /// The guard time in ms, where there is a guard.
    pub(crate) fn guard_ms(&self) -> Option<f64> {
        self.local_guard.guard_s().map(|guard_s| guard_s * 1e3)
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

    /// Takes a token at a simulated time.
    #[cfg(test)]
    pub(crate) fn take_at(&self, user: &UserId, now_ns: u64) -> Decision {
        self.buckets.try_acquire(user, 1.0, now_ns)
    }

    /// Tokens that a user has, where it is in the table.
    #[cfg(test)]
    pub(crate) fn tokens_of(&self, user: &str, now_ns: u64) -> Option<f64> {
        self.buckets.peek(user, now_ns).map(|snapshot| snapshot.level)
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

#[cfg(test)]
mod tests;
