//! little-guard: the classical controller, the default until a learned policy has earned its place, and the
//! fallback after that.
//!
//! Little's law gives the wait that the work in flight implies; the total admitted rate follows the throughput,
//! scaled by how far that wait is from its goal. Dependencies have the same law on their own queues, and a class that
//! spends the objective elsewhere has less time to wait. The first eight constants but the bucket's were tuned as hard
//! as the learned policy in the prototypes that the controller's specification reports (SLO 200 ms), and scale with the
//! SLO; the others were chosen on simulated training scenarios of all families.
//!
//! Two things no law on a wait can see are watched beside it: whether requests come late all the same ([`Trim`]), and
//! whether the base was measured while nobody waited ([`Probe`]).

mod probe;
mod trim;

use crate::guard::bounded_guard_s;
use crate::observation::{Action, Controller, Observation, SharedAction};
use crate::parts::{ClassAction, ClassSeen, DependencyAction, DependencySeen};
use probe::Probe;
use trim::Trim;

/// Settings of [`LittleGuard`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LittleGuardSettings {
    /// Share of the fast throughput in X; the slow one has the rest.
    pub fast_share: f64,
    /// The wait aimed at, as a share of the way from the base to the SLO.
    pub wait_goal: f64,
    /// How strongly the wait's error acts on ln R.
    pub gain: f64,
    /// Lowest ln(R / X) in one decision.
    pub ln_step_min: f64,
    /// Highest ln(R / X) in one decision.
    pub ln_step_max: f64,
    /// Guard time, as a share of the way from the base to the SLO.
    pub guard: f64,
    /// A bucket holds what it refills in this many seconds.
    pub bucket_s: f64,
    /// A user's refill rate is at most this multiple of its demand.
    pub headroom: f64,
    /// Fraction of latencies over the SLO, of the last 200 ms, from which on wait goal and guard time shrink.
    pub late_fraction: f64,
    /// How fast they shrink while it is exceeded, and grow back while it is not, in ln per second.
    pub shrink_per_s: f64,
    /// See [`shrink_per_s`](Self::shrink_per_s).
    pub grow_per_s: f64,
    /// The least that is left of the two shares.
    pub shrink_min: f64,
    /// Time after which a base that no median came near is doubted, in seconds.
    pub probe_after_s: f64,
    /// For how long the queue is then kept short, in seconds.
    pub probe_s: f64,
    /// The guard time in that while, as a share of the doubted base.
    pub probe_guard: f64,
    /// Share of its own additional processing time that a class's guard time leaves out.
    pub own_time: f64,
    /// Share of the largest network delay of any class in use that the common wait goal leaves out: a guard alone
    /// would refuse that class whenever others fill the service up to theirs.
    pub far_time: f64,
    /// How full a dependency's queue must be, as a share of its goal, for the dependency to count as scarce.
    pub scarce: f64,
    /// Whether it tells classes and dependencies apart. Where not, all requests are plain to it.
    pub aware: bool,
}

impl Default for LittleGuardSettings {
    fn default() -> Self {
        Self {
            fast_share: 0.57,
            wait_goal: 0.26,
            gain: 1.06,
            ln_step_min: -2.0,
            ln_step_max: 1.01,
            guard: 0.36,
            bucket_s: 1.8,
            headroom: 5.0,
            late_fraction: 0.04,
            shrink_per_s: 0.5,
            grow_per_s: 0.1,
            shrink_min: 0.5,
            probe_after_s: 20.0,
            probe_s: 1.0,
            probe_guard: 0.75,
            own_time: 0.5,
            far_time: 0.8,
            scarce: 0.5,
            aware: true,
        }
    }
}

/// Share of the offered work from which on a class counts as in use.
const IN_USE_SHARE: f64 = 0.03;

/// The little-guard controller.
#[derive(Clone, Copy, Debug)]
pub struct LittleGuard {
    start_per_s: f64,
    settings: LittleGuardSettings,
    trim: Trim,
    probe: Probe,
}

impl LittleGuard {
    /// `start_per_s` is the configured start of the total admitted rate: a twentieth of it is always admitted,
    /// since a service that completes nothing would otherwise never be tried again.
    #[must_use]
    pub fn new(start_per_s: f64) -> Self {
        Self::with_settings(start_per_s, LittleGuardSettings::default())
    }

    /// The same rule with other settings.
    #[must_use]
    pub fn with_settings(start_per_s: f64, settings: LittleGuardSettings) -> Self {
        Self { start_per_s, settings, trim: Trim::default(), probe: Probe::default() }
    }

    /// The same rule, to which all requests are plain and no dependency is known: what the knowledge of both is worth
    /// shows beside it.
    #[must_use]
    pub fn blind(start_per_s: f64) -> Self {
        let settings = LittleGuardSettings { aware: false, ..LittleGuardSettings::default() };
        Self::with_settings(start_per_s, settings)
    }

    /// Decides, and writes that where the last decision is.
    pub(crate) fn decide_shared(&mut self, seen: &Observation, shared: &mut SharedAction) {
        let left = self.trim.left(&self.settings, seen);
        let by = LittleGuardSettings {
            wait_goal: self.settings.wait_goal * left,
            guard: self.settings.guard * left,
            ..self.settings
        };
        self.decide_by(&by, seen, shared);
        if self.probe.is_due(&self.settings, seen) {
            let guard_s = (self.settings.probe_guard * seen.base_s).max(0.15 * seen.slo_s);
            shared.guard_s = shared.guard_s.map(|usual_s| usual_s.min(guard_s));
            shared.classes.iter_mut().for_each(|class| class.guard_s = None);
        }
    }

    /// The rule with what is left of its shares of the objective.
    fn decide_by(&self, by: &LittleGuardSettings, seen: &Observation, shared: &mut SharedAction) {
        let lowest = 0.05 * self.start_per_s;
        let step = by.ln_step(by.wait_s(seen), by.wait_goal_s(seen));
        let admitted_per_s =
            (by.throughput_per_s(seen) * step.exp()).max(lowest).max(0.03 * seen.throughput_peak_per_s);
        let guard_s = by.guard_s(seen.base_s, seen.slo_s, seen.slo_s);
        shared.begin(admitted_per_s, Some(guard_s), by.bucket_s, by.headroom);
        if by.aware {
            shared.classes.extend(seen.classes.iter().map(|class| by.class(class, seen)));
            let limits = seen.dependencies.iter().map(|calls| by.dependency(calls, seen, lowest));
            shared.dependencies.extend(limits);
        }
    }
}

impl LittleGuardSettings {
    /// Seconds that the work in flight will take, less the one request being served.
    pub(crate) fn wait_s(&self, seen: &Observation) -> f64 {
        (seen.in_flight - 1.0).max(0.0) / (self.throughput_per_s(seen) + 1.0)
    }

    /// The wait aimed at, in seconds.
    pub(crate) fn wait_goal_s(&self, seen: &Observation) -> f64 {
        let in_use = seen.classes.iter().filter(|class| self.aware && class.demand_share > IN_USE_SHARE);
        let far_s = in_use.map(|class| class.network_delay_s).fold(0.0, f64::max);
        let budget_s = (seen.slo_s - self.far_time * far_s).max(0.3 * seen.slo_s);
        self.goal_s(seen.base_s, budget_s, seen.slo_s)
    }

    fn goal_s(&self, base_s: f64, budget_s: f64, slo_s: f64) -> f64 {
        // A base at or over the SLO leaves no room; a tenth of the SLO keeps the goal, and so R, positive.
        base_s + self.wait_goal * (budget_s - base_s).max(0.1 * slo_s)
    }

    fn ln_step(&self, wait_s: f64, goal_s: f64) -> f64 {
        (self.gain * (1.0 - wait_s / goal_s)).clamp(self.ln_step_min, self.ln_step_max)
    }

    fn throughput_per_s(&self, seen: &Observation) -> f64 {
        self.smoothed(seen.throughput_fast_per_s, seen.throughput_slow_per_s)
    }

    fn smoothed(&self, fast_per_s: f64, slow_per_s: f64) -> f64 {
        self.fast_share * fast_per_s + (1.0 - self.fast_share) * slow_per_s
    }

    /// W where requests take `base_s` unloaded and have `budget_s` in all.
    fn guard_s(&self, base_s: f64, budget_s: f64, slo_s: f64) -> f64 {
        bounded_guard_s(base_s + self.guard * (budget_s - base_s), base_s, slo_s)
    }

    /// A class that spends some of the objective on the network, or in work of its own, has less of it to wait.
    fn class(&self, class: &ClassSeen, seen: &Observation) -> ClassAction {
        let own_s = self.own_time * (class.cost - 1.0).max(0.0) * seen.base_s;
        let budget_s = seen.slo_s - class.network_delay_s - own_s;
        let guard_s = self.guard_s(seen.base_s, budget_s, seen.slo_s);
        ClassAction { guard_s: Some(guard_s), ..ClassAction::default() }
    }

    /// The same law on the dependency's own queue. While hardly a call waits nothing is known of what the dependency
    /// can do, and it must not count as scarce, or its callers would be levelled by it: its limit then lies far above
    /// its throughput, or there is none.
    fn dependency(&self, calls: &DependencySeen, seen: &Observation, lowest_per_s: f64) -> DependencyAction {
        let per_s = self.smoothed(calls.throughput_fast_per_s, calls.throughput_slow_per_s);
        let wait_s = (calls.in_flight - 1.0).max(0.0) / (per_s + 1.0);
        let goal_s = self.goal_s(calls.base_s, seen.slo_s, seen.slo_s);
        let queued = (wait_s - calls.base_s).max(0.0) / (goal_s - calls.base_s);
        let scarcity = (queued / self.scarce).min(1.0).powi(4);
        let lowest = lowest_per_s.max(0.03 * calls.throughput_peak_per_s);
        let admitted_per_s = if scarcity > 0.0 {
            (per_s * self.ln_step(wait_s, goal_s).exp()).max(lowest) / scarcity
        } else {
            f64::INFINITY
        };
        let guard_s = self.guard_s(calls.base_s, seen.slo_s, seen.slo_s);
        DependencyAction { admitted_per_s, guard_s: Some(guard_s) }
    }
}

impl Controller for LittleGuard {
    fn name(&self) -> &'static str {
        if self.settings.aware { "little-guard" } else { "little-guard-blind" }
    }

    fn guards(&self) -> bool {
        true
    }

    fn is_aware(&self) -> bool {
        self.settings.aware
    }

    fn decide(&mut self, seen: &Observation) -> Action {
        let mut shared =
            SharedAction::new(self.start_per_s, None, self.settings.bucket_s, self.settings.headroom);
        self.decide_shared(seen, &mut shared);
        Action::Shared(shared)
    }
}

#[cfg(test)]
mod tests;
