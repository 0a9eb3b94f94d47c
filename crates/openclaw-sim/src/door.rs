//! What a request asks before it works, as the services ask it: the in-flight guard, then one token.
//!
//! The production guard and buckets, driven by simulated time. Leases are looked at when their user asks next rather
//! than swept: until then nobody can tell the difference.

use std::sync::Arc;

use openclaw_bucket::{
    BucketParams, CAPACITY_MAX, HashSeed, InFlight, InFlightGuard, KeyedBuckets, Pages, REFILL_RATE_MAX,
    Settings,
};
use openclaw_controller::{Assignment, Flow, GuardTime};
use openclaw_protocol::{BucketPolicy, Totals, UserId};

use crate::settings::SimSettings;

/// The shortest guard time that is obeyed, as a fraction of the SLO, as the collector has it.
const GUARD_MIN_OF_SLO: f64 = 0.05;
/// How long a lateness keeps the guard's floor low, in seconds.
const LATE_S: f64 = 1.0;
/// Time constant in which the guard's peak throughput fades, in seconds.
const PEAK_TAU_S: f64 = 30.0;

/// Guard and buckets of one service.
#[derive(Debug)]
pub(crate) struct Door {
    settings: SimSettings,
    buckets: KeyedBuckets,
    guard: Arc<InFlightGuard>,
    guard_s: Option<f64>,
    /// By user, until when its parameters hold; infinity where it has none.
    leased_until_s: Vec<f64>,
    lease_s: f64,
    throughput: Flow,
    peak_per_s: f64,
    done: u64,
    late_until_s: f64,
    moved_s: f64,
}

impl Door {
    /// A door for `users`, each at `defaults` until told otherwise, whose parameters hold for `lease_s` seconds.
    pub(crate) fn new(settings: SimSettings, defaults: BucketPolicy, users: usize, lease_s: f64) -> Self {
        let keys_max = (2 * users).max(64);
        let seed = HashSeed::new([0, 0]);
        let table = Settings::new(params(defaults), keys_max, seed).with_pages(Pages::Ordinary);
        Self {
            settings,
            buckets: KeyedBuckets::new(table),
            guard: Arc::new(InFlightGuard::new(u32::MAX)),
            guard_s: Some(settings.slo_s / 2.0),
            leased_until_s: vec![f64::INFINITY; users],
            lease_s,
            throughput: Flow::new(Totals::default()),
            peak_per_s: 0.0,
            done: 0,
            late_until_s: 0.0,
            moved_s: 0.0,
        }
    }

    /// Asks guard and bucket for one request.
    pub(crate) fn try_enter(&mut self, user: u32, id: &UserId, now_s: f64) -> Option<InFlight> {
        let pass = self.guard.try_enter(id).ok()?;
        if !self.settings.buckets {
            return Some(pass);
        }
        let now_ns = nanoseconds(now_s);
        let lease = &mut self.leased_until_s[user as usize];
        if now_s >= *lease {
            *lease = f64::INFINITY;
            self.buckets.clear_params(id, now_ns);
        }
        self.buckets.try_acquire(id, 1.0, now_ns).is_allowed().then_some(pass)
    }

    /// Notes that an admitted request is done after `latency_s` seconds.
    pub(crate) fn done(&mut self, pass: InFlight, latency_s: f64, now_s: f64) {
        drop(pass);
        self.done += 1;
        if self.guard_s.is_some_and(|guard_s| latency_s > guard_s) {
            self.late_until_s = now_s + LATE_S;
        }
    }

    /// Turns the guard time into a number of requests, from how fast requests leave.
    pub(crate) fn move_guard(&mut self, now_s: f64) {
        let interval_s = now_s - self.moved_s;
        self.moved_s = now_s;
        self.throughput.advance(Totals { completed: self.done, ..Totals::default() }, interval_s);
        let (fast, slow) = self.throughput.throughput_per_s();
        self.peak_per_s = (self.peak_per_s * (-interval_s / PEAK_TAU_S).exp()).max(slow);
        let cap = match self.guard_s() {
            None => u32::MAX,
            Some(guard_s) => self.settings.guard_law.cap(&GuardTime {
                guard_s,
                throughput_fast_per_s: fast,
                throughput_slow_per_s: slow,
                throughput_peak_per_s: self.peak_per_s,
                late: now_s < self.late_until_s,
            }),
        };
        self.guard.set_cap(cap);
    }

    /// W in seconds; `None` where the guard is open.
    pub(crate) fn guard_s(&self) -> Option<f64> {
        self.guard_s.filter(|_| self.settings.guard)
    }

    /// Applies what holds for everyone.
    pub(crate) fn assign_everyone(&mut self, assignment: &Assignment, now_s: f64) {
        let now_ns = nanoseconds(now_s);
        self.buckets.set_defaults(params(assignment.defaults), now_ns);
        self.buckets.set_newcomers(assignment.newcomers.map(params), now_ns);
        self.guard_s = assignment.guard_s.map(|s| s.max(GUARD_MIN_OF_SLO * self.settings.slo_s));
    }

    /// Gives one user parameters of its own.
    pub(crate) fn assign(&mut self, user: u32, id: &UserId, policy: BucketPolicy, now_s: f64) {
        // The table holds twice as many keys as there are users: a full one would leave this user at the defaults,
        // as a service does.
        if self.buckets.set_params(id, params(policy), nanoseconds(now_s)).is_ok() {
            self.leased_until_s[user as usize] = now_s + self.lease_s;
        }
    }
}

/// Bucket parameters of a policy: the nearest that a bucket can hold.
fn params(policy: BucketPolicy) -> BucketParams {
    let within = |value: f64, max: f64| value.max(0.0).min(max);
    let capacity = within(policy.bucket_size, CAPACITY_MAX);
    let refill_rate = within(policy.refill_rate, REFILL_RATE_MAX);
    BucketParams::new(capacity, refill_rate)
        .unwrap_or_else(|_| unreachable!("inside the bucket's own bounds"))
}

/// Simulated seconds as the production code takes time.
pub(crate) fn nanoseconds(now_s: f64) -> u64 {
    (now_s * 1e9).round() as u64
}
