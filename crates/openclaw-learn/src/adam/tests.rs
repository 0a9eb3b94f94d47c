//! Adam beside steps worked out by hand.

use super::*;
use crate::parameters::Begin;
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
fn adam_takes_the_steps_worked_out_by_hand() {
    let mut parameters = parameters(&[1.0, -2.0]);
    let mut adam = Adam::new(&parameters, 1e-8);
    // The first step has the length of the learning rate, whatever the gradient.
    adam.step(&mut parameters, Compute::cpu().vector(vec![0.5, -4.0]), 0.1, None);
    assert_close(&parameters.numbers(), &[0.9, -1.9]);
    // m = .9*.05 + .1*(-.5) = -.005, /(1-.81) = -.0263158; v = .999*.00025 + .001*.25 = .00049975, /(1-.998001) = .25.
    // m = .9*(-.4) + .1*4 = .04, /.19 = .2105263; v = .999*.016 + .001*16 = .031984, /.001999 = 16.
    adam.step(&mut parameters, Compute::cpu().vector(vec![-0.5, 4.0]), 0.1, None);
    assert_close(&parameters.numbers(), &[0.9 + 0.1 * 0.026_315_8 / 0.5, -1.9 - 0.1 * 0.210_526_3 / 4.0]);
}

#[test]
fn a_long_gradient_is_shortened_and_a_short_one_is_not() {
    // Only the ratio between epsilon and the gradient shows the length: Adam itself has no scale.
    let step = |gradient: &[f32]| {
        let mut parameters = parameters(&[0.0, 0.0]);
        Adam::new(&parameters, 1.0).step(
            &mut parameters,
            Compute::cpu().vector(gradient.to_vec()),
            1.0,
            Some(0.5),
        );
        parameters.numbers()
    };
    // (3, 4) has the norm 5 and becomes (.3, .4): steps of g / (g + 1).
    assert_close(&step(&[3.0, 4.0]), &[-0.3 / 1.3, -0.4 / 1.4]);
    assert_close(&step(&[0.03, 0.04]), &[-0.03 / 1.03, -0.04 / 1.04]);
}
