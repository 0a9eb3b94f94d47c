//! little-guard: the classical controller, the default until a learned policy has earned its place, and the
//! fallback after that.
//!
//! Little's law gives the wait that the work in flight implies; the total admitted rate follows the throughput,
//! scaled by how far that wait is from its goal. The constants were tuned as hard as the learned policy in the
//! prototypes that the controller's specification reports (SLO 200 ms), and scale with the SLO.

use crate::guard::bounded_guard_s;
use crate::observation::{Action, Controller, Observation, SharedAction};

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
            bucket_s: 1.34,
            headroom: 5.0,
            aware: true,
        }
    }
}

/// The little-guard controller.
#[derive(Clone, Copy, Debug)]
pub struct LittleGuard {
    start_per_s: f64,
    settings: LittleGuardSettings,
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
        Self { start_per_s, settings }
    }

    /// The same rule, to which all requests are plain and no dependency is known: what the knowledge of both is worth
    /// shows beside it.
    #[must_use]
    pub fn blind(start_per_s: f64) -> Self {
        let settings = LittleGuardSettings { aware: false, ..LittleGuardSettings::default() };
        Self::with_settings(start_per_s, settings)
    }
}

impl LittleGuardSettings {
    /// Seconds that the work in flight will take, less the one request being served.
    pub(crate) fn wait_s(&self, seen: &Observation) -> f64 {
        (seen.in_flight - 1.0).max(0.0) / (self.throughput_per_s(seen) + 1.0)
    }

    /// The wait aimed at, in seconds.
    pub(crate) fn wait_goal_s(&self, seen: &Observation) -> f64 {
        // A base at or over the SLO leaves no room; a tenth of the SLO keeps the goal, and so R, positive.
        seen.base_s + self.wait_goal * (seen.slo_s - seen.base_s).max(0.1 * seen.slo_s)
    }

    fn throughput_per_s(&self, seen: &Observation) -> f64 {
        self.fast_share * seen.throughput_fast_per_s + (1.0 - self.fast_share) * seen.throughput_slow_per_s
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
        let by = &self.settings;
        let error = 1.0 - by.wait_s(seen) / by.wait_goal_s(seen);
        let step = (by.gain * error).clamp(by.ln_step_min, by.ln_step_max);
        let lowest = (0.03 * seen.throughput_peak_per_s).max(0.05 * self.start_per_s);
        let guard_s = seen.base_s + by.guard * (seen.slo_s - seen.base_s);
        let admitted_per_s = (by.throughput_per_s(seen) * step.exp()).max(lowest);
        let guard_s = bounded_guard_s(guard_s, seen.base_s, seen.slo_s);
        Action::Shared(SharedAction::new(admitted_per_s, Some(guard_s), by.bucket_s, by.headroom))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::tests::observation;

    fn shared(seen: &Observation) -> SharedAction {
        match LittleGuard::new(1000.0).decide(seen) {
            Action::Shared(shared) => shared,
            Action::PerUser(_) => unreachable!("little-guard shares a total"),
        }
    }

    #[test]
    fn it_admits_more_than_leaves_while_the_wait_is_short_and_less_while_it_is_long() {
        let seen = observation();
        let empty = shared(&Observation { in_flight: 0.0, ..seen });
        assert!((empty.admitted_per_s - 600.0 * 1.01_f64.exp()).abs() < 1e-6);
        let full = shared(&Observation { in_flight: 200.0, ..seen });
        assert!(full.admitted_per_s < 600.0 * 0.2);
    }

    #[test]
    fn at_the_goal_it_admits_exactly_what_leaves() {
        let seen = observation();
        let in_flight = LittleGuardSettings::default().wait_goal_s(&seen) * 601.0 + 1.0;
        let balanced = shared(&Observation { in_flight, ..seen });
        assert!((balanced.admitted_per_s - 600.0).abs() < 1e-6);
    }

    #[test]
    fn a_service_that_completes_nothing_is_still_tried() {
        let seen = Observation {
            throughput_fast_per_s: 0.0,
            throughput_slow_per_s: 0.0,
            in_flight: 500.0,
            ..observation()
        };
        assert_eq!(shared(&seen).admitted_per_s, 50.0);
    }

    #[test]
    fn the_guard_time_follows_the_base() {
        let guard_s = shared(&observation()).guard_s.unwrap();
        assert!((guard_s - (0.02 + 0.36 * 0.18)).abs() < 1e-9);
    }

    #[test]
    fn a_base_over_the_slo_still_gives_a_sound_action() {
        for base_s in [0.2, 0.5, 30.0] {
            assert!(LittleGuard::new(1000.0).decide(&Observation { base_s, ..observation() }).is_sound());
        }
    }
}
