//! What a request asks before it works, as the services ask it: the local guards, then one token.
//!
//! The production buckets, driven by simulated time. Leases are looked at when their user asks next rather
//! than swept: until then nobody can tell the difference.

use openclaw_bucket::{
    BucketParams, CAPACITY_MAX, HashSeed, InFlight, KeyedBuckets, Pages, REFILL_RATE_MAX, Settings,
};
use openclaw_controller::{ControlLoop, GateTimes};
use openclaw_protocol::{BucketPolicy, UserId};

use crate::local_guard::LocalGuard;
use crate::seconds::nanoseconds;
use crate::settings::SimSettings;
use crate::world::World;

/// The shortest guard time that is obeyed, as a fraction of the SLO, as the collector has it.
const GUARD_MIN_OF_SLO: f64 = 0.05;

/// Guards and buckets of one service.
#[derive(Debug)]
pub(crate) struct Door {
    settings: SimSettings,
    buckets: KeyedBuckets,
    pub(crate) guard: LocalGuard,
    /// By user, until when its parameters hold; infinity where it has none.
    leased_until_s: Vec<f64>,
    lease_s: f64,
}

impl Door {
    /// A door whose users have `defaults` until told otherwise, and whose parameters hold for `lease_s` seconds.
    pub(crate) fn new(settings: SimSettings, defaults: BucketPolicy, lease_s: f64, world: &World) -> Self {
        let users = world.ids.len();
        let keys_max = (2 * users).max(64);
        let table = Settings::new(params(defaults), keys_max, HashSeed::new([0, 0]));
        let guard_s = settings.guard.then_some(settings.slo_s / 2.0);
        Self {
            buckets: KeyedBuckets::new(table.with_pages(Pages::Ordinary)),
            guard: LocalGuard::new(settings.gate, guard_s, world),
            leased_until_s: vec![f64::INFINITY; users],
            lease_s,
            settings,
        }
    }

    /// Asks guards and bucket for one request.
    pub(crate) fn try_enter(&mut self, user: u32, class: usize, id: &UserId, now_s: f64) -> Option<InFlight> {
        let pass = self.guard.try_enter(class, id, now_s)?;
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

    /// Applies what holds for everyone at the collector of that name.
    pub(crate) fn assign_everyone(
        &mut self,
        control: &ControlLoop,
        collector: &str,
        unloaded_s: f64,
        now_s: f64,
        world: &World,
    ) {
        let now_ns = nanoseconds(now_s);
        let assignment = control.assignment(Some(collector), now_ns);
        self.buckets.set_defaults(params(assignment.defaults), now_ns);
        self.buckets.set_newcomers(assignment.newcomers.map(params), now_ns);
        let shortest_s = GUARD_MIN_OF_SLO * self.settings.slo_s;
        let guard_s = assignment.guard_s.map(|guard_s| guard_s.max(shortest_s));
        let times = GateTimes { guard_s: guard_s.filter(|_| self.settings.guard), ..assignment.gate_times() };
        self.guard.assign(times, unloaded_s, control, world);
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
