//! Parameters hold for a time, not for ever.
//!
//! Three things are leased: each user's parameters, everyone else's, and the guard time. An answer to a batch
//! renews all three, an answer to a single event perhaps only its user's, and what is not leased from the edge
//! the local loop decides. When no answer has come for a whole time to live, the local loop has everything.
//!
//! The operator's overrides come with an answer now and then, all of them at once. They are no leases: the local loop
//! follows them too, for as long as the operator said and this process lives.
//!
//! An edge is trusted with numbers inside the operator's bounds, and with nothing else: users that it was not
//! asked about and that have no override, times to live beyond all reason and texts of any length stop here.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use openclaw_controller::{CLASSES_MAX, ControlLoop, DEPENDENCIES_MAX, GateTimes, Overrides};
use openclaw_protocol::{
    BatchAnswer, BucketPolicy, Context, EffectiveLimits, PolicyAnswer, UserCounts, UserId,
};

use crate::admission::Admission;

/// Longest time to live that an answer may ask for: an hour. A lease beyond that is no lease.
const TTL_NS_MAX: u64 = 3_600_000_000_000;
/// Overrides taken from one answer at most; an edge takes no more from its operator.
const OVERRIDES_MAX: usize = 10_000;
/// Longest policy version that is kept, in characters: it is shown to people.
const VERSION_CHARS_MAX: usize = 128;

#[derive(Clone, Copy, Debug)]
struct Lease {
    until_ns: u64,
    from_edge: bool,
}

/// What is leased, and until when.
#[derive(Debug)]
pub(crate) struct Leases {
    users: HashMap<UserId, Lease>,
    /// The last answer of the edge holds until then, whatever it said.
    edge_until_ns: u64,
    /// The edge decides what users without parameters of their own get.
    everyone_until_ns: u64,
    /// The edge decides the guard times: the common one, and these of classes and dependencies, in seconds.
    guard_until_ns: u64,
    class_guards_s: Vec<(Context, f64)>,
    dependency_guards_s: Vec<(String, f64)>,
    /// How long the local loop's decisions hold, and answers that do not say.
    ttl_ns: u64,
    /// A lease that lapses before the next cycle would make edge and local loop take turns.
    ttl_ns_min: u64,
    pub(crate) policy_version: Option<String>,
    overrides: Arc<Overrides>,
}

impl Leases {
    pub(crate) fn new(ttl: Duration, flush_interval: Duration) -> Self {
        let ns = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self {
            users: HashMap::new(),
            edge_until_ns: 0,
            everyone_until_ns: 0,
            guard_until_ns: 0,
            class_guards_s: Vec::new(),
            dependency_guards_s: Vec::new(),
            ttl_ns: ns(ttl),
            ttl_ns_min: ns(flush_interval).saturating_mul(2).min(TTL_NS_MAX),
            policy_version: None,
            overrides: Arc::default(),
        }
    }

    /// The operator's overrides that hold at `now_ms`, ms since the epoch.
    pub(crate) fn overrides(&mut self, now_ms: u64) -> Arc<Overrides> {
        if let Some(left) = self.overrides.without_expired(now_ms) {
            self.overrides = Arc::new(left);
        }
        Arc::clone(&self.overrides)
    }

    /// Takes over the operator's overrides. Who had one and has none any more waits for parameters like anyone else.
    fn override_limits(
        &mut self,
        told: &BTreeMap<UserId, EffectiveLimits>,
        admission: &Admission,
        now_ns: u64,
    ) {
        let told = told.iter().take(OVERRIDES_MAX).map(|(user, limits)| (user.clone(), *limits));
        let before = std::mem::replace(&mut self.overrides, Arc::new(Overrides::new(told.collect())));
        for (user, _) in before.iter().filter(|(user, _)| self.overrides.of(user).is_none()) {
            if self.users.remove(user).is_some() {
                admission.unassign(user, now_ns);
            }
        }
    }

    /// Whether an answer of the edge still holds.
    pub(crate) fn edge_holds(&self, now_ns: u64) -> bool {
        now_ns < self.edge_until_ns
    }

    pub(crate) fn users(&self) -> usize {
        self.users.len()
    }

    /// Applies the edge's answer to a batch that named the users of `asked`.
    pub(crate) fn apply(
        &mut self,
        answer: &BatchAnswer,
        asked: &HashSet<&UserId>,
        admission: &Admission,
        now_ns: u64,
    ) {
        let until_ns = self.until(Some(answer.ttl_ms), now_ns);
        let lease = Lease { until_ns, from_edge: true };
        if let Some(told) = &answer.overrides {
            self.override_limits(told, admission, now_ns);
        }
        for (user, policy) in &answer.policies {
            if asked.contains(user) || self.overrides.of(user).is_some() {
                self.grant(user, *policy, lease, admission, now_ns);
            } else {
                admission.meters.policies_refused.increment(1);
            }
        }
        if answer.defaults.is_sound() {
            let newcomers = answer.newcomers.filter(BucketPolicy::is_sound);
            admission.assign_everyone(answer.defaults, newcomers, now_ns);
            self.everyone_until_ns = until_ns;
        } else {
            admission.meters.policies_refused.increment(1);
        }
        self.lease_guard(answer.guard_ms, until_ns, admission);
        // What is no positive time is no guard time; more than there are classes is nonsense.
        let sound =
            |guard_ms: f64| Some(guard_ms / 1e3).filter(|guard_s| *guard_s > 0.0 && guard_s.is_finite());
        let classes = answer.classes.iter().take(CLASSES_MAX);
        self.class_guards_s =
            classes.filter_map(|class| Some((class.context.clone(), sound(class.guard_ms)?))).collect();
        let dependencies = answer.dependencies.iter().take(DEPENDENCIES_MAX);
        self.dependency_guards_s = dependencies
            .filter_map(|dependency| Some((dependency.name.clone(), sound(dependency.guard_ms)?)))
            .collect();
        self.edge_until_ns = until_ns;
        self.policy_version = Some(cut(&answer.policy_version));
    }

    /// Applies the edge's answer to a single event. The brief's answer has only the two numbers, so the guard and
    /// everyone else stay with the local loop, unless a guard time is given.
    pub(crate) fn apply_single(
        &mut self,
        user: &UserId,
        answer: &PolicyAnswer,
        admission: &Admission,
        now_ns: u64,
    ) {
        let until_ns = self.until(answer.ttl_ms, now_ns);
        self.grant(user, answer.policy, Lease { until_ns, from_edge: true }, admission, now_ns);
        if answer.guard_ms.is_some() {
            self.lease_guard(answer.guard_ms, until_ns, admission);
            self.class_guards_s.clear();
            self.dependency_guards_s.clear();
        }
        self.edge_until_ns = until_ns;
        self.policy_version = answer.policy_version.as_deref().map(cut);
    }

    /// The guard times that hold for the classes and dependencies that the local loop knows, by its numbers. The
    /// common one stands in the guard itself.
    pub(crate) fn gate_times(&self, control: &ControlLoop, collector: &str, now_ns: u64) -> GateTimes {
        if now_ns >= self.guard_until_ns {
            return control.assignment(Some(collector), now_ns).gate_times();
        }
        let class = |context: &Context| {
            self.class_guards_s.iter().find(|(leased, _)| leased == context).map(|(_, guard_s)| *guard_s)
        };
        let dependency = |name: &str| {
            self.dependency_guards_s.iter().find(|(leased, _)| leased == name).map(|(_, guard_s)| *guard_s)
        };
        GateTimes {
            guard_s: None,
            classes: control.contexts().map(class).collect(),
            dependencies: control.dependency_names().map(dependency).collect(),
        }
    }

    /// The guard times of classes that the edge leased, and until when it decides all guard times.
    #[cfg(test)]
    pub(crate) fn class_guards(&self) -> (&[(Context, f64)], u64) {
        (&self.class_guards_s, self.guard_until_ns)
    }

    fn lease_guard(&mut self, guard_ms: Option<f64>, until_ns: u64, admission: &Admission) {
        if admission.local_guard.set_guard_s(guard_ms.map(|ms| ms / 1e3)) {
            self.guard_until_ns = until_ns;
        } else {
            admission.meters.policies_refused.increment(1);
        }
    }

    /// Decides what the edge does not: for everyone, the guard, and the users of this cycle.
    pub(crate) fn lead(
        &mut self,
        control: &ControlLoop,
        collector: &str,
        users: &[UserCounts],
        admission: &Admission,
        now_ns: u64,
    ) {
        let assignment = control.assignment(Some(collector), now_ns);
        if now_ns >= self.guard_until_ns {
            admission.local_guard.set_guard_s(assignment.guard_s);
        }
        if now_ns < self.everyone_until_ns {
            return;
        }
        admission.assign_everyone(assignment.defaults, assignment.newcomers, now_ns);
        let lease = Lease { until_ns: now_ns.saturating_add(self.ttl_ns), from_edge: false };
        let edge_holds = self.edge_holds(now_ns);
        let of_edge = |held: &Lease| held.from_edge && now_ns < held.until_ns;
        let users = users.iter().map(|user| &user.user_id);
        let led: Vec<&UserId> =
            users.filter(|user| !(edge_holds && self.users.get(*user).is_some_and(of_edge))).collect();
        for (user, policy) in control.policies(led.into_iter(), Some(collector), now_ns) {
            self.grant(user, policy, lease, admission, now_ns);
        }
    }

    /// Gives a user parameters. A policy that is no number is not applied.
    fn grant(
        &mut self,
        user: &UserId,
        policy: BucketPolicy,
        lease: Lease,
        admission: &Admission,
        now_ns: u64,
    ) {
        if !policy.is_sound() {
            admission.meters.policies_refused.increment(1);
        } else if admission.assign(user, policy, now_ns).is_ok() {
            // The table of buckets is bounded, and so is this map: only who has a bucket has a lease.
            match self.users.get_mut(user) {
                Some(held) => *held = lease,
                None => {
                    self.users.insert(user.clone(), lease);
                }
            }
        }
    }

    /// Takes away what has lapsed.
    pub(crate) fn sweep(&mut self, admission: &Admission, now_ns: u64) {
        self.users.retain(|user, lease| {
            let holds = now_ns < lease.until_ns;
            if !holds {
                admission.unassign(user, now_ns);
            }
            holds
        });
    }

    fn until(&self, ttl_ms: Option<u64>, now_ns: u64) -> u64 {
        let ttl_ns = ttl_ms.map_or(self.ttl_ns, |ms| ms.saturating_mul(1_000_000));
        now_ns.saturating_add(ttl_ns.clamp(self.ttl_ns_min, TTL_NS_MAX))
    }
}

fn cut(version: &str) -> String {
    version.chars().take(VERSION_CHARS_MAX).collect()
}

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod tests;
