//! From the network's output row to an action, and the discrete steps of policies that choose one of a few.
//!
//! An output of 0 is a sensible middle: admit what leaves, hold the guard at a third of the SLO, treat classes and
//! dependencies as little-guard does. R and W are the policy's own, behind a floor that little-guard sets; outputs that
//! only correct little-guard's R and W were safer and learned next to nothing. What a class far away or a full
//! dependency needs follows from arithmetic that little-guard has right, so there the outputs do correct it: a policy
//! that had to find that out by itself scored a point less where conditions combine.

use super::elementary::{TOGETHER, exp_each, ln};
use super::features::SlotClasses;
use super::guardrails::{self, Guardrail};
use super::path::Checked;
use super::schema::{ACTIONS, CLASS_ACTIONS, DEPENDENCY_PLACES, SHARED_ACTIONS};
use crate::guard::bounded_guard_s;
use crate::observation::{Observation, SharedAction};
use crate::parts::{ClassAction, DependencyAction};

/// A bucket holds what it refills in so many seconds.
const BUCKET_S: f64 = 4.0;
/// A user's refill rate is at most this multiple of its demand.
const HEADROOM: f64 = 4.0;
/// ln of R over the throughput at an output of 1.
const LN_ADMITTED: f64 = 1.5;
/// ln of a dependency's limit over little-guard's at an output of 1.
const LN_CALLS: f64 = 0.7;
/// ln of a class's level factor at an output of 1.
const LN_LEVEL: f64 = 1.0;
/// ln of a class's guard time factor at an output of 1.
const LN_GUARD: f64 = 0.8;
/// Half of ln 6: the guard time runs from .15 to .9 SLO, a dependency's as far from little-guard's.
const HALF_LN_6: f32 = 0.895_879_75;

/// Numbers that the meaning of an output row rests on, as artifacts record them.
pub(super) const LIMITS: &[(&str, f64)] = &[
    ("bucketS", BUCKET_S),
    ("headroom", HEADROOM),
    ("lnAdmitted", LN_ADMITTED),
    ("lnCalls", LN_CALLS),
    ("lnLevel", LN_LEVEL),
    ("lnGuard", LN_GUARD),
];

/// What came of one output row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PolicyAction {
    /// What to do.
    pub shared: SharedAction,
    /// The outputs as they were followed: within ±1, and 0 for what is not there.
    pub clamped: [f32; ACTIONS],
    /// The gravest rail that the decision ran into.
    pub guardrail: Option<Guardrail>,
}

impl PolicyAction {
    /// Nothing decided by the network yet.
    pub(super) fn new(shared: SharedAction) -> Self {
        Self { shared, clamped: [0.0; ACTIONS], guardrail: None }
    }
}

/// What the rails need to know beside the observation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Before {
    /// The configured start of R.
    pub(super) start_per_s: f64,
    /// R as decided last; `None` before the first decision.
    pub(super) admitted_per_s: Option<f64>,
    /// The least R and W, as a share of little-guard's.
    pub(super) floor: f64,
}

/// Turns an output row into an action behind the guardrails, and writes that where the last one is. `classical` is what
/// little-guard would do, `slots` says which class has which slot.
///
/// # Panics
/// `outputs` does not hold [`ACTIONS`] numbers.
pub(super) fn follow(
    seen: &Observation,
    classical: &SharedAction,
    slots: &SlotClasses,
    outputs: &[f32],
    before: Before,
    path: Checked,
    decided: &mut PolicyAction,
) {
    assert_eq!(outputs.len(), ACTIONS, "numbers in an output row");
    let PolicyAction { shared: action, clamped, guardrail } = decided;
    for (clamped, output) in clamped.iter_mut().zip(outputs) {
        *clamped = output.clamp(-1.0, 1.0);
    }
    let factors = factors(clamped, path);
    let (of_shared, of_classes) = factors.split_at(SHARED_ACTIONS.len());
    let (shared, of_slots) = clamped.split_at_mut(SHARED_ACTIONS.len());
    let wanted =
        middle_per_s(seen.throughput_slow_per_s, seen.throughput_peak_per_s) * f64::from(of_shared[0]);
    let (admitted, total_rail) = guardrails::admitted_per_s(wanted, before, classical, seen);
    let classical_guard = classical.guard_s.unwrap_or(seen.slo_s);
    let wanted_guard = 0.15 * seen.slo_s * f64::from(of_shared[1]);
    let (guard, guard_rail) =
        guardrails::guard_s(wanted_guard, before.floor * classical_guard, seen.base_s, seen.slo_s);
    action.begin(admitted, Some(guard), BUCKET_S, HEADROOM);
    *guardrail = total_rail.max(guard_rail);

    let of_dependencies = shared[2..].chunks_exact_mut(2).zip(of_shared[2..].chunks_exact(2));
    for (place, (outputs, factors)) in of_dependencies.enumerate().take(DEPENDENCY_PLACES) {
        match classical.dependencies.get(place).zip(seen.dependencies.get(place)) {
            None => outputs.fill(0.0),
            Some((law, dependency)) => {
                let bounded = |guard_s| bounded_guard_s(guard_s, dependency.base_s, seen.slo_s);
                action.dependencies.push(DependencyAction {
                    admitted_per_s: law.admitted_per_s * f64::from(factors[0]),
                    guard_s: law.guard_s.map(|guard_s| bounded(guard_s * f64::from(factors[1]))),
                });
            }
        }
    }

    // With one class there is nothing to favour it over: its factors would only blur what R and W mean.
    let favours = slots.len() > 1;
    action.classes.resize(if favours { seen.classes.len() } else { 0 }, ClassAction::default());
    let of_slots = of_slots.chunks_exact_mut(CLASS_ACTIONS.len());
    for (slot, (outputs, factors)) in of_slots.zip(of_classes.chunks_exact(CLASS_ACTIONS.len())).enumerate() {
        match slots.get(slot).filter(|_| favours) {
            None => outputs.fill(0.0),
            Some(class) => {
                // Little-guard's share of the common guard time for this class.
                let law = classical.classes.get(*class).and_then(|class| class.guard_s);
                let share = law.map_or(1.0, |guard_s| guard_s / classical_guard);
                let wanted = guard * share * f64::from(factors[1]);
                action.classes[*class] = ClassAction {
                    level: f64::from(factors[0]),
                    guard_s: Some(bounded_guard_s(wanted, seen.base_s, seen.slo_s)),
                };
            }
        }
    }
}

/// The outputs for R and W that would have led to an action that somebody else took.
#[must_use]
pub(super) fn outputs_of(seen: &Observation, action: &SharedAction) -> [f32; 2] {
    let middle = middle_per_s(seen.throughput_slow_per_s, seen.throughput_peak_per_s);
    let admitted = ln((action.admitted_per_s / middle) as f32) / LN_ADMITTED as f32;
    let guard =
        action.guard_s.map_or(1.0, |guard_s| ln((guard_s / (0.15 * seen.slo_s)) as f32) / HALF_LN_6 - 1.0);
    [admitted, guard].map(|output| if output.is_nan() { 0.0 } else { output.clamp(-1.0, 1.0) })
}

/// What an output of 0 admits.
fn middle_per_s(slow_per_s: f64, peak_per_s: f64) -> f64 {
    slow_per_s.max(0.05 * peak_per_s)
}

/// What each output multiplies: R of the middle, a guard time of .15 SLO, little-guard's limit and guard time of a
/// dependency, a class's level and guard time. All at once, because an exponential alone is a chain of operations of
/// which each waits for the one before.
fn factors(outputs: &[f32; ACTIONS], path: Checked) -> [f32; ACTIONS.next_multiple_of(TOGETHER)] {
    let mut factors = [0.0; ACTIONS.next_multiple_of(TOGETHER)];
    factors[..ACTIONS].copy_from_slice(outputs);
    let (shared, classes) = factors.split_at_mut(SHARED_ACTIONS.len());
    shared[0] *= LN_ADMITTED as f32;
    shared[1] = HALF_LN_6 * (shared[1] + 1.0);
    for pair in shared[2..].chunks_exact_mut(2) {
        pair[0] *= LN_CALLS as f32;
        pair[1] *= HALF_LN_6;
    }
    for pair in classes.chunks_exact_mut(CLASS_ACTIONS.len()) {
        pair[0] *= LN_LEVEL as f32;
        pair[1] *= LN_GUARD as f32;
    }
    exp_each(&mut factors, path);
    factors
}

/// The steps of a policy that chooses one of a few: R by five factors, W by three lengths. Dependencies take the
/// same step as the service, classes are treated alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiscreteActions;

impl DiscreteActions {
    /// Outputs for R.
    const ADMITTED: [f32; 5] = [-0.6, -0.2, 0.05, 0.25, 0.6];
    /// Outputs for W: .21, .37 and .63 SLO.
    const GUARD: [f32; 3] = [-0.6, 0.0, 0.6];

    /// How many there are.
    pub const COUNT: usize = Self::ADMITTED.len() * Self::GUARD.len();

    /// Writes the output row of a choice.
    ///
    /// # Panics
    /// `choice` is not below [`DiscreteActions::COUNT`], or `outputs` does not hold [`ACTIONS`] numbers.
    pub fn outputs(choice: usize, outputs: &mut [f32]) {
        assert!(choice < Self::COUNT, "choice {choice} of {}", Self::COUNT);
        assert_eq!(outputs.len(), ACTIONS, "numbers in an output row");
        outputs.fill(0.0);
        let step = [Self::ADMITTED[choice / Self::GUARD.len()], Self::GUARD[choice % Self::GUARD.len()]];
        for outputs in outputs[..SHARED_ACTIONS.len()].chunks_exact_mut(step.len()) {
            outputs.copy_from_slice(&step);
        }
    }
}

#[cfg(test)]
mod tests;
