//! SAC's targets and its temperature beside numbers worked out by hand.

use super::*;

fn matrix(values: &[f32], columns: usize) -> Tensor<2> {
    Compute::cpu().matrix(values.to_vec(), columns)
}

fn batch(mask: Option<Tensor<2>>) -> Batch {
    Batch {
        rows: matrix(&[0.5, 0.5], 2),
        next_rows: matrix(&[0.3, -0.2], 2),
        actions: matrix(&[0.1, 0.2], 2),
        mask,
        next_mask: None,
        rewards: matrix(&[3.0], 1),
        lives: matrix(&[1.0], 1),
    }
}

fn sac() -> Sac {
    let spec = EnvSpec::plain(1, 2, ActionSpace::Continuous { len: 2 });
    Sac::new(SacSettings::default(), spec, 1, Compute::cpu()).unwrap()
}

#[test]
fn an_unlikely_action_is_worth_more() {
    let found = numbers(soft_value(matrix(&[5.0, 5.0], 1), matrix(&[-2.0, 1.0], 1), 0.5));
    assert_eq!(found, [6.0, 4.5]);
}

#[test]
fn the_temperature_rises_while_the_policy_is_less_random_than_asked_for() {
    // Two actions ask for an entropy of -2; a log-probability of 3 is an entropy of -3.
    let mut sac = sac();
    sac.update_temperature(matrix(&[3.0], 1), &batch(None));
    assert!((sac.temperature() - 0.1 * 0.001_f64.exp()).abs() < 1e-6, "{}", sac.temperature());
    // With one of the two absent it asks for -1: an entropy of -.5 is more than that.
    let mut sac = self::sac();
    sac.update_temperature(matrix(&[0.5], 1), &batch(Some(matrix(&[1.0, 0.0], 2))));
    assert!((sac.temperature() - 0.1 * (-0.001_f64).exp()).abs() < 1e-6, "{}", sac.temperature());
}

#[test]
fn drawn_actions_lie_within_the_bounds_and_are_zero_where_absent() {
    let mut sac = sac();
    let matrices = sac.actor.matrices();
    let rows = matrix(&vec![1.0; 200], 2);
    let (actions, _) = sac.act(&matrices, &rows, Some(matrix(&[[1.0, 0.0]; 100].concat(), 2)));
    let actions = numbers(actions);
    assert!(actions.iter().all(|action| action.abs() <= 1.0));
    assert!(actions.chunks_exact(2).all(|pair| pair[0] != 0.0 && pair[1] == 0.0));
}

#[test]
fn the_actor_moves_towards_what_the_critics_value() {
    let mut sac = sac();
    let value = |sac: &mut Sac| {
        let matrices = sac.actor.matrices();
        let mean = sac.actor_network.forward(&matrices, &batch(None).rows).swap_remove(0).tanh();
        let [first, second] = sac.critic_network.forward(&sac.critics.matrices(), batch(None).rows, mean);
        numbers(first.min_pair(second))[0]
    };
    let begun = value(&mut sac);
    (0..20).for_each(|_| drop(sac.update_actor(&batch(None), &mut Report::default())));
    assert!(value(&mut sac) > begun);
}

#[test]
fn discrete_choices_are_refused() {
    let spec = EnvSpec::plain(1, 2, ActionSpace::Discrete { count: 2 });
    let error = Sac::new(SacSettings::default(), spec, 1, Compute::cpu()).unwrap_err().to_string();
    assert!(error.contains("continuous"), "{error}");
}
