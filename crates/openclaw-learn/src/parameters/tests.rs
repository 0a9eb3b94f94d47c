//! Matrices, gradients and averages beside numbers worked out by hand.

use super::*;
use rand::SeedableRng;

fn parameters(numbers: &[f32]) -> Parameters {
    let begin = Begin::Constant(0.0);
    let shapes = vec![Matrix { inputs: 1, outputs: numbers.len(), begin }];
    let zeros = Parameters::begin(shapes, &Compute::cpu(), &mut ChaCha8Rng::seed_from_u64(0));
    zeros.with(numbers.to_vec(), &Compute::cpu()).unwrap()
}

fn assert_close(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
    }
}

#[test]
fn an_orthogonal_matrix_keeps_lengths() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    for (inputs, outputs) in [(3, 5), (5, 3), (4, 4), (1, 6)] {
        let values = orthogonal(inputs, outputs, 2.0, &mut rng);
        let row = |row: usize| values[row * outputs..][..outputs].iter().map(|v| f64::from(*v)).collect();
        let column =
            |column: usize| (0..inputs).map(|row| f64::from(values[row * outputs + column])).collect();
        let short: Vec<Vec<f64>> = if inputs <= outputs {
            (0..inputs).map(row).collect()
        } else {
            (0..outputs).map(column).collect()
        };
        for (i, a) in short.iter().enumerate() {
            for (j, b) in short.iter().enumerate() {
                let expected = if i == j { 4.0 } else { 0.0 };
                assert!((dot(a, b) - expected).abs() < 1e-5, "{inputs}x{outputs}: {i} {j} {}", dot(a, b));
            }
        }
    }
}

#[test]
fn blending_moves_by_the_fraction() {
    let mut target = parameters(&[1.0, 10.0]);
    target.blend(&parameters(&[2.0, 0.0]), 0.25);
    assert_close(&target.numbers(), &[1.25, 7.5]);
}

#[test]
fn a_gradient_comes_in_the_order_of_the_parameters_with_zeros_for_what_is_not_used() {
    let begin = Begin::Constant(0.0);
    let shapes = vec![
        Matrix { inputs: 2, outputs: 1, begin },
        Matrix { inputs: 1, outputs: 2, begin },
        Matrix { inputs: 1, outputs: 1, begin },
    ];
    let zeros = Parameters::begin(shapes, &Compute::cpu(), &mut ChaCha8Rng::seed_from_u64(0));
    let parameters = zeros.with(vec![1.0, 2.0, 3.0, 4.0, 5.0], &Compute::cpu()).unwrap();
    let leaves = parameters.leaves();
    // (a, b)ᵀ · c, squared: the gradient by a is 2ac², by c is 2ca².
    let loss = (leaves[0].clone() * leaves[2].clone()).square().sum();
    let gradient = Parameters::gradient(&leaves, &mut loss.backward());
    assert_close(&numbers(gradient), &[50.0, 100.0, 0.0, 0.0, 50.0]);
}
