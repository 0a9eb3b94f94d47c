//! Log-probabilities, entropies and draws beside numbers worked out by hand.

use super::*;
use crate::compute::{Compute, numbers};
use rand::SeedableRng;

fn matrix(values: &[f32], columns: usize) -> Tensor<2> {
    Compute::cpu().matrix(values.to_vec(), columns)
}

fn assert_close<const D: usize>(found: Tensor<D>, expected: &[f64]) {
    let found = numbers(found);
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!(
            (f64::from(*found) - expected).abs() < 2e-6 * expected.abs().max(1.0),
            "{found} is not {expected}"
        );
    }
}

#[test]
fn a_gaussians_log_probability_is_that_of_the_textbook() {
    // ln N(1; 0, 1) = -.5 - ½ ln 2π; ln N(2; 1, 2) = -.125 - ln 2 - ½ ln 2π.
    let log_std = matrix(&[0.0, 2.0_f32.ln()], 2);
    let (actions, mean) = (matrix(&[1.0, 2.0], 2), matrix(&[0.0, 1.0], 2));
    let (first, second) = (-1.418_938_533, -1.737_085_714);
    let found = gaussian_log_prob(actions.clone(), mean.clone(), log_std.clone(), None);
    assert_close(found, &[first + second]);
    let masked = gaussian_log_prob(actions, mean, log_std, Some(matrix(&[1.0, 0.0], 2)));
    assert_close(masked, &[first]);
}

#[test]
fn a_gaussians_entropy_counts_the_actions_that_are_there() {
    // ½ ln 2πe = 1.4189385; the second action adds ln 2, in one of two rows.
    let log_std = matrix(&[0.0, 2.0_f32.ln()], 2);
    assert_close(gaussian_entropy(log_std.clone(), None), &[3.531_024_247]);
    let mask = matrix(&[1.0, 0.0, 1.0, 1.0], 2);
    assert_close(gaussian_entropy(log_std, Some(mask)), &[(1.418_938_533 + 3.531_024_247) / 2.0]);
}

#[test]
fn choices_have_the_log_probabilities_and_entropy_of_their_softmax() {
    // Logits ln 1, ln 3: probabilities 1/4 and 3/4.
    let log_probs = categorical(matrix(&[0.0, 3.0_f32.ln()], 2));
    assert_close(chosen(log_probs.clone(), matrix(&[0.0, 1.0], 2)), &[0.75_f64.ln()]);
    assert_close(categorical_entropy(log_probs), &[-0.25 * 0.25_f64.ln() - 0.75 * 0.75_f64.ln()]);
}

#[test]
fn squashing_changes_the_density_by_the_slope_of_tanh() {
    let (raw, mean, log_std) = (0.7_f64, 0.2_f64, -0.5_f64);
    let normal = -0.5 * ((raw - mean) / log_std.exp()).powi(2) - log_std - HALF_LN_TAU;
    let expected = normal - (1.0 - raw.tanh().powi(2)).ln();
    let found = squashed_log_prob(matrix(&[0.7], 1), matrix(&[0.2], 1), matrix(&[-0.5], 1), None);
    assert_close(found, &[expected]);
    // Far out the slope underflows, but its logarithm does not: 2 (ln 2 - 30).
    let far = squashed_log_prob(matrix(&[30.0], 1), matrix(&[30.0], 1), matrix(&[0.0], 1), None);
    assert_close(far, &[-HALF_LN_TAU + 2.0 * (30.0 - std::f64::consts::LN_2)]);
}

#[test]
fn a_drawn_gaussian_action_has_the_log_probability_that_the_tensors_give_it() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let (mean, log_std, mask) = ([0.3, -2.0, 1.0], [-0.9, 0.4, 0.0], [1.0, 0.0, 1.0]);
    for _ in 0..50 {
        let mut action = [0.0; 3];
        let drawn = draw_gaussian(&mean, &log_std, &mask, &mut rng, &mut action);
        let (mean, log_std) = (matrix(&mean, 3), matrix(&log_std, 3));
        let found = gaussian_log_prob(matrix(&action, 3), mean, log_std, Some(matrix(&mask, 3)));
        assert!((numbers(found)[0] - drawn).abs() < 1e-5);
    }
}

#[test]
fn choices_are_drawn_as_often_as_their_probability_says() {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    let mut counts = [0_u32; 3];
    for _ in 0..20_000 {
        let mut one_hot = [9.0; 3];
        let (choice, log_prob) = draw_choice(&[0.0, 3.0_f32.ln(), f32::NEG_INFINITY], &mut rng, &mut one_hot);
        assert_eq!(one_hot.iter().sum::<f32>(), one_hot[choice as usize]);
        let expected = if choice == 0 { 0.25_f32 } else { 0.75 };
        assert!((log_prob - expected.ln()).abs() < 1e-5);
        counts[choice as usize] += 1;
    }
    // Five standard deviations of the binomial distribution are 306.
    assert!(counts[0].abs_diff(5000) < 306 && counts[2] == 0, "{counts:?}");
}
