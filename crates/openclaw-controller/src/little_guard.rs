//! little-guard: the classical controller, the default until a learned policy has earned its place, and the
//! fallback after that.
//!
//! Little's law gives the wait that the work in flight implies; the total admitted rate follows the throughput,
//! scaled by how far that wait is from its goal. The constants were tuned as hard as the learned policy in the
//! prototypes that the controller's specification reports (SLO 200 ms), and scale with the SLO.

use crate::guard::bounded_guard_s;
use crate::observation::{Action, Controller, Observation, SharedAction};

/// The little-guard controller.
#[derive(Clone, Copy, Debug)]
pub struct LittleGuard {
    start_per_s: f64,
}

/// Share of the fast throughput in X; the slow one has the rest.
const FAST_SHARE: f64 = 0.57;
/// The wait aimed at, as a share of the way from the base to the SLO.
const WAIT_GOAL: f64 = 0.26;
/// How strongly the wait's error acts on ln R.
const GAIN: f64 = 1.06;
/// Bounds of ln(R / X) in one decision.
const LN_STEP: (f64, f64) = (-2.0, 1.01);
/// Guard time, as a share of the way from the base to the SLO.
const GUARD: f64 = 0.36;

impl LittleGuard {
    /// `start_per_s` is the configured start of the total admitted rate: a twentieth of it is always admitted,
    /// since a service that completes nothing would otherwise never be tried again.
    #[must_use]
    pub fn new(start_per_s: f64) -> Self {
        Self { start_per_s }
    }
}

/// Seconds that the ratings in flight will take, less the one being served.
pub(crate) fn wait_s(seen: &Observation) -> f64 {
    (seen.in_flight - 1.0).max(0.0) / (throughput_per_s(seen) + 1.0)
}

/// The wait that little-guard aims at, in seconds.
pub(crate) fn wait_goal_s(seen: &Observation) -> f64 {
    // A base at or over the SLO leaves no room; a tenth of the SLO keeps the goal, and so R, positive.
    seen.base_s + WAIT_GOAL * (seen.slo_s - seen.base_s).max(0.1 * seen.slo_s)
}

fn throughput_per_s(seen: &Observation) -> f64 {
    FAST_SHARE * seen.throughput_fast_per_s + (1.0 - FAST_SHARE) * seen.throughput_slow_per_s
}

impl Controller for LittleGuard {
    fn name(&self) -> &'static str {
        "little-guard"
    }

    fn guards(&self) -> bool {
        true
    }

    fn decide(&mut self, seen: &Observation) -> Action {
        let error = 1.0 - wait_s(seen) / wait_goal_s(seen);
        let step = (GAIN * error).clamp(LN_STEP.0, LN_STEP.1);
        let lowest = (0.03 * seen.throughput_peak_per_s).max(0.05 * self.start_per_s);
        let guard_s = seen.base_s + GUARD * (seen.slo_s - seen.base_s);
        let admitted_per_s = (throughput_per_s(seen) * step.exp()).max(lowest);
        let guard_s = bounded_guard_s(guard_s, seen.base_s, seen.slo_s);
        Action::Shared(SharedAction::new(admitted_per_s, Some(guard_s), 1.34, 5.0))
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
        let in_flight = wait_goal_s(&seen) * 601.0 + 1.0;
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
