//! Observations as the networks see them: normalised, the slots pooled, absent ones zeroed.
//!
//! A prepared row is `[shared | maximum over the present slots | slot 0 | slot 1 ...]`. The trunk reads the first two
//! parts, the slot heads the rest, and a critic all of it. Pooling happens here and not among the tensors because
//! nothing is learned in it.

use openclaw_controller::policy::{Layout, Normaliser};

/// The length of a prepared row.
pub(crate) fn row_len(layout: &Layout) -> usize {
    layout.trunk_inputs() + layout.slots * layout.slot
}

/// Whether slots have actions of their own.
pub(crate) fn has_slot_head(layout: &Layout) -> bool {
    layout.slots > 0 && layout.actions_slot > 0
}

/// Prepares one observation; the serving side's forward pass does the same (held to it by a test).
pub(crate) fn prepare(layout: &Layout, normaliser: &Normaliser, observation: &[f32], row: &mut [f32]) {
    let (shared, slots_raw) = observation.split_at(layout.shared);
    let (shared_out, rest) = row.split_at_mut(layout.shared);
    let (pooled, slots_out) = rest.split_at_mut(layout.slot);
    scale(normaliser, 0, shared, shared_out);
    pooled.fill(0.0);
    if layout.slots == 0 {
        return;
    }
    let mut any = false;
    for (raw, out) in slots_raw.chunks_exact(layout.slot).zip(slots_out.chunks_exact_mut(layout.slot)) {
        if !is_present(raw) {
            out.fill(0.0);
            continue;
        }
        scale(normaliser, layout.shared, raw, out);
        if any {
            pooled.iter_mut().zip(&*out).for_each(|(most, value)| *most = most.max(*value));
        } else {
            pooled.copy_from_slice(out);
        }
        any = true;
    }
}

/// Writes 1.0 for each action that is real in a prepared row and 0.0 for those of absent slots.
pub(crate) fn mask(layout: &Layout, row: &[f32], mask: &mut [f32]) {
    mask[..layout.actions_shared].fill(1.0);
    if !has_slot_head(layout) {
        return;
    }
    let slots = row[layout.trunk_inputs()..].chunks_exact(layout.slot);
    for (slot, mask) in slots.zip(mask[layout.actions_shared..].chunks_exact_mut(layout.actions_slot)) {
        mask.fill(if is_present(slot) { 1.0 } else { 0.0 });
    }
}

/// Whether a slot, raw or normalised, is there.
pub(crate) fn is_present(slot: &[f32]) -> bool {
    slot[0] > 0.5
}

/// Normalises features of which the first is entry `first` of the normaliser.
fn scale(normaliser: &Normaliser, first: usize, raw: &[f32], out: &mut [f32]) {
    let moments = normaliser.mean[first..].iter().zip(&normaliser.std[first..]);
    for ((out, raw), (mean, std)) in out.iter_mut().zip(raw).zip(moments) {
        *out = ((raw - mean) / std).clamp(-Normaliser::CLIP, Normaliser::CLIP);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAYOUT: Layout = Layout { shared: 1, slots: 2, slot: 3, actions_shared: 1, actions_slot: 2 };

    fn prepared(observation: &[f32]) -> Vec<f32> {
        let normaliser = Normaliser { mean: vec![1.0, 0.0, 2.0, 0.0], std: vec![2.0, 1.0, 1.0, 0.5] };
        let mut row = vec![f32::NAN; row_len(&LAYOUT)];
        prepare(&LAYOUT, &normaliser, observation, &mut row);
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
        let mut actions = vec![f32::NAN; LAYOUT.outputs()];
        mask(&LAYOUT, &prepared(&[3.0, 0.0, 99.0, 99.0, 1.0, 1.0, -4.0]), &mut actions);
        assert_eq!(actions, [1.0, 0.0, 0.0, 1.0, 1.0]);
    }
}
