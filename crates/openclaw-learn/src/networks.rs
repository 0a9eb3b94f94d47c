//! The networks: a plain perceptron, and the actor with its slots. They say which matrices they need and how rows pass
//! through them; the numbers themselves are [`Parameters`](crate::parameters::Parameters).

use crate::compute::numbers;
use crate::parameters::{Begin, Matrix};
use crate::rows::{has_slot_head, row_len};
use burn_tensor::Tensor;
use burn_tensor::activation::relu;
use openclaw_controller::policy::{Dense, Layout, Network, Normaliser};

/// The gain that keeps the variance through a ReLU.
const GAIN_HIDDEN: f64 = std::f64::consts::SQRT_2;

/// Layers with a ReLU between them.
#[derive(Debug, Clone)]
pub(crate) struct Mlp {
    /// Widths from the input to the output.
    widths: Vec<usize>,
    gain_last: f64,
}

impl Mlp {
    pub(crate) fn new(inputs: usize, hidden: &[usize], outputs: usize, gain_last: f64) -> Self {
        let widths = [&[inputs], hidden, &[outputs]].concat();
        Self { widths, gain_last }
    }

    /// A weight and a bias for each layer.
    pub(crate) fn matrices(&self) -> Vec<Matrix> {
        let last = self.widths.len() - 2;
        let gain = |layer: usize| if layer == last { self.gain_last } else { GAIN_HIDDEN };
        let pairs = self.widths.windows(2).enumerate();
        pairs.flat_map(|(layer, pair)| dense(pair[0], pair[1], gain(layer))).collect()
    }

    pub(crate) fn forward(&self, matrices: &[Tensor<2>], rows: Tensor<2>) -> Tensor<2> {
        let (hidden, last) = matrices.split_at(matrices.len() - 2);
        linear(last, through(hidden, rows))
    }
}

/// The actor: a trunk, a head for the shared actions and one that all slots share.
#[derive(Debug, Clone)]
pub(crate) struct ActorNetwork {
    layout: Layout,
    hidden: Vec<usize>,
    slot_hidden: usize,
    /// Numbers for each action: one for a mean, two where its spread is learned by state as well.
    heads: usize,
    gain_last: f64,
}

impl ActorNetwork {
    pub(crate) fn new(
        layout: Layout,
        hidden: &[usize],
        slot_hidden: usize,
        heads: usize,
        gain_last: f64,
    ) -> Self {
        Self { layout, hidden: hidden.to_vec(), slot_hidden, heads, gain_last }
    }

    /// The trunk's layers; a shared head for each of `heads`; then, with slot actions, the slots' hidden layer in
    /// two parts (for the trunk's output and for the slot's features) with its bias, and a slot head for each of
    /// `heads`.
    pub(crate) fn matrices(&self) -> Vec<Matrix> {
        let Layout { slot, actions_shared, actions_slot, .. } = self.layout;
        let widths = [&[self.layout.trunk_inputs()], self.hidden.as_slice()].concat();
        let last = widths[widths.len() - 1];
        let head = |inputs: usize, outputs: usize| {
            (0..self.heads).flat_map(move |_| dense(inputs, outputs, self.gain_last))
        };
        let mut matrices =
            widths.windows(2).flat_map(|pair| dense(pair[0], pair[1], GAIN_HIDDEN)).collect::<Vec<_>>();
        matrices.extend(head(last, actions_shared));
        if has_slot_head(&self.layout) {
            let begin = Begin::Orthogonal(GAIN_HIDDEN);
            let outputs = self.slot_hidden;
            matrices.push(Matrix { inputs: last, outputs, begin });
            matrices.push(Matrix { inputs: slot, outputs, begin });
            matrices.push(Matrix { inputs: 1, outputs, begin: Begin::Constant(0.0) });
            matrices.extend(head(outputs, actions_slot));
        }
        matrices
    }

    /// From prepared rows to actions, `[rows, actions]` for each head. Those of absent slots mean nothing.
    pub(crate) fn forward(&self, matrices: &[Tensor<2>], rows: &Tensor<2>) -> Vec<Tensor<2>> {
        let count = rows.dims()[0];
        let (trunk, rest) = matrices.split_at(2 * self.hidden.len());
        let (shared_heads, slot_parts) = rest.split_at(2 * self.heads);
        let inputs = self.layout.trunk_inputs();
        let trunk_rows =
            if self.layout.slots == 0 { rows.clone() } else { rows.clone().narrow(1, 0, inputs) };
        let last = through(trunk, trunk_rows);
        let shared = shared_heads.chunks_exact(2).map(|head| linear(head, last.clone()));
        if !has_slot_head(&self.layout) {
            return shared.collect();
        }
        let Layout { slots, slot, actions_slot, .. } = self.layout;
        let features = rows.clone().narrow(1, inputs, row_len(&self.layout) - inputs);
        let features = features.reshape([count * slots, slot]);
        // The trunk's part is the same for every slot of a row: it is multiplied once and added to each.
        let from_trunk = last.clone().matmul(slot_parts[0].clone()) + slot_parts[2].clone();
        let from_slot = features.matmul(slot_parts[1].clone());
        let wide = self.slot_hidden;
        let hidden = from_slot.reshape([count, slots, wide]) + from_trunk.reshape([count, 1, wide]);
        let hidden = relu(hidden).reshape([count * slots, wide]);
        let slot_heads = slot_parts[3..].chunks_exact(2);
        let of_slots =
            slot_heads.map(|head| linear(head, hidden.clone()).reshape([count, slots * actions_slot]));
        shared.zip(of_slots).map(|(shared, slots)| Tensor::cat(vec![shared, slots], 1)).collect()
    }

    /// The first head as plain numbers.
    pub(crate) fn network(&self, matrices: &[Tensor<2>], normaliser: Normaliser) -> Network {
        let (trunk, rest) = matrices.split_at(2 * self.hidden.len());
        let (shared_heads, slot_parts) = rest.split_at(2 * self.heads);
        let slotted = has_slot_head(&self.layout);
        let slot_hidden = slotted.then(|| {
            let weights = Tensor::cat(vec![slot_parts[0].clone(), slot_parts[1].clone()], 0);
            exported(&[weights, slot_parts[2].clone()])
        });
        Network {
            layout: self.layout,
            normaliser,
            trunk: trunk.chunks_exact(2).map(exported).collect(),
            shared_head: exported(&shared_heads[..2]),
            slot_hidden: slot_hidden.into_iter().collect(),
            slot_head: slotted.then(|| exported(&slot_parts[3..5])),
        }
    }
}

/// Two critics of an action, alike but for where they began.
#[derive(Debug, Clone)]
pub(crate) struct TwinCritics {
    one: Mlp,
}

impl TwinCritics {
    /// They read a whole prepared row and the action.
    pub(crate) fn new(layout: &Layout, hidden: &[usize]) -> Self {
        Self { one: Mlp::new(row_len(layout) + layout.outputs(), hidden, 1, 1.0) }
    }

    /// The first critic's, then the second's.
    pub(crate) fn matrices(&self) -> Vec<Matrix> {
        [self.one.matrices(), self.one.matrices()].concat()
    }

    /// What each says of an action in a row, `[rows, 1]`.
    pub(crate) fn forward(
        &self,
        matrices: &[Tensor<2>],
        rows: Tensor<2>,
        actions: Tensor<2>,
    ) -> [Tensor<2>; 2] {
        let input = Tensor::cat(vec![rows, actions], 1);
        let (first, second) = matrices.split_at(matrices.len() / 2);
        [self.one.forward(first, input.clone()), self.one.forward(second, input)]
    }
}

/// One column for each action, from the shared actions' columns and one set for all slots.
pub(crate) fn every_action(layout: &Layout, columns: Tensor<2>) -> Tensor<2> {
    if !has_slot_head(layout) {
        return columns;
    }
    let shared = columns.clone().narrow(1, 0, layout.actions_shared);
    let slot = columns.narrow(1, layout.actions_shared, layout.actions_slot);
    Tensor::cat(vec![shared, slot.repeat_dim(1, layout.slots)], 1)
}

fn dense(inputs: usize, outputs: usize, gain: f64) -> [Matrix; 2] {
    [
        Matrix { inputs, outputs, begin: Begin::Orthogonal(gain) },
        Matrix { inputs: 1, outputs, begin: Begin::Constant(0.0) },
    ]
}

fn linear(weight_and_bias: &[Tensor<2>], rows: Tensor<2>) -> Tensor<2> {
    rows.matmul(weight_and_bias[0].clone()) + weight_and_bias[1].clone()
}

fn through(layers: &[Tensor<2>], rows: Tensor<2>) -> Tensor<2> {
    layers.chunks_exact(2).fold(rows, |rows, layer| relu(linear(layer, rows)))
}

/// Multiplication here is row times weight, the exported layer has a row for each output.
fn exported(weight_and_bias: &[Tensor<2>]) -> Dense {
    let [inputs, outputs] = weight_and_bias[0].dims();
    Dense {
        inputs,
        outputs,
        weights: numbers(weight_and_bias[0].clone().transpose()),
        bias: numbers(weight_and_bias[1].clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compute::Compute;
    use crate::parameters::Parameters;
    use crate::rows::prepare;
    use openclaw_controller::policy::Forward;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// Burn's forward pass and the serving side's, over random observations with absent slots among them.
    fn assert_equal_to_serving(layout: Layout, hidden: &[usize], heads: usize) {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let compute = Compute::cpu();
        let actor = ActorNetwork::new(layout, hidden, 5, heads, 1.0);
        let parameters = Parameters::begin(actor.matrices(), &compute, &mut rng);
        let noisy = parameters.numbers().iter().map(|w| w + rng.random_range(-0.2..0.2)).collect();
        let parameters = parameters.with(noisy, &compute).unwrap();
        let mut normaliser = Normaliser::identity(&layout);
        for entry in (0..layout.normalised()).filter(|entry| layout.slots == 0 || *entry != layout.shared) {
            normaliser.mean[entry] = rng.random_range(-1.0..1.0);
            normaliser.std[entry] = rng.random_range(0.1..3.0);
        }
        let network = actor.network(&parameters.matrices(), normaliser.clone());
        let serving = Forward::new(&network).unwrap();
        let (mut rows, mut expected) = (Vec::new(), Vec::new());
        for _ in 0..64 {
            let mut observation =
                (0..layout.observation()).map(|_| rng.random_range(-5.0..5.0)).collect::<Vec<f32>>();
            for slot in observation[layout.shared..].chunks_exact_mut(layout.slot.max(1)) {
                slot[0] = f32::from(rng.random_bool(0.6));
            }
            let mut output = vec![0.0; layout.outputs()];
            serving.run(&observation, &mut serving.scratch(), &mut output);
            let mut row = vec![0.0; row_len(&layout)];
            prepare(&layout, &normaliser, &observation, &mut row);
            let mut mask = vec![0.0; layout.outputs()];
            crate::rows::mask(&layout, &row, &mut mask);
            rows.extend(row);
            expected.push((output, mask));
        }
        let rows = compute.matrix(rows, row_len(&layout));
        let found = actor.forward(&parameters.matrices(), &rows);
        assert_eq!(found.len(), heads);
        let found = numbers(found[0].clone());
        for (found, (expected, mask)) in found.chunks_exact(layout.outputs()).zip(expected) {
            for ((found, expected), mask) in found.iter().zip(expected).zip(mask) {
                assert!((found * mask - expected).abs() < 1e-5, "{found} is not {expected}");
            }
        }
    }

    #[test]
    fn the_plain_actor_equals_the_serving_forward_pass() {
        let layout = Layout { shared: 7, slots: 0, slot: 0, actions_shared: 3, actions_slot: 0 };
        assert_equal_to_serving(layout, &[16, 9], 1);
    }

    #[test]
    fn the_slotted_actor_equals_the_serving_forward_pass() {
        let layout = Layout { shared: 7, slots: 3, slot: 4, actions_shared: 2, actions_slot: 2 };
        assert_equal_to_serving(layout, &[16, 9], 2);
    }

    #[test]
    fn an_actor_that_only_looks_at_slots_equals_the_serving_forward_pass() {
        let layout = Layout { shared: 7, slots: 3, slot: 4, actions_shared: 2, actions_slot: 0 };
        assert_equal_to_serving(layout, &[16], 1);
    }

    #[test]
    fn a_perceptron_gives_what_was_worked_out_by_hand() {
        let compute = Compute::cpu();
        let mlp = Mlp::new(2, &[2], 1, 1.0);
        let begun = Parameters::begin(mlp.matrices(), &compute, &mut ChaCha8Rng::seed_from_u64(0));
        let weights = vec![1.0, -1.0, 2.0, 0.5, 0.5, 0.0, 3.0, 10.0, -1.0];
        let parameters = begun.with(weights, &compute).unwrap();
        // Hidden: 1 + 4 + .5 = 5.5 and relu(-1 + 1) = 0; output 16.5 - 1.
        let output = mlp.forward(&parameters.matrices(), compute.matrix(vec![1.0, 2.0], 2));
        assert_eq!(numbers(output), [15.5]);
    }
}
