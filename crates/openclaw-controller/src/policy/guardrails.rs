//! What no policy may do, whatever it learned. Training runs behind the rails too, so that a policy never learns to
//! lean on what would be taken away from it.
//!
//! A fallback that watches the latency lost: it took control away just when the policy was recovering, and scored
//! under the policy alone. So little-guard takes over only where there is no decision to follow: the report is
//! stale, an output is not a number, or it is far outside of anything that training produces.
//!
//! It also sets a floor. Less admitted lowers the throughput that the next decision is made by, and a guard time under
//! what requests take on average does the same; a policy that is a little too careful in a state it hardly ever met
//! starves the service step by step. Little-guard's own law pushes up out of there, so R and W stay near it or above.
//! While a policy learns, that floor alone lies a step lower: behind the one it serves with, going too low cost nothing,
//! and policies came to lean on it.

use super::action::Before;
use crate::guard::bounded_guard_s;
use crate::observation::{Observation, SharedAction};

/// A rail that a decision ran into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Guardrail {
    /// The guard time was raised above what the service needs when idle or near little-guard's, or lowered under the
    /// SLO.
    GuardTime,
    /// R was held within [`LN_STEP_MAX`] of the last one.
    Step,
    /// R was raised to its floor.
    Floor,
    /// R was lowered to its ceiling.
    Ceiling,
    /// An output was outside ±[`OUTPUT_MAX`]: little-guard decided.
    OutOfBounds,
    /// An output was not a number: little-guard decided.
    NotANumber,
    /// The newest report was older than [`STALE_S`]: little-guard decided.
    Stale,
}

impl Guardrail {
    /// Its name in explanations.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::GuardTime => "guard-time",
            Self::Step => "step",
            Self::Floor => "floor",
            Self::Ceiling => "ceiling",
            Self::OutOfBounds => "out-of-bounds",
            Self::NotANumber => "not-a-number",
            Self::Stale => "stale",
        }
    }

    /// Whether little-guard decided instead of the policy.
    #[must_use]
    pub fn is_fallback(self) -> bool {
        matches!(self, Self::OutOfBounds | Self::NotANumber | Self::Stale)
    }
}

/// Reports older than this say nothing of now. Training has delays of up to half a second.
pub const STALE_S: f64 = 2.0;
/// Outputs are clipped to ±1; a mean that training pushes past the clip stays within a few units.
pub const OUTPUT_MAX: f64 = 100.0;
/// Bound of |ln(R now / R before)| for one decision.
pub const LN_STEP_MAX: f64 = 1.5;
/// e to the power of [`LN_STEP_MAX`].
const STEP_MAX: f64 = 4.481_689_070_338_065;
/// The least R, as a share of the highest throughput and of the configured start.
const FLOOR_OF_PEAK: f64 = 0.03;
const FLOOR_OF_START: f64 = 0.05;
/// The most R, as a multiple of what was admitted lately and as a share of the highest throughput.
const CEILING_OF_ACCEPTED: f64 = 2.5;
const CEILING_OF_PEAK: f64 = 0.3;
/// The least R and W, as a share of little-guard's.
pub(super) const FLOOR_OF_CLASSICAL: f64 = 0.9;
/// The same while a policy learns.
pub(super) const FLOOR_OF_CLASSICAL_LEARNING: f64 = 0.8;

/// Numbers that decisions are held by, as artifacts record them.
pub(super) const LIMITS: &[(&str, f64)] = &[
    ("staleS", STALE_S),
    ("outputMax", OUTPUT_MAX),
    ("lnStepMax", LN_STEP_MAX),
    ("floorOfPeak", FLOOR_OF_PEAK),
    ("floorOfStart", FLOOR_OF_START),
    ("ceilingOfAccepted", CEILING_OF_ACCEPTED),
    ("ceilingOfPeak", CEILING_OF_PEAK),
    ("floorOfClassical", FLOOR_OF_CLASSICAL),
    ("floorOfClassicalLearning", FLOOR_OF_CLASSICAL_LEARNING),
];

/// Why the policy's output cannot be followed, where it cannot.
#[must_use]
pub(super) fn refusal(seen: &Observation, outputs: &[f32]) -> Option<Guardrail> {
    // What is not a number is not fresh either.
    let fresh = seen.feedback_age_s <= STALE_S;
    let outside = |output: &f32| f64::from(output.abs()) > OUTPUT_MAX;
    match () {
        () if !fresh => Some(Guardrail::Stale),
        () if outputs.iter().any(|output| output.is_nan()) => Some(Guardrail::NotANumber),
        () if outputs.iter().any(outside) => Some(Guardrail::OutOfBounds),
        () => None,
    }
}

/// A number and the rail it ran into.
pub(super) type Railed = (f64, Option<Guardrail>);

/// R between its bounds, near what little-guard would admit or above, and not too far from the last one.
#[must_use]
pub(super) fn admitted_per_s(
    wanted_per_s: f64,
    before: Before,
    classical: &SharedAction,
    seen: &Observation,
) -> Railed {
    let peak = seen.throughput_peak_per_s;
    // A service that admits nothing completes nothing, and would never be tried again.
    let floor = (FLOOR_OF_PEAK * peak).max(FLOOR_OF_START * before.start_per_s);
    let ceiling =
        (CEILING_OF_ACCEPTED * seen.accepted_fast_per_s).max(CEILING_OF_PEAK * peak).max(2.0 * floor);
    let near = before.floor * classical.admitted_per_s;
    let (raised, starving) = railed(wanted_per_s, near, f64::INFINITY, [Guardrail::Floor; 2]);
    let (stepped, step) = match before.admitted_per_s {
        Some(last) => railed(raised, last / STEP_MAX, last * STEP_MAX, [Guardrail::Step; 2]),
        None => (raised, None),
    };
    let (bounded, bound) = railed(stepped, floor, ceiling, [Guardrail::Floor, Guardrail::Ceiling]);
    (bounded, bound.or(step).or(starving))
}

/// W between its bounds, and at least `lowest_s`.
#[must_use]
pub(super) fn guard_s(wanted_s: f64, lowest_s: f64, base_s: f64, slo_s: f64) -> Railed {
    let bounded = bounded_guard_s(wanted_s.max(lowest_s), base_s, slo_s);
    // The bounds are computed, so that equal numbers may differ in their last bits.
    let moved = (bounded - wanted_s).abs() > 1e-6 * slo_s;
    (bounded, moved.then_some(Guardrail::GuardTime))
}

fn railed(wanted: f64, lowest: f64, highest: f64, rails: [Guardrail; 2]) -> Railed {
    match wanted {
        _ if wanted < lowest => (lowest, Some(rails[0])),
        _ if wanted > highest => (highest, Some(rails[1])),
        _ => (wanted, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::tests::observation;

    #[test]
    fn only_stale_missing_or_absurd_outputs_hand_over_to_little_guard() {
        let (seen, stale) = (observation(), Observation { feedback_age_s: 2.5, ..observation() });
        assert_eq!(refusal(&seen, &[0.0, -1.0, 3.0]), None);
        assert_eq!(refusal(&seen, &[0.0, f32::NAN]), Some(Guardrail::NotANumber));
        assert_eq!(refusal(&seen, &[0.0, f32::NEG_INFINITY]), Some(Guardrail::OutOfBounds));
        assert_eq!(refusal(&stale, &[0.0]), Some(Guardrail::Stale));
        let unknown = Observation { feedback_age_s: f64::NAN, ..seen };
        assert_eq!(refusal(&unknown, &[0.0]), Some(Guardrail::Stale));
        let late = Observation { p95_s: f64::INFINITY, late_fraction: 1.0, ..seen };
        assert_eq!(refusal(&late, &[0.0]), None, "latency is the policy's own business");
    }

    /// R after the rails, with a start of 1,000/s and what little-guard would admit.
    fn total(wanted_per_s: f64, last: Option<f64>, classical_per_s: f64, seen: &Observation) -> Railed {
        let before = Before { start_per_s: 1000.0, admitted_per_s: last, floor: FLOOR_OF_CLASSICAL };
        admitted_per_s(wanted_per_s, before, &SharedAction::new(classical_per_s, None, 1.0, 1.0), seen)
    }

    #[test]
    fn the_total_keeps_its_bounds_and_says_which_one_held_it() {
        let decide = |wanted, last| total(wanted, last, 1.0, &observation());
        assert_eq!(decide(700.0, Some(600.0)), (700.0, None));
        assert_eq!(decide(10.0, None), (50.0, Some(Guardrail::Floor)));
        assert_eq!(decide(9000.0, None), (1500.0, Some(Guardrail::Ceiling)));
        assert_eq!(decide(100.0, Some(600.0)), (600.0 / STEP_MAX, Some(Guardrail::Step)));
        assert_eq!(
            decide(9000.0, Some(600.0)),
            (1500.0, Some(Guardrail::Ceiling)),
            "the bound has the last word"
        );
        assert!((STEP_MAX.ln() - LN_STEP_MAX).abs() < 1e-12);
    }

    #[test]
    fn a_service_without_throughput_is_still_tried() {
        let dead = Observation { throughput_peak_per_s: 0.0, accepted_fast_per_s: 0.0, ..observation() };
        assert_eq!(total(0.0, None, 0.0, &dead), (50.0, Some(Guardrail::Floor)));
    }

    #[test]
    fn the_total_stays_near_little_guards_or_above_but_within_its_other_bounds() {
        let decide = |wanted, last, classical| total(wanted, last, classical, &observation());
        let floor = FLOOR_OF_CLASSICAL * 700.0;
        assert_eq!(decide(100.0, None, 700.0), (floor, Some(Guardrail::Floor)));
        assert_eq!(decide(900.0, None, 700.0), (900.0, None), "above it the policy is free");
        assert_eq!(decide(100.0, Some(100.0), 700.0), (100.0 * STEP_MAX, Some(Guardrail::Step)));
        assert_eq!(decide(100.0, None, 1e6), (1500.0, Some(Guardrail::Ceiling)));
        assert_eq!(decide(100.0, None, f64::NAN), (100.0, None), "what is no number sets no floor");
    }

    #[test]
    fn a_guard_time_under_the_services_own_latency_is_raised() {
        assert_eq!(guard_s(0.1, 0.1, 0.02, 0.2), (0.1, None));
        let (raised, rail) = guard_s(0.03, 0.03, 0.08, 0.2);
        assert!((raised - 0.12).abs() < 1e-12);
        assert_eq!(rail, Some(Guardrail::GuardTime));
        let (raised, rail) = guard_s(0.03, 0.09, 0.02, 0.2);
        assert!((raised - 0.09).abs() < 1e-12, "little-guard's sets a floor too");
        assert_eq!(rail, Some(Guardrail::GuardTime));
    }
}
