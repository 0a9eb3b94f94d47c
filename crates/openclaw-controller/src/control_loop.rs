//! The loop of one service: reports in, one decision per tick, every user's parameters out.

use std::fmt;

use openclaw_protocol::{
    BucketPolicy, CollectorInfo, DependencyGauge, Outcome, RatingEvent, Reason, Totals, UserCounts, UserId,
};

use crate::NS_PER_S;
use crate::bounds::Bounds;
use crate::demand::Level;
use crate::explanation::Explanation;
use crate::little_guard::LittleGuard;
use crate::observation::{Action, Controller, Observation, SharedAction};
use crate::signals::Signals;
use crate::sources::{Advance, DIRECT, News, Sources};
use crate::users::{Sharing, SourceId, Users};

/// Settings of a [`ControlLoop`].
#[derive(Clone, Copy, Debug)]
pub struct LoopSettings {
    /// The latency goal for the 95th percentile, in seconds.
    pub slo_s: f64,
    /// Time between two decisions, in nanoseconds.
    pub tick_ns: u64,
    /// The total admitted rate to begin with, ratings per second.
    pub start_per_s: f64,
    /// What a user gets while nothing is known.
    pub defaults: BucketPolicy,
    /// What a user gets at least and at most.
    pub bounds: Bounds,
    /// Users tracked at most.
    pub users_max: usize,
    /// Collectors tracked at most.
    pub sources_max: usize,
    /// How long an answer holds, in nanoseconds; idle users and silent collectors are forgotten after it.
    pub ttl_ns: u64,
}

impl Default for LoopSettings {
    fn default() -> Self {
        Self {
            slo_s: 0.2,
            tick_ns: 100_000_000,
            start_per_s: 1000.0,
            defaults: BucketPolicy { bucket_size: 20.0, refill_rate: 10.0 },
            bounds: Bounds::default(),
            users_max: 100_000,
            sources_max: 64,
            ttl_ns: 5_000_000_000,
        }
    }
}

/// The counters of one report; see [`openclaw_protocol::EventBatch`].
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// Who reports.
    pub collector: &'a CollectorInfo,
    /// Its running number since the collector's epoch, from 1.
    pub seq: u64,
    /// Ratings in flight.
    pub in_flight: u32,
    /// Cumulative counters.
    pub totals: Totals,
    /// Users active since the previous report, with cumulative counters.
    pub users: &'a [UserCounts],
    /// Its dependencies.
    pub dependencies: &'a [DependencyGauge],
    /// What its last exchange of a report for an answer took, in seconds, where it knows.
    pub round_trip_s: Option<f64>,
}

/// One of the busiest users.
#[derive(Clone, Debug, PartialEq)]
pub struct BusyUser {
    /// Who.
    pub user_id: UserId,
    /// What it asks for, in ratings per second.
    pub demand_per_s: f64,
    /// Its parameters over all collectors.
    pub policy: BucketPolicy,
}

/// What holds for everyone at one collector until the next tick.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Assignment {
    /// Parameters of a user that has none of its own.
    pub defaults: BucketPolicy,
    /// Parameters of the bucket that such users share; `None` where they share none.
    pub newcomers: Option<BucketPolicy>,
    /// Guard time in seconds; `None` where the controller uses no guard.
    pub guard_s: Option<f64>,
    /// Why.
    pub reason: Reason,
}

#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "one decision exists per service, and making it allocates nothing"
)]
enum Decision {
    /// Nothing measured yet.
    Unknown,
    Made {
        observation: Observation,
        action: Action,
        level: Level,
        reason: Reason,
    },
}

/// The loop of one service.
pub struct ControlLoop {
    settings: LoopSettings,
    controller: Box<dyn Controller>,
    fallback: LittleGuard,
    signals: Signals,
    users: Users,
    sources: Sources,
    decision: Decision,
    ticked_ns: u64,
}

impl fmt::Debug for ControlLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ControlLoop")
            .field("controller", &self.controller.name())
            .field("users", &self.users.len())
            .field("sources", &self.sources.len())
            .field("decision", &self.decision)
            .finish_non_exhaustive()
    }
}

impl ControlLoop {
    /// A loop that starts at `now_ns`.
    #[must_use]
    pub fn new(settings: LoopSettings, controller: Box<dyn Controller>, now_ns: u64) -> Self {
        let ticks_per_s = (NS_PER_S / settings.tick_ns.max(1) as f64).round() as usize;
        Self {
            controller,
            fallback: LittleGuard::new(settings.start_per_s),
            signals: Signals::new(settings.slo_s, ticks_per_s),
            users: Users::new(settings.users_max, settings.ttl_ns, now_ns),
            sources: Sources::new(settings.sources_max),
            decision: Decision::Unknown,
            ticked_ns: now_ns,
            settings,
        }
    }

    /// The controller's name.
    #[must_use]
    pub fn controller(&self) -> &'static str {
        self.controller.name()
    }

    /// Users tracked now.
    #[must_use]
    pub fn users_tracked(&self) -> usize {
        self.users.len()
    }

    /// The last observation, where anything was measured yet.
    #[must_use]
    pub fn observation(&self) -> Option<&Observation> {
        match &self.decision {
            Decision::Unknown => None,
            Decision::Made { observation, .. } => Some(observation),
        }
    }

    /// Takes a collector's counters. A report that is older than the last one of its collector, or delivered
    /// twice, changes nothing. Returns false where too many collectors are known to take another.
    pub fn report(&mut self, report: &Report<'_>, now_ns: u64) -> bool {
        let tick_s = self.settings.tick_ns as f64 / NS_PER_S;
        let News { source: id, attempts, baseline } = match self.sources.advance(report, tick_s, now_ns) {
            Advance::News(news) => news,
            Advance::Stale => return true,
            Advance::Full => return false,
        };
        let (mut by_known, mut by_newcomers) = (0_u64, 0_u64);
        for user in report.users {
            let counters = (user.attempts, user.throttled);
            match self.users.record(&user.user_id, id, counters, baseline, now_ns) {
                Some(since) => by_known = by_known.saturating_add(since),
                None => by_newcomers = by_newcomers.saturating_add(user.attempts),
            }
        }
        if !baseline {
            // A newcomer's counter may be old: the loop restarted. What the totals do not show did not
            // happen now.
            self.users.record_newcomers(by_newcomers.min(attempts.saturating_sub(by_known)), now_ns);
        }
        true
    }

    /// Takes the latency and outcome of one event.
    pub fn observe_event(&mut self, event: &RatingEvent) {
        match (event.outcome, event.latency_ms) {
            (Some(Outcome::Timeout), _) => self.signals.add_latency(f64::INFINITY),
            (Some(Outcome::Accepted) | None, Some(ms)) => self.signals.add_latency(ms / 1e3),
            // A refusal or a failure is quick, and says nothing of how long a rating takes.
            _ => {}
        }
    }

    /// Takes an event that came without an envelope: its own counters are all there is.
    pub fn observe_direct(&mut self, event: &RatingEvent, now_ns: u64) {
        self.observe_event(event);
        let outcome = event.outcome.unwrap_or(Outcome::Accepted);
        self.sources.count_direct(outcome, event.in_flight, now_ns);
        self.users.record_one(&event.user_id, DIRECT, outcome == Outcome::Throttled, now_ns);
    }

    /// Decides, if a tick [is due](Self::due): observes, asks the controller, acts. Returns whether it was.
    pub fn tick(&mut self, now_ns: u64) -> bool {
        if !self.due(now_ns) {
            return false;
        }
        if let Some(observation) = self.observe(now_ns) {
            let action = self.controller.decide(&observation);
            self.act(&observation, action, now_ns);
        }
        true
    }

    /// Whether a tick has passed since the last decision. A report that comes a little early counts as on time, so
    /// that collectors that flush once a tick always get a fresh decision.
    #[must_use]
    pub fn due(&self, now_ns: u64) -> bool {
        now_ns.saturating_sub(self.ticked_ns) >= self.settings.tick_ns / 5 * 4
    }

    /// The first half of a tick: closes it, due or not, and tells what a controller sees; `None` until a latency was
    /// measured. For simulators and learners, which decide themselves; [`act`](Self::act) is the other half.
    pub fn observe(&mut self, now_ns: u64) -> Option<Observation> {
        let interval_s = now_ns.saturating_sub(self.ticked_ns) as f64 / NS_PER_S;
        self.ticked_ns = now_ns;
        self.sources.tick(interval_s, self.settings.ttl_ns, now_ns);
        self.users.sweep(now_ns);

        let (flows, in_flight) = (self.sources.flows(), self.sources.in_flight());
        let mut seen = self.signals.observe(flows, in_flight, now_ns)?;
        seen.feedback_age_s = self.sources.feedback_age_s(now_ns);
        Some(seen)
    }

    /// The second half of a tick: `action` holds from now on. One that no sound number came of is replaced by
    /// little-guard's; the answer says whose holds.
    pub fn act(&mut self, observation: &Observation, action: Action, now_ns: u64) -> Reason {
        let (action, reason) = if action.is_sound() {
            (action, Reason::Controller)
        } else {
            (self.fallback.decide(observation), Reason::Fallback)
        };
        let admitted_per_s = match &action {
            Action::Shared(shared) => shared.admitted_per_s,
            Action::PerUser(policy) => policy.refill_rate,
        };
        let level = self.users.level(admitted_per_s, now_ns);
        self.decision = Decision::Made { observation: *observation, action, level, reason };
        reason
    }

    /// What holds at a collector for users without parameters of their own. `collector` is its id, `None` for
    /// events without an envelope.
    #[must_use]
    pub fn assignment(&self, collector: Option<&str>, now_ns: u64) -> Assignment {
        let Decision::Made { action, level, reason, .. } = &self.decision else {
            let guard_s = self.controller.guards().then_some(self.settings.slo_s / 2.0);
            let defaults = self.settings.defaults;
            return Assignment { defaults, newcomers: None, guard_s, reason: Reason::NoLatencySignal };
        };
        match action {
            Action::PerUser(policy) => {
                let defaults = self.settings.bounds.clamp(*policy);
                Assignment { defaults, newcomers: None, guard_s: None, reason: *reason }
            }
            Action::Shared(shared) => {
                let sharing = self.sharing(shared, *level, collector);
                let newcomers = self.settings.bounds.clamp(self.users.newcomers_policy(&sharing, now_ns));
                // One newcomer alone may use all that newcomers have together.
                Assignment {
                    defaults: newcomers,
                    newcomers: Some(newcomers),
                    guard_s: shared.guard_s,
                    reason: *reason,
                }
            }
        }
    }

    /// The parameters of one user at one collector, and why.
    #[must_use]
    pub fn policy(&self, user: &str, collector: Option<&str>, now_ns: u64) -> (BucketPolicy, Reason) {
        let assignment = || self.assignment(collector, now_ns);
        let Decision::Made { action: Action::Shared(shared), level, reason, .. } = &self.decision else {
            let assignment = assignment();
            return (assignment.defaults, assignment.reason);
        };
        match self.users.policy(user, &self.sharing(shared, *level, collector), now_ns) {
            Some(policy) => (self.settings.bounds.clamp(policy), *reason),
            None => (assignment().defaults, Reason::Newcomer),
        }
    }

    /// The parameters of several users at one collector; what they have in common is worked out once.
    pub fn policies<'a>(
        &'a self,
        users: impl Iterator<Item = &'a UserId> + 'a,
        collector: Option<&str>,
        now_ns: u64,
    ) -> impl Iterator<Item = (&'a UserId, BucketPolicy)> + 'a {
        let defaults = self.assignment(collector, now_ns).defaults;
        let sharing = match &self.decision {
            Decision::Made { action: Action::Shared(shared), level, .. } => {
                Some(self.sharing(shared, *level, collector))
            }
            _ => None,
        };
        users.map(move |user| {
            let own = sharing.as_ref().and_then(|sharing| self.users.policy(user, sharing, now_ns));
            (user, own.map_or(defaults, |policy| self.settings.bounds.clamp(policy)))
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
        let policy = |demand_per_s| match &sharing {
            Some(sharing) => self.settings.bounds.clamp(sharing.policy(demand_per_s, 1.0)),
            None => same_for_all,
        };
        let demands = self.users.demands(now_ns);
        let mut all: Vec<_> =
            demands.map(|(id, demand_per_s)| (id, demand_per_s, policy(demand_per_s))).collect();
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
        let found = self.everywhere().and_then(|sharing| self.users.whole_policy(user, &sharing, now_ns));
        found.map_or_else(
            || self.assignment(None, now_ns).defaults,
            |policy| self.settings.bounds.clamp(policy),
        )
    }

    /// Why a user's parameters are what they are.
    #[must_use]
    pub fn explain(&self, user: &str, now_ns: u64) -> Explanation {
        let (policy, reason) = match self.users.ask(user, now_ns) {
            Some(_) => (self.whole_policy(user, now_ns), self.policy(user, None, now_ns).1),
            None => self.policy(user, None, now_ns),
        };
        let made = match &self.decision {
            Decision::Unknown => None,
            Decision::Made { observation, action, level, .. } => Some((observation, action, level)),
        };
        Explanation::new(self.controller.name(), policy, reason, self.users.ask(user, now_ns), made)
    }
}

#[cfg(test)]
mod tests;
