//! Each algorithm solves standard control problems: the pole stands for 500 steps at most, and a mass that nothing
//! but a linear controller brings to rest has a return of about -3. As a proof (`cargo xtask prove learn`) with more seeds.

mod training;

use openclaw_learn::problems::{CartPole, DoubleIntegrator, Pendulum, Valves};
use openclaw_learn::{Compute, DdpgSettings, DqnSettings, Env, PpoSettings, SacSettings, Settings, VecEnv};
use std::any::type_name;
use training::{copies, mean_return, train};

/// Trains with seeds 1, 2 and so on, and holds each resulting policy to a mean return over fresh episodes.
fn assert_solves<E: Env + Default>(settings: &Settings, count: usize, steps: u64, at_least: f64) {
    let seeds =
        std::env::var("OPENCLAW_PROVE_SEEDS").map_or(1, |seeds| seeds.parse().expect("a number of seeds"));
    for seed in 1..=seeds {
        let mut env = copies::<E>(count);
        let mut learner = settings.clone().begin(env.spec(), seed, Compute::cpu()).expect("the settings fit");
        train(learner.as_mut(), &mut env, steps);
        let found = mean_return::<E>(&learner.policy(), 20);
        eprintln!("{}, seed {seed}: a mean return of {found:.2}", type_name::<E>());
        assert!(found >= at_least, "seed {seed}: a mean return of {found}, not {at_least}");
    }
}

#[test]
fn ppo_balances_the_pole() {
    let settings = PpoSettings {
        hidden: vec![64, 64],
        steps: 100_000,
        ticks: 256,
        minibatch: 256,
        learning_rate: 1e-3,
        gamma: 0.98,
        kl_stop: 0.0,
        ..PpoSettings::default()
    };
    assert_solves::<CartPole>(&Settings::Ppo(settings), 8, 100_000, 475.0);
}

#[test]
fn ppo_brings_a_mass_to_rest() {
    let settings = PpoSettings { steps: 150_000, ticks: 64, minibatch: 512, ..PpoSettings::default() };
    assert_solves::<DoubleIntegrator>(&Settings::Ppo(settings), 32, 150_000, -3.5);
}

#[test]
fn ppo_learns_one_law_for_all_slots() {
    let settings =
        PpoSettings { steps: 300_000, ticks: 64, minibatch: 512, gamma: 0.5, ..PpoSettings::default() };
    assert_solves::<Valves>(&Settings::Ppo(settings), 32, 300_000, -0.5);
}

#[test]
fn dqn_balances_the_pole() {
    let settings = DqnSettings { gamma: 0.98, updates_per_tick: 2, ..DqnSettings::default() };
    assert_solves::<CartPole>(&Settings::Dqn(settings), 4, 60_000, 400.0);
}

#[test]
fn sac_brings_a_mass_to_rest() {
    assert_solves::<DoubleIntegrator>(&Settings::Sac(SacSettings::default()), 8, 10_000, -4.5);
}

#[test]
fn sac_learns_one_law_for_all_slots() {
    let settings = SacSettings { gamma: 0.5, ..SacSettings::default() };
    assert_solves::<Valves>(&Settings::Sac(settings), 8, 10_000, -0.5);
}

#[test]
fn ddpg_brings_a_mass_to_rest() {
    assert_solves::<DoubleIntegrator>(&Settings::Ddpg(DdpgSettings::default()), 8, 10_000, -6.0);
}

#[test]
fn ppo_swings_the_pendulum_up() {
    let settings = PpoSettings {
        steps: 600_000,
        ticks: 200,
        minibatch: 400,
        epochs: 10,
        learning_rate: 1e-3,
        normalise_rewards: true,
        ..PpoSettings::default()
    };
    assert_solves::<Pendulum>(&Settings::Ppo(settings), 16, 600_000, -250.0);
}
