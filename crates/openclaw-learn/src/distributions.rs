//! Distributions over actions: what the losses need as tensors, and sampling.
//!
//! Actions are rows in both cases: numbers for a Gaussian, one-hot for a choice. That way one buffer and one loss serve
//! both.

use burn_tensor::Tensor;
use burn_tensor::activation::log_softmax;
use openclaw_controller::policy::{exp, ln};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

/// ½ ln 2π.
pub(crate) const HALF_LN_TAU: f64 = 0.918_938_533_204_672_8;

/// Log-probability of each row under independent normal distributions, `[rows, 1]`. `log_std` is `[1, actions]` or as
/// `mean`; actions where `mask` is 0 do not count.
pub(crate) fn gaussian_log_prob(
    actions: Tensor<2>,
    mean: Tensor<2>,
    log_std: Tensor<2>,
    mask: Option<Tensor<2>>,
) -> Tensor<2> {
    let distance = (actions - mean) * log_std.clone().neg().exp();
    let each = distance.square().mul_scalar(0.5) + log_std.add_scalar(HALF_LN_TAU);
    sum_counted(each, mask).neg()
}

/// Entropy of each row's normal distributions, averaged over the rows.
pub(crate) fn gaussian_entropy(log_std: Tensor<2>, mask: Option<Tensor<2>>) -> Tensor<1> {
    sum_counted(log_std.add_scalar(HALF_LN_TAU + 0.5), mask).mean()
}

/// Log-probability of each row's choice, `[rows, 1]`, given the log-probabilities of all.
pub(crate) fn chosen(log_probs: Tensor<2>, one_hot: Tensor<2>) -> Tensor<2> {
    (log_probs * one_hot).sum_dim(1)
}

/// Log-probabilities of all choices.
pub(crate) fn categorical(logits: Tensor<2>) -> Tensor<2> {
    log_softmax(logits, 1)
}

/// Entropy of the choices, averaged over the rows.
pub(crate) fn categorical_entropy(log_probs: Tensor<2>) -> Tensor<1> {
    (log_probs.clone().exp() * log_probs).sum_dim(1).mean().neg()
}

/// Log-probability of `tanh(raw)` where `raw` is normal: the change of variables takes off
/// `ln(1 - tanh²(raw)) = 2 (ln 2 - raw - softplus(-2 raw))`, in a form that does not overflow (Haarnoja et al. 2018,
/// appendix C).
pub(crate) fn squashed_log_prob(
    raw: Tensor<2>,
    mean: Tensor<2>,
    log_std: Tensor<2>,
    mask: Option<Tensor<2>>,
) -> Tensor<2> {
    let distance = (raw.clone() - mean) * log_std.clone().neg().exp();
    let normal = distance.square().mul_scalar(0.5) + log_std.add_scalar(HALF_LN_TAU);
    let softplus = burn_tensor::activation::softplus(raw.clone().mul_scalar(-2.0), 1.0);
    let squash = (raw + softplus).neg().add_scalar(std::f64::consts::LN_2).mul_scalar(2.0);
    sum_counted(normal + squash, mask).neg()
}

fn sum_counted(each: Tensor<2>, mask: Option<Tensor<2>>) -> Tensor<2> {
    match mask {
        Some(mask) => (each * mask).sum_dim(1),
        None => each.sum_dim(1),
    }
}

/// Standard normal numbers.
pub(crate) fn noise(len: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
    (0..len).map(|_| rng.sample(StandardNormal)).collect()
}

/// Draws an action around `mean`, and gives its log-probability over those that count.
pub(crate) fn draw_gaussian(
    mean: &[f32],
    log_std: &[f32],
    mask: &[f32],
    rng: &mut ChaCha8Rng,
    action: &mut [f32],
) -> f32 {
    let mut log_prob = 0.0;
    for (index, action) in action.iter_mut().enumerate() {
        let noise = rng.sample::<f32, _>(StandardNormal);
        *action = mean[index] + exp(log_std[index]) * noise;
        log_prob -= mask[index] * (0.5 * noise * noise + log_std[index] + HALF_LN_TAU as f32);
    }
    log_prob
}

/// Draws a choice; gives its number and its log-probability, and writes it as a one-hot row.
pub(crate) fn draw_choice(logits: &[f32], rng: &mut ChaCha8Rng, one_hot: &mut [f32]) -> (u32, f32) {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weight = |logit: f32| exp(logit - most);
    let total = logits.iter().map(|logit| weight(*logit)).sum::<f32>();
    let mut left = rng.random_range(0.0..1.0) * total;
    let found = logits.iter().position(|logit| {
        left -= weight(*logit);
        left < 0.0
    });
    // Rounding may leave a crumb after the last one.
    let choice = found.unwrap_or(logits.len() - 1);
    one_hot.fill(0.0);
    one_hot[choice] = 1.0;
    (u32::try_from(choice).expect("few choices"), logits[choice] - most - ln(total))
}

#[cfg(test)]
mod tests;
