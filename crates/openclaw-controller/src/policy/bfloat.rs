//! Weights of sixteen bits: the upper half of an `f32`, which is the format bfloat16.
//!
//! The weights of a network are read once in each decision, and while other work goes on between decisions they wait in
//! the second cache: fetching them is what a forward pass takes its time for. Half as many bytes are fetched in half the
//! time. The half with the exponent was chosen because widening it is one shift, so that it needs no instruction that a
//! processor may lack, and because it is exact: a network whose weights were rounded once, when it was made, gives the
//! same bits from sixteen bits as from thirty-two. IEEE's own 16-bit format has three more digits and lost: widening
//! it needs instructions that not every processor has, or several operations for each weight.

use super::network::{Dense, Network};

/// The bits that a rounded weight does not use.
const UNUSED: u32 = 0xffff;

impl Network {
    /// The same network with each weight rounded to the nearest number of sixteen bits, of two equally near ones to the
    /// even one. Biases and scales are left alone.
    ///
    /// To be done when a policy is taken from its trainer and before it is judged: its score is then that of the weights
    /// that serve.
    #[must_use]
    pub fn rounded(mut self) -> Self {
        let hidden = self.trunk.iter_mut().chain(&mut self.slot_hidden);
        for layer in hidden.chain([&mut self.shared_head]).chain(&mut self.slot_head) {
            layer.weights.iter_mut().for_each(|weight| *weight = rounded(*weight));
        }
        self
    }
}

impl Dense {
    /// Whether every weight is one of sixteen bits.
    pub(super) fn is_rounded(&self) -> bool {
        self.weights.iter().all(|weight| weight.to_bits() & UNUSED == 0)
    }
}

/// Two rounded weights in one word.
pub(super) fn packed(first: f32, second: f32) -> u32 {
    (first.to_bits() >> 16) | (second.to_bits() & !UNUSED)
}

/// The first weight of a word.
#[inline(always)]
pub(super) fn first(word: u32) -> f32 {
    f32::from_bits(word << 16)
}

/// The second weight of a word.
#[inline(always)]
pub(super) fn second(word: u32) -> f32 {
    f32::from_bits(word & !UNUSED)
}

/// The nearest number whose lower bits are all 0. What is not finite stays that; the largest numbers become infinite, and
/// a network with such weights is refused.
fn rounded(weight: f32) -> f32 {
    let bits = weight.to_bits();
    if !weight.is_finite() {
        return weight;
    }
    let to_even = (bits >> 16) & 1;
    f32::from_bits((bits + UNUSED / 2 + to_even) & !UNUSED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Layout, Normaliser};

    #[test]
    fn a_weight_becomes_the_nearest_of_sixteen_bits_and_the_even_one_of_two() {
        let step = 2_f32.powi(-7);
        for (weight, expected) in [
            (1.0, 1.0),
            (1.0 + 0.49 * step, 1.0),
            (1.0 + 0.5 * step, 1.0),
            (1.0 + 0.51 * step, 1.0 + step),
            (1.0 + 1.5 * step, 1.0 + 2.0 * step),
            (-1.0 - 0.51 * step, -1.0 - step),
            (1.9999, 2.0),
            (0.0, 0.0),
            (f32::MAX, f32::INFINITY),
        ] {
            assert_eq!(rounded(weight), expected, "{weight}");
        }
        assert_eq!(rounded(-0.0).to_bits(), (-0.0_f32).to_bits());
        assert!(rounded(f32::NAN).is_nan());
    }

    #[test]
    fn rounding_moves_no_weight_by_more_than_a_256th_and_once_is_enough() {
        let weights: Vec<f32> = (1..2000).map(|index| (index as f32).sin() / index as f32).collect();
        for weight in weights {
            let rounded_once = rounded(weight);
            assert!((rounded_once - weight).abs() <= weight.abs() / 256.0, "{weight}");
            assert_eq!(rounded(rounded_once), rounded_once);
        }
    }

    #[test]
    fn two_rounded_weights_come_out_of_their_word_as_they_were() {
        let weights = [0.0, -0.0, 1.5, f32::from_bits(0xff7f_0000), f32::from_bits(0x0001_0000)];
        for a in weights {
            for b in weights {
                let word = packed(a, b);
                let bits = [first(word), second(word)].map(f32::to_bits);
                assert_eq!(bits, [a, b].map(f32::to_bits), "{a:e} and {b:e}");
            }
        }
    }

    #[test]
    fn a_rounded_network_keeps_its_biases_and_scales() {
        let layout = Layout { shared: 1, slots: 1, slot: 1, actions_shared: 1, actions_slot: 1 };
        let dense = |inputs| Dense { inputs, outputs: 1, weights: vec![0.1; inputs], bias: vec![0.3] };
        let normaliser = Normaliser { mean: vec![0.1, 0.0], std: vec![0.7, 1.0] };
        let network = Network {
            layout,
            normaliser,
            trunk: vec![dense(2), dense(1)],
            shared_head: dense(1),
            slot_hidden: vec![dense(2)],
            slot_head: Some(dense(1)),
        };
        let rounded = network.clone().rounded();
        assert_eq!(rounded.normaliser, network.normaliser);
        for ((name, before), (_, after)) in network.layers().zip(rounded.layers()) {
            assert_eq!(before.bias, after.bias, "{name}");
            let is_rounded =
                |layer: &Dense| layer.weights.iter().all(|weight| weight.to_bits() & UNUSED == 0);
            assert!(!is_rounded(before) && is_rounded(after), "{name}");
        }
    }
}
