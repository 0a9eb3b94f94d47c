//! How a flat observation is cut, so that one set of weights serves any number of slots (context classes,
//! dependencies, whatever comes in varying number).
//!
//! Slots meet twice in the actor: their elementwise maximum is part of what the trunk sees, and each slot's own
//! features go through one head whose weights all slots share. A maximum, because it marks the worst slot whatever
//! their number (Qi et al., "PointNet", 2017); attention lost on cost: a decision has a microsecond.

use crate::weights::Normaliser;

/// The cut: observation = shared features, then slot 0, slot 1 and so on; action = shared actions, then slot 0's,
/// slot 1's and so on. The first feature of a slot is 1.0 where the slot is present and 0.0 where it is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Layout {
    /// Features that belong to no slot.
    pub shared: usize,
    /// Slots in an observation.
    pub slots: usize,
    /// Features of each slot, presence included.
    pub slot: usize,
    /// Actions that belong to no slot; for discrete choices, their number.
    pub actions_shared: usize,
    /// Actions of each slot.
    pub actions_slot: usize,
}

impl Layout {
    /// Without slots: the network is a plain multi-layer perceptron.
    #[must_use]
    pub const fn plain(observation_len: usize, actions: usize) -> Self {
        Self { shared: observation_len, slots: 0, slot: 0, actions_shared: actions, actions_slot: 0 }
    }

    /// Features of an observation.
    #[must_use]
    pub const fn observation_len(&self) -> usize {
        self.shared + self.slots * self.slot
    }

    /// Numbers in an action.
    #[must_use]
    pub const fn actions_len(&self) -> usize {
        self.actions_shared + self.slots * self.actions_slot
    }

    /// What the trunk sees: the shared features and the pooled ones.
    #[must_use]
    pub const fn trunk_len(&self) -> usize {
        self.shared + self.slot
    }

    /// A prepared row: what the trunk sees, then every slot.
    pub(crate) const fn row_len(&self) -> usize {
        self.trunk_len() + self.slots * self.slot
    }

    /// Whether slots have actions of their own.
    pub const fn has_slot_head(&self) -> bool {
        self.slots > 0 && self.actions_slot > 0
    }

    /// Normalises an observation and pools its slots: `row` (of [`row_len`](Self::row_len)) becomes
    /// `[shared | maximum over present slots | slot 0 | slot 1 ...]`, where absent slots are all zeros.
    pub(crate) fn prepare(&self, normaliser: &Normaliser, observation: &[f32], row: &mut [f32]) {
        let (shared, slots_raw) = observation.split_at(self.shared);
        let (shared_out, rest) = row.split_at_mut(self.shared);
        let (pooled, slots_out) = rest.split_at_mut(self.slot);
        normaliser.apply(0, shared, shared_out);
        if self.slots == 0 {
            return;
        }
        let mut any = false;
        for (raw, out) in slots_raw.chunks_exact(self.slot).zip(slots_out.chunks_exact_mut(self.slot)) {
            if raw[0] <= 0.0 {
                out.fill(0.0);
                continue;
            }
            normaliser.apply(self.shared, raw, out);
            if any {
                pooled.iter_mut().zip(&*out).for_each(|(most, value)| *most = most.max(*value));
            } else {
                pooled.copy_from_slice(out);
            }
            any = true;
        }
        if !any {
            pooled.fill(0.0);
        }
    }

    /// Writes 1.0 for each action that is real in this prepared row and 0.0 for those of absent slots.
    pub fn mask(&self, row: &[f32], mask: &mut [f32]) {
        mask[..self.actions_shared].fill(1.0);
        if !self.has_slot_head() {
            return;
        }
        let slots = row[self.trunk_len()..].chunks_exact(self.slot);
        for (slot, mask) in slots.zip(mask[self.actions_shared..].chunks_exact_mut(self.actions_slot)) {
            mask.fill(slot[0]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAYOUT: Layout = Layout { shared: 1, slots: 2, slot: 3, actions_shared: 1, actions_slot: 2 };

    fn prepared(observation: &[f32]) -> Vec<f32> {
        let normaliser = Normaliser { mean: vec![1.0, 0.0, 2.0, 0.0], std: vec![2.0, 1.0, 1.0, 0.5] };
        let mut row = vec![f32::NAN; LAYOUT.row_len()];
        LAYOUT.prepare(&normaliser, observation, &mut row);
        row
    }

    #[test]
    fn a_row_is_normalised_and_its_slots_are_pooled_by_their_maximum() {
        let row = prepared(&[3.0, 1.0, 2.5, -1.0, 1.0, 1.0, 4.0]);
        assert_eq!(row, [1.0, 1.0, 0.5, 8.0, 1.0, 0.5, -2.0, 1.0, -1.0, 8.0]);
    }

    #[test]
    fn an_absent_slot_is_zero_and_not_pooled() {
        let row = prepared(&[3.0, 0.0, 99.0, 99.0, 1.0, 1.0, -4.0]);
        assert_eq!(row, [1.0, 1.0, -1.0, -8.0, 0.0, 0.0, 0.0, 1.0, -1.0, -8.0]);
        let row = prepared(&[3.0, 0.0, 99.0, 99.0, 0.0, 1.0, -4.0]);
        assert_eq!(row, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn the_mask_leaves_out_absent_slots() {
        let mut mask = vec![f32::NAN; LAYOUT.actions_len()];
        LAYOUT.mask(&prepared(&[3.0, 0.0, 99.0, 99.0, 1.0, 1.0, -4.0]), &mut mask);
        assert_eq!(mask, [1.0, 0.0, 0.0, 1.0, 1.0]);
    }
}
