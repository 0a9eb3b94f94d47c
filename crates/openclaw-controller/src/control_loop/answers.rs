//! What holds now, for whoever asks: collectors, metrics, and people who want to know why.

use openclaw_protocol::{BucketPolicy, Context, EffectiveLimits, Reason, UserId};

use super::{Assignment, BusyUser, ControlLoop, Decision};
use crate::division::Level;
use crate::explanation::Explanation;
use crate::gate::is_caller;
use crate::observation::{Action, SharedAction};
use crate::overrides::part_of;
use crate::parts::PerDependency;
use crate::users::{Sharing, SourceId};

impl ControlLoop {
    /// The number of a context's class; 0 is the plain class, also of contexts that have no number.
    #[must_use]
    pub fn class_of(&self, context: &Context) -> usize {
        self.classes.find(context).unwrap_or(0)
    }

    /// The contexts of the classes, by number; the plain class has an empty one.
    pub fn contexts(&self) -> impl Iterator<Item = &Context> {
        self.classes.contexts()
    }

    /// The names of the dependencies, by number.
    pub fn dependency_names(&self) -> impl Iterator<Item = &str> {
        self.dependencies.names()
    }

    /// Whether a class calls each dependency, as far as guards are concerned.
    #[must_use]
    pub fn calls(&self, class: usize) -> PerDependency<bool> {
        self.classes.call_shares(class, self.dependencies.len()).into_iter().map(is_caller).collect()
    }

    /// What holds at a collector for users without parameters of their own. `collector` is its id, `None` for
    /// events without an envelope.
    #[must_use]
    pub fn assignment(&self, collector: Option<&str>, now_ns: u64) -> Assignment {
        let Decision::Made { action, level, reason, .. } = &self.decision else {
            let guard_s = self.controller.guards().then_some(self.settings.slo_s / 2.0);
            let defaults = self.settings.defaults;
            return Assignment::new(defaults, guard_s, Reason::NoLatencySignal);
        };
        match action {
            Action::PerUser(policy) => Assignment::new(self.settings.bounds.clamp(*policy), None, *reason),
            Action::Shared(shared) => {
                let sharing = self.sharing(shared, *level, collector);
                let newcomers = self.settings.bounds.clamp(self.users.newcomers_policy(&sharing, now_ns));
                // One newcomer alone may use all that newcomers have together.
                Assignment {
                    newcomers: Some(newcomers),
                    classes: shared.classes.iter().map(|class| class.guard_s).collect(),
                    dependencies: shared.dependencies.iter().map(|calls| calls.guard_s).collect(),
                    ..Assignment::new(newcomers, shared.guard_s, *reason)
                }
            }
        }
    }

    /// The parameters of one user at one collector, and why.
    #[must_use]
    pub fn policy(&self, user: &str, collector: Option<&str>, now_ns: u64) -> (BucketPolicy, Reason) {
        let assignment = || self.assignment(collector, now_ns);
        let (_, share) = self.sources.share(collector);
        let Decision::Made { action: Action::Shared(shared), level, reason, .. } = &self.decision else {
            let assignment = assignment();
            return match self.overrides.of(user) {
                None => (assignment.defaults, assignment.reason),
                Some(limits) => (self.untracked(limits, assignment.defaults, share), Reason::Operator),
            };
        };
        let limits = self.overrides.of(user);
        let reason = if limits.is_some() { Reason::Operator } else { *reason };
        match (self.users.policy(user, &self.sharing(shared, *level, collector), limits, now_ns), limits) {
            (Some(policy), _) => (self.settings.bounds.clamp(policy), reason),
            (None, None) => (assignment().defaults, Reason::Newcomer),
            (None, Some(limits)) => (self.untracked(limits, assignment().defaults, share), reason),
        }
    }

    /// The parameters at a collector of a user with an override of whom nothing else is known: its part goes by the
    /// collector's `share` of all traffic.
    fn untracked(&self, limits: &EffectiveLimits, defaults: BucketPolicy, share: f64) -> BucketPolicy {
        self.settings.bounds.clamp(part_of(limits.apply(defaults), share))
    }

    /// The parameters of several users at one collector; what they have in common is worked out once.
    pub fn policies<'a>(
        &'a self,
        users: impl Iterator<Item = &'a UserId> + 'a,
        collector: Option<&str>,
        now_ns: u64,
    ) -> impl Iterator<Item = (&'a UserId, BucketPolicy)> + 'a {
        let defaults = self.assignment(collector, now_ns).defaults;
        let (_, share) = self.sources.share(collector);
        let sharing = match &self.decision {
            Decision::Made { action: Action::Shared(shared), level, .. } => {
                Some(self.sharing(shared, *level, collector))
            }
            _ => None,
        };
        users.map(move |user| {
            let limits = self.overrides.of(user);
            let own = sharing.as_ref().and_then(|sharing| self.users.policy(user, sharing, limits, now_ns));
            let policy = match (own, limits) {
                (Some(policy), _) => self.settings.bounds.clamp(policy),
                (None, None) => defaults,
                (None, Some(limits)) => self.untracked(limits, defaults, share),
            };
            (user, policy)
        })
    }

    fn sharing<'a>(&self, action: &'a SharedAction, level: Level, collector: Option<&str>) -> Sharing<'a> {
        let (source, source_share) = self.sources.share(collector);
        Sharing { action, level, source, source_share }
    }

    /// The busiest users with their parameters over all collectors, busiest first, at most `count`, and the
    /// mean over all others, where there are any.
    #[must_use]
    pub fn busiest(&self, count: usize, now_ns: u64) -> (Vec<BusyUser>, Option<BucketPolicy>) {
        let same_for_all = self.assignment(None, now_ns).defaults;
        let sharing = self.everywhere();
        let policy = |id: &UserId, class, demand_per_s| match (&sharing, self.overrides.of(id)) {
            (Some(sharing), limits) => self.settings.bounds.clamp(sharing.whole(class, demand_per_s, limits)),
            (None, None) => same_for_all,
            (None, Some(limits)) => self.settings.bounds.clamp(limits.apply(same_for_all)),
        };
        let demands = self.users.demands(now_ns);
        let mut all: Vec<_> =
            demands.map(|(id, class, per_s)| (id, per_s, policy(id, class, per_s))).collect();
        let busier = |one: &(&UserId, f64, BucketPolicy), other: &(&UserId, f64, BucketPolicy)| {
            other.1.total_cmp(&one.1).then_with(|| one.0.cmp(other.0))
        };
        let mut rest = None;
        if all.len() > count {
            all.select_nth_unstable_by(count, busier);
            let others = all.split_off(count);
            let mean = |of: fn(&BucketPolicy) -> f64| {
                others.iter().map(|(_, _, policy)| of(policy)).sum::<f64>() / others.len() as f64
            };
            rest = Some(BucketPolicy {
                bucket_size: mean(|p| p.bucket_size),
                refill_rate: mean(|p| p.refill_rate),
            });
        }
        all.sort_by(busier);
        let busy = |(id, demand_per_s, policy): (&UserId, f64, BucketPolicy)| BusyUser {
            user_id: id.clone(),
            demand_per_s,
            policy,
        };
        (all.into_iter().map(busy).collect(), rest)
    }

    /// How the total is handed out over all collectors; `None` where there is no total to hand out.
    fn everywhere(&self) -> Option<Sharing<'_>> {
        match &self.decision {
            Decision::Made { action: Action::Shared(action), level, .. } => {
                Some(Sharing { action, level: *level, source: SourceId::MAX, source_share: 1.0 })
            }
            _ => None,
        }
    }

    /// A user's parameters over all collectors together.
    fn whole_policy(&self, user: &str, now_ns: u64) -> BucketPolicy {
        let limits = self.overrides.of(user);
        let found =
            self.everywhere().and_then(|sharing| self.users.whole_policy(user, &sharing, limits, now_ns));
        self.settings.bounds.clamp(found.unwrap_or_else(|| {
            let defaults = self.assignment(None, now_ns).defaults;
            limits.map_or(defaults, |limits| limits.apply(defaults))
        }))
    }

    /// Why a user's parameters are what they are.
    #[must_use]
    pub fn explain(&self, user: &str, now_ns: u64) -> Explanation {
        let limits = self.overrides.of(user);
        let (policy, reason) = match self.users.ask(user, now_ns) {
            Some(_) => (self.whole_policy(user, now_ns), self.policy(user, None, now_ns).1),
            // Over all collectors, too: a pin is shown as it was set.
            None if limits.is_some() => (self.whole_policy(user, now_ns), Reason::Operator),
            None => self.policy(user, None, now_ns),
        };
        let made = match &self.decision {
            Decision::Unknown => None,
            Decision::Made { observation, action, level, .. } => Some((observation, action, level)),
        };
        let why =
            Explanation::new(self.controller.as_ref(), policy, reason, self.users.ask(user, now_ns), made);
        match limits {
            Some(limits) => why.overridden(limits),
            None => why,
        }
    }
}
