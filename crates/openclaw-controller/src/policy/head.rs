//! Everything of a learned policy but its network: what a trainer steps in thousands of copies and a service once,
//! through the same code.

use super::action::{Before, PolicyAction, follow, outputs_of};
use super::features::{FeatureBuilder, SlotClasses};
use super::guardrails::{FLOOR_OF_CLASSICAL, FLOOR_OF_CLASSICAL_LEARNING, refusal};
use super::path::Checked;
use crate::little_guard::LittleGuard;
use crate::observation::{Observation, SharedAction};

/// Turns observations into rows for the network and its output rows into actions.
#[derive(Clone, Debug)]
pub struct PolicyHead {
    path: Checked,
    builder: FeatureBuilder,
    slots: SlotClasses,
    start_per_s: f64,
    /// The least R and W, as a share of little-guard's.
    floor: f64,
    /// Asked at every observation: its answer is part of the row, and when it has to take over it has seen all.
    little_guard: LittleGuard,
    classical: SharedAction,
    decided: PolicyAction,
}

impl PolicyHead {
    /// `start_per_s` is the configured start of R, in work units per second.
    #[must_use]
    pub fn new(start_per_s: f64) -> Self {
        Self::with_floor(start_per_s, FLOOR_OF_CLASSICAL)
    }

    /// One for a policy that learns, which may fall a little further under little-guard.
    #[must_use]
    pub fn learning(start_per_s: f64) -> Self {
        Self::with_floor(start_per_s, FLOOR_OF_CLASSICAL_LEARNING)
    }

    fn with_floor(start_per_s: f64, floor: f64) -> Self {
        let classical = SharedAction::new(start_per_s, None, 1.0, 1.0);
        Self {
            path: Checked::best(),
            builder: FeatureBuilder::new(start_per_s),
            slots: SlotClasses::new(),
            start_per_s,
            floor,
            little_guard: LittleGuard::new(start_per_s),
            decided: PolicyAction::new(classical),
            classical,
        }
    }

    /// Forgets everything: a new episode begins.
    pub fn reset(&mut self) {
        *self = Self::with_floor(self.start_per_s, self.floor);
    }

    /// Writes the row for `seen`.
    ///
    /// # Panics
    /// `row` does not hold [`super::OBSERVATION`] numbers.
    pub fn features(&mut self, seen: &Observation, row: &mut [f32]) {
        self.little_guard.decide_shared(seen, &mut self.classical);
        self.builder.see(seen);
        self.slots = self.builder.features(seen, &self.classical, row);
    }

    /// The last decision.
    pub(super) fn decided(&self) -> &PolicyAction {
        &self.decided
    }

    /// Turns an output row into an action, and remembers it. `seen` is the observation of the last
    /// [`features`](Self::features).
    ///
    /// # Panics
    /// `outputs` does not hold [`super::ACTIONS`] numbers.
    pub fn action(&mut self, seen: &Observation, outputs: &[f32]) -> &PolicyAction {
        let admitted_per_s = self.builder.has_decided().then(|| self.builder.admitted_per_s());
        let before = Before { start_per_s: self.start_per_s, admitted_per_s, floor: self.floor };
        let decided = &mut self.decided;
        match refusal(seen, outputs) {
            None => follow(seen, &self.classical, &self.slots, outputs, before, self.path, decided),
            Some(guardrail) => {
                *decided = PolicyAction { guardrail: Some(guardrail), ..PolicyAction::new(self.classical) };
                decided.clamped[..2].copy_from_slice(&outputs_of(seen, &self.classical));
            }
        }
        self.builder.record(seen.now_ns, [decided.clamped[0], decided.clamped[1]], decided);
        decided
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::tests::observation;
    use crate::policy::{ACTIONS, OBSERVATION};

    #[test]
    fn a_policy_that_learns_may_fall_further_under_little_guard() {
        let seen = observation();
        let lowest = |mut head: PolicyHead| {
            let mut row = [0.0; OBSERVATION];
            head.features(&seen, &mut row);
            let admitted_per_s = head.action(&seen, &[-1.0; ACTIONS]).shared.admitted_per_s;
            admitted_per_s / head.classical.admitted_per_s
        };
        assert!((lowest(PolicyHead::new(1000.0)) - 0.9).abs() < 1e-9);
        assert!((lowest(PolicyHead::learning(1000.0)) - 0.8).abs() < 1e-9);
        let mut again = PolicyHead::learning(1000.0);
        again.reset();
        assert!((lowest(again) - 0.8).abs() < 1e-9, "it forgets what it saw, not what it is for");
    }
}
