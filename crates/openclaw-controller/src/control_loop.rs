//! The loop of one service: reports in, one decision per tick, every user's parameters out.

mod answers;

use std::fmt;
use std::sync::Arc;

use openclaw_protocol::{
    BucketPolicy, CollectorInfo, DependencyGauge, Outcome, RatingEvent, Reason, Totals, UserCounts, UserId,
};

use crate::NS_PER_S;
use crate::bounds::Bounds;
use crate::classes::Classes;
use crate::dependencies::Dependencies;
use crate::division::{Level, Needs, Shared};
use crate::filter::{Shares, left_after};
use crate::gate::{GateTimes, is_caller};
use crate::little_guard::LittleGuard;
use crate::observation::{Action, Controller, Observation};
use crate::overrides::{Overrides, settle};
use crate::parts::{CLASSES_MAX, PerClass, PerDependency};
use crate::policy::LearnedPolicy;
use crate::signals::{PEAK_S, Signals};
use crate::sources::{Advance, DIRECT, News, Sources};
use crate::users::{Added, Counted, Users};

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
    /// Guard time of each class in seconds, by its number; `None` where it has the common one.
    pub classes: PerClass<Option<f64>>,
    /// Guard time of each dependency in seconds, by its number; `None` where it has none.
    pub dependencies: PerDependency<Option<f64>>,
    /// Why.
    pub reason: Reason,
}

impl Assignment {
    fn new(defaults: BucketPolicy, guard_s: Option<f64>, reason: Reason) -> Self {
        let (classes, dependencies) = (PerClass::new(), PerDependency::new());
        Self { defaults, newcomers: None, guard_s, classes, dependencies, reason }
    }

    /// The guard times, as [`Gate`](crate::Gate) takes them.
    #[must_use]
    pub fn gate_times(&self) -> GateTimes {
        GateTimes { guard_s: self.guard_s, classes: self.classes, dependencies: self.dependencies }
    }
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
    classes: Classes,
    dependencies: Dependencies,
    overrides: Arc<Overrides>,
    /// What the controller sees, or saw last. Written where it stays: an observation is a kilobyte, and to hand that on from
    /// function to function took longer than to measure it.
    seen: Observation,
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
        let ticks_per_s = ((NS_PER_S / settings.tick_ns.max(1) as f64).round() as usize).max(1);
        let aware = controller.is_aware();
        Self {
            controller,
            classes: Classes::new(aware, settings.slo_s, ticks_per_s),
            dependencies: Dependencies::new(aware, ticks_per_s),
            fallback: LittleGuard::new(settings.start_per_s),
            signals: Signals::new(settings.slo_s, ticks_per_s),
            users: Users::new(settings.users_max, settings.ttl_ns, now_ns),
            sources: Sources::new(settings.sources_max),
            overrides: Arc::default(),
            seen: Observation::default(),
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

    /// Puts the operator's overrides in force, instead of those before: for the parameters at once, for the others'
    /// level from the next tick on.
    pub fn set_overrides(&mut self, overrides: Arc<Overrides>) {
        self.overrides = overrides;
    }

    /// Takes a collector's counters. A report that is older than the last one of its collector, or delivered
    /// twice, changes nothing. Returns false where too many collectors are known to take another.
    pub fn report(&mut self, report: &Report<'_>, now_ns: u64) -> bool {
        let tick_s = self.settings.tick_ns as f64 / NS_PER_S;
        let News { source, attempts, baseline, interval_s } =
            match self.sources.advance(report, tick_s, now_ns) {
                Advance::News(news) => news,
                Advance::Stale => return true,
                Advance::Full => return false,
            };
        let (mut by_known, mut by_newcomers) = (0_u64, [Added::default(); CLASSES_MAX]);
        for user in report.users {
            let class = self.classes.number(&user.context, |class| self.users.of_class(class) > 0, now_ns);
            let (attempts, throttled) = (user.attempts, user.throttled);
            let counted = Counted { source, class, attempts, throttled, baseline };
            match self.users.record(&user.user_id, counted, now_ns) {
                Some(added) => {
                    by_known = by_known.saturating_add(added.attempts);
                    self.classes.count(class, added.attempts as f64, added.throttled as f64);
                }
                None => by_newcomers[class].add(attempts, throttled),
            }
        }
        if !baseline {
            self.count_newcomers(&by_newcomers, attempts.saturating_sub(by_known), now_ns);
        }
        for gauge in report.dependencies {
            self.dependencies.report(source, gauge, interval_s, baseline, now_ns);
        }
        true
    }

    /// Counts what users that were not tracked did, by class; at most `attempts_max` in all. A newcomer's counter may
    /// be old, because the loop restarted: what the totals do not show did not happen now.
    fn count_newcomers(&mut self, by_class: &[Added; CLASSES_MAX], attempts_max: u64, now_ns: u64) {
        let counted = by_class.iter().fold(0_u64, |sum, added| sum.saturating_add(added.attempts));
        let share = if counted > attempts_max { attempts_max as f64 / counted as f64 } else { 1.0 };
        let attempts = by_class.map(|added| added.attempts as f64 * share);
        for (class, added) in by_class.iter().enumerate() {
            self.classes.count(class, attempts[class], added.throttled as f64 * share);
        }
        self.users.record_newcomers(&attempts, self.classes.costs(), now_ns);
    }

    /// Takes the latency, outcome and class of one event.
    pub fn observe_event(&mut self, event: &RatingEvent) {
        let class =
            self.classes.number(&event.context, |class| self.users.of_class(class) > 0, self.ticked_ns);
        self.classes.event(class, event, &self.dependencies);
        for (name, ms) in event.dependency_ms.iter().flatten() {
            self.dependencies.called(name, ms / 1e3);
        }
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
        let throttled = outcome == Outcome::Throttled;
        let class = self.classes.find(&event.context).unwrap_or(0);
        self.classes.count(class, 1.0, f64::from(u8::from(throttled)));
        self.users.record_one(&event.user_id, DIRECT, class, throttled, now_ns);
    }

    /// Decides, if a tick [is due](Self::due): observes, asks the controller, acts. Returns whether it was.
    pub fn tick(&mut self, now_ns: u64) -> bool {
        if !self.due(now_ns) {
            return false;
        }
        if self.observe(now_ns).is_some() {
            let action = self.controller.decide(&self.seen);
            let observation = self.seen;
            self.act(&observation, action, now_ns);
            if let Decision::Made { reason, .. } = &mut self.decision
                && self.controller.learned().is_some_and(LearnedPolicy::fell_back)
            {
                *reason = Reason::Fallback;
            }
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
    pub fn observe(&mut self, now_ns: u64) -> Option<&Observation> {
        let interval_s = now_ns.saturating_sub(self.ticked_ns) as f64 / NS_PER_S;
        self.ticked_ns = now_ns;
        let (shares, peak_left) = (Shares::of(interval_s), left_after(interval_s, PEAK_S));
        self.sources.tick(&shares, self.settings.ttl_ns, now_ns);
        self.users.sweep(now_ns);

        self.classes.turn(&shares);
        let dependencies = self.dependencies.turn(self.settings.ttl_ns, peak_left, now_ns);
        let calls_s = dependencies.iter().map(|dependency| dependency.base_s).collect();
        let seen = &mut self.seen;
        self.classes.see(&mut seen.classes, dependencies.len());
        let (costs, unloaded_s) =
            (self.classes.mean_costs(), self.classes.unloaded_s(&seen.classes, &calls_s));
        let (flows, underway) = (self.sources.flows(), self.sources.underway());
        if !self.signals.observe(seen, flows, underway, &costs, unloaded_s, now_ns) {
            return None;
        }
        self.signals.see_peak(seen, peak_left);
        seen.feedback_age_s = self.sources.feedback_age_s(now_ns);
        seen.dependencies = dependencies;
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
        let level = self.level(&action, now_ns);
        self.decision = Decision::Made { observation: *observation, action, level, reason };
        reason
    }

    /// Shares out what `action` admits.
    fn level(&mut self, action: &Action, now_ns: u64) -> Level {
        let (admitted_per_s, shared) = match action {
            Action::Shared(shared) => (shared.admitted_per_s, Some(shared)),
            Action::PerUser(policy) => (policy.refill_rate, None),
        };
        let mut needs: PerClass<Needs> = PerClass::new();
        for (class, &cost) in self.classes.costs().iter().enumerate().take(self.classes.len()) {
            let shares = self.classes.call_shares(class, self.dependencies.len());
            let calls = shares.iter().map(|&share| if is_caller(share) { share } else { 0.0 }).collect();
            let own = shared.and_then(|shared| shared.classes.get(class));
            needs.push(Needs { cost, calls, level: own.map_or(1.0, |own| own.level) });
        }
        let limits = shared.iter().flat_map(|shared| &shared.dependencies);
        let dependencies_per_s = limits.map(|dependency| dependency.admitted_per_s).collect();
        let mut shared = Shared { admitted_per_s, dependencies_per_s, classes: &needs };
        let asking = self.users.asking(&self.overrides, now_ns);
        if asking.is_empty() {
            return self.users.level(&shared, now_ns);
        }
        let users = &mut self.users;
        settle(admitted_per_s, &needs, &asking, |for_plain_per_s| {
            shared.admitted_per_s = for_plain_per_s;
            users.level(&shared, now_ns)
        })
    }
}

#[cfg(test)]
mod tests;
