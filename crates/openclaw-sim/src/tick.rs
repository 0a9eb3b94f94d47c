//! What a decision brought about, from all that the simulator knows: the reward's inputs.

use openclaw_controller::RewardInputs;

use crate::tally::{End, Slot};

/// Time constant of the reward's reference, in seconds.
const REFERENCE_TAU_S: f64 = 2.0;

/// What a decision brought about; see [`Simulation::tick_outcome`](crate::Simulation::tick_outcome).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TickOutcome {
    /// Since the last decision, in seconds: one tick, more where a report was lost.
    pub elapsed_s: f64,
    /// First attempts, in work units.
    pub offered: f64,
    /// What the reward is made of.
    pub inputs: RewardInputs,
}

impl TickOutcome {
    /// The reward of the last decision.
    #[must_use]
    pub fn reward(&self) -> f64 {
        self.inputs.reward()
    }
}

/// Counts since the last decision.
#[derive(Debug, Default)]
pub(crate) struct TickTally {
    inputs: RewardInputs,
    offered: f64,
    fair_from: f64,
    from_s: f64,
    reference_per_s: Option<f64>,
}

impl TickTally {
    pub(crate) fn begin_slot(&mut self, length_s: f64, entitled_work: f64) {
        let per_s = entitled_work / length_s;
        let before = self.reference_per_s.unwrap_or(per_s);
        let weight = 1.0 - (-length_s / REFERENCE_TAU_S).exp();
        self.reference_per_s = Some(before + weight * (per_s - before));
    }

    pub(crate) fn first_attempt(&mut self, well_behaved_throttled: bool, cost: f64) {
        self.offered += cost;
        if well_behaved_throttled {
            self.inputs.well_behaved_throttled += cost;
        }
    }

    pub(crate) fn ended(&mut self, end: End, good: bool, cost: f64) {
        match end {
            End::Served if good => self.inputs.good += cost,
            End::Served => self.inputs.late += cost,
            End::ClientLeft | End::QueueFull => self.inputs.failed += cost,
        }
    }

    /// The outcome so far, `fair_work` being F now and `last_second` the slots of the last second.
    pub(crate) fn outcome(
        &self,
        now_s: f64,
        tick_s: f64,
        fair_work: f64,
        last_second: &[Slot],
    ) -> TickOutcome {
        let ended: u32 = last_second.iter().map(|slot| slot.ended).sum();
        let late: u32 = last_second.iter().map(|slot| slot.late).sum();
        let inputs = RewardInputs {
            fair_gain: fair_work - self.fair_from,
            late_fraction: if ended == 0 { 0.0 } else { f64::from(late) / f64::from(ended) },
            reference: self.reference_per_s.unwrap_or(0.0) * tick_s,
            ..self.inputs
        };
        TickOutcome { elapsed_s: now_s - self.from_s, offered: self.offered, inputs }
    }

    /// Begins anew.
    pub(crate) fn restart(&mut self, now_s: f64, fair_work: f64) {
        self.inputs = RewardInputs::default();
        (self.offered, self.fair_from, self.from_s) = (0.0, fair_work, now_s);
    }
}
