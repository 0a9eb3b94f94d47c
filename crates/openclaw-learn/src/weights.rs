//! What leaves this crate: a trained network as plain numbers, and a forward pass that says exactly what they mean.
//!
//! The forward pass here is the plainest possible one, the reference that burn's and the serving kernels are held to.

use crate::layout::Layout;

/// A normalised feature lies within plus and minus this.
pub const NORMALISED_MAX: f32 = 10.0;

/// A layer: `output = weights · input + bias`.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Dense {
    /// Columns.
    pub inputs: usize,
    /// Rows.
    pub outputs: usize,
    /// Row-major, `[outputs][inputs]`.
    pub weights: Vec<f32>,
    /// `[outputs]`.
    pub bias: Vec<f32>,
}

/// How raw features become inputs: `clamp((x - mean) / std, -10, 10)`.
///
/// The slots share theirs, so both have the length `shared + slot`. A slot's presence passes unchanged
/// (mean 0, std 1), and an absent slot is all zeros after it.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Normaliser {
    /// What a feature is on average.
    pub mean: Vec<f32>,
    /// Its standard deviation, never zero.
    pub std: Vec<f32>,
}

/// What the last layer's numbers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Output {
    /// Actions once clipped to [-1, 1].
    Clipped,
    /// Actions once through the hyperbolic tangent.
    Tanh,
    /// A score for each discrete choice; the first highest is taken.
    Choice,
}

/// A trained, deterministic policy.
///
/// Trunk: (normalised shared features, elementwise maximum over the present slots' normalised features) through
/// `trunk`, a ReLU after each, then `shared_head` gives the shared actions. Each slot: (the trunk's last hidden
/// layer, the slot's normalised features) through `slot_hidden`, a ReLU after each, then `slot_head`.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct NetworkWeights {
    /// How observation and action are cut.
    pub layout: Layout,
    /// How raw features become inputs.
    pub normaliser: Normaliser,
    /// Hidden layers, the first on `shared + slot` inputs.
    pub trunk: Vec<Dense>,
    /// To the shared actions.
    pub shared_head: Dense,
    /// The slots' hidden layer; none without slot actions.
    pub slot_hidden: Vec<Dense>,
    /// To one slot's actions; none without slot actions.
    pub slot_head: Option<Dense>,
    /// What the numbers are.
    pub output: Output,
}

impl Dense {
    /// The layer's output, added up in the order of the inputs.
    pub(crate) fn forward(&self, input: &[f32]) -> Vec<f32> {
        let rows = self.weights.chunks_exact(self.inputs);
        let sum = |row: &[f32]| row.iter().zip(input).map(|(weight, x)| weight * x).sum::<f32>();
        rows.zip(&self.bias).map(|(row, bias)| bias + sum(row)).collect()
    }
}

impl Normaliser {
    /// Leaves features as they are, but for the clip.
    #[must_use]
    pub fn identity(len: usize) -> Self {
        Self { mean: vec![0.0; len], std: vec![1.0; len] }
    }

    /// Normalises features whose first is number `first` of the normaliser.
    pub(crate) fn apply(&self, first: usize, raw: &[f32], out: &mut [f32]) {
        let moments = self.mean[first..].iter().zip(&self.std[first..]);
        for ((out, raw), (mean, std)) in out.iter_mut().zip(raw).zip(moments) {
            *out = ((raw - mean) / std).clamp(-NORMALISED_MAX, NORMALISED_MAX);
        }
    }
}

impl NetworkWeights {
    /// The action for one raw observation: `actions_len` numbers, or scores of the choices. Those of absent slots are
    /// zero.
    ///
    /// # Panics
    /// Where `observation` has not the layout's length.
    #[must_use]
    pub fn forward(&self, observation: &[f32]) -> Vec<f32> {
        assert_eq!(
            observation.len(),
            self.layout.observation_len(),
            "the observation does not fit the layout"
        );
        let mut row = vec![0.0; self.layout.row_len()];
        self.layout.prepare(&self.normaliser, observation, &mut row);
        let trunk = through(&self.trunk, row[..self.layout.trunk_len()].to_vec());
        let mut actions = self.shared_head.forward(&trunk);
        if let Some(head) = &self.slot_head {
            for slot in row[self.layout.trunk_len()..].chunks_exact(self.layout.slot) {
                let hidden = through(&self.slot_hidden, [trunk.as_slice(), slot].concat());
                let present = slot[0];
                actions.extend(head.forward(&hidden).iter().map(|action| action * present));
            }
        }
        actions.iter().map(|action| self.output.apply(*action)).collect()
    }

    /// The number of weights and biases.
    #[must_use]
    pub fn parameters(&self) -> usize {
        let layers = self.trunk.iter().chain(&self.slot_hidden).chain(&self.slot_head);
        layers.chain([&self.shared_head]).map(|layer| layer.weights.len() + layer.bias.len()).sum()
    }
}

impl Output {
    fn apply(self, raw: f32) -> f32 {
        match self {
            Self::Clipped => raw.clamp(-1.0, 1.0),
            Self::Tanh => raw.tanh(),
            Self::Choice => raw,
        }
    }
}

/// The number of the first highest score.
#[must_use]
pub fn choice(scores: &[f32]) -> usize {
    let mut best = 0;
    for (index, score) in scores.iter().enumerate() {
        if *score > scores[best] {
            best = index;
        }
    }
    best
}

fn through(layers: &[Dense], input: Vec<f32>) -> Vec<f32> {
    layers
        .iter()
        .fold(input, |input, layer| layer.forward(&input).into_iter().map(|value| value.max(0.0)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dense(inputs: usize, weights: &[f32], bias: &[f32]) -> Dense {
        Dense { inputs, outputs: bias.len(), weights: weights.to_vec(), bias: bias.to_vec() }
    }

    #[test]
    fn the_forward_pass_equals_one_worked_by_hand() {
        let network = NetworkWeights {
            layout: Layout { shared: 1, slots: 2, slot: 2, actions_shared: 1, actions_slot: 1 },
            normaliser: Normaliser { mean: vec![1.0, 0.0, 0.0], std: vec![2.0, 1.0, 4.0] },
            trunk: vec![dense(3, &[1.0, 0.5, 0.25, -1.0, 0.0, 0.0], &[0.25, 0.0])],
            shared_head: dense(2, &[0.5, 7.0], &[-0.25]),
            slot_hidden: vec![dense(4, &[0.5, 0.0, 0.0, -2.0], &[0.5])],
            slot_head: Some(dense(1, &[0.25], &[0.0625])),
            output: Output::Clipped,
        };
        // Normalised: shared 0.5, slot 0 (1, 0.5), slot 1 absent; pooled (1, 0.5).
        // Trunk: relu(0.5 + 0.5 + 0.125 + 0.25) = 1.375 and relu(-0.5) = 0. Shared: 0.6875 - 0.25.
        // Slot 0: relu(0.6875 - 1 + 0.5) = 0.1875, times 0.25 plus 0.0625.
        assert_eq!(network.forward(&[2.0, 1.0, 2.0, 0.0, 9.0]), [0.4375, 0.109_375, 0.0]);
        assert_eq!(network.parameters(), 8 + 3 + 5 + 2);
    }

    #[test]
    fn the_first_highest_score_is_the_choice() {
        assert_eq!(choice(&[1.0, 3.0, 3.0, 2.0]), 1);
    }
}
