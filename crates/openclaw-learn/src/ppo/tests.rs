//! The clipped surrogate beside numbers worked out by hand, and its gradient with them.

use super::*;
use crate::environment::StepOut;

fn matrix(values: &[f32]) -> Tensor<2> {
    Compute::cpu().matrix(values.to_vec(), 1)
}

/// The loss and its gradient by the log-ratio, for one step.
fn surrogate(ratio: f32, advantage: f32) -> (f32, f32) {
    let log_ratio = matrix(&[ratio.ln()]).autodiff().require_grad();
    let loss = clipped_surrogate(log_ratio.clone(), matrix(&[advantage]), 0.2);
    let mut gradients = loss.backward();
    let gradient = log_ratio.grad_remove(&mut gradients).unwrap();
    (numbers(loss.inner())[0], numbers(gradient)[0])
}

fn assert_surrogate(ratio: f32, advantage: f32, expected: (f32, f32)) {
    let found = surrogate(ratio, advantage);
    let near = |a: f32, b: f32| (a - b).abs() < 1e-5;
    assert!(near(found.0, expected.0) && near(found.1, expected.1), "{found:?} is not {expected:?}");
}

#[test]
fn within_the_clip_the_surrogate_is_ratio_times_advantage() {
    assert_surrogate(1.1, 2.0, (-2.2, -2.2));
    assert_surrogate(0.9, -2.0, (1.8, 1.8));
}

#[test]
fn what_is_already_likely_enough_gains_nothing_more() {
    assert_surrogate(1.5, 2.0, (-2.4, 0.0));
    assert_surrogate(0.5, -2.0, (1.6, 0.0));
}

#[test]
fn what_went_the_wrong_way_is_pulled_back_however_far_it_is() {
    assert_surrogate(1.5, -2.0, (3.0, 3.0));
    assert_surrogate(0.5, 2.0, (-1.0, -1.0));
}

#[test]
fn the_learning_rate_falls_to_its_end_and_stays() {
    let spec = EnvSpec::plain(1, 2, ActionSpace::Continuous { len: 1 });
    let settings = PpoSettings { steps: 0, ..PpoSettings::default() };
    let ppo = Ppo::new(settings.clone(), spec.clone(), 1, Compute::cpu()).unwrap();
    assert!((ppo.learning_rate() - 8e-4).abs() < 1e-12, "nothing done yet");
    let bad = PpoSettings { gamma: 1.5, ..settings };
    let error = Ppo::new(bad, spec, 1, Compute::cpu()).unwrap_err().to_string();
    assert!(error.contains("gamma") && error.contains("from 0 to 1"), "{error}");
}

#[test]
fn exploration_narrows_in_the_second_half_of_a_run() {
    let spec = EnvSpec::plain(1, 2, ActionSpace::Continuous { len: 1 });
    let settings = PpoSettings { steps: 8, ticks: 2, minibatch: 2, narrowing: 1.0, ..PpoSettings::default() };
    let mut ppo = Ppo::new(settings, spec.clone(), 1, Compute::cpu()).unwrap();
    let mut narrowed = Vec::new();
    for _ in 0..5 {
        narrowed.push(ppo.narrowed());
        ppo.iterate(&mut Still(spec.clone())).unwrap();
    }
    assert_eq!(narrowed, [0.0, 0.0, 0.0, 0.5, 1.0], "after 0, 2, 4, 6 and 8 of 8 steps");
}

#[test]
fn a_policy_is_made_of_the_running_mean() {
    let spec = EnvSpec::plain(1, 2, ActionSpace::Continuous { len: 1 });
    let settings = PpoSettings { ticks: 8, minibatch: 8, averaging: 0.25, ..PpoSettings::default() };
    let mut ppo = Ppo::new(settings, spec.clone(), 1, Compute::cpu()).unwrap();
    let (first, before) = (ppo.learned.parameters().numbers(), ppo.policy());
    ppo.iterate(&mut Still(spec)).unwrap();
    let (newest, mean) = (ppo.learned.parameters().numbers(), ppo.averaged.numbers());
    assert_ne!(first, newest);
    for ((first, newest), mean) in first.iter().zip(&newest).zip(&mean) {
        assert!((0.75 * first + 0.25 * newest - mean).abs() < 1e-6, "{first}, {newest}: {mean}");
    }
    assert_ne!(before.network, ppo.policy().network);
    let bad = PpoSettings { averaging: 0.0, ..PpoSettings::default() };
    let spec = EnvSpec::plain(1, 2, ActionSpace::Continuous { len: 1 });
    let error = Ppo::new(bad, spec, 1, Compute::cpu()).unwrap_err().to_string();
    assert!(error.contains("averaging") && error.contains("above 0"), "{error}");
}

/// A world in which nothing moves and every action is worth itself.
struct Still(EnvSpec);

impl VecEnv for Still {
    fn spec(&self) -> EnvSpec {
        self.0.clone()
    }

    fn reset(&mut self, _: u64, observations: &mut [f32]) {
        observations.fill(1.0);
    }

    fn step(&mut self, actions: Actions<'_>, out: &mut StepOut) {
        let Actions::Continuous(actions) = actions else { unreachable!("it takes rows of numbers") };
        out.observations.fill(1.0);
        out.rewards.copy_from_slice(actions);
    }
}
