//! The same seed gives the same bytes, whatever the threads and the interruptions.

use openclaw_learn::problems::{CartPole, Valves};
use openclaw_learn::{
    CheckpointError, Compute, Copies, DdpgSettings, DqnSettings, Env, Learner, PpoSettings, Progress,
    SacSettings, Settings, VecEnv,
};
use std::num::NonZeroUsize;

const COPIES: usize = 4;

/// Every algorithm with settings small enough for a handful of iterations, and the size of its problem.
fn small() -> [Settings; 4] {
    let hidden = vec![16, 16];
    [
        Settings::Ppo(PpoSettings {
            hidden: hidden.clone(),
            ticks: 40,
            minibatch: 50,
            epochs: 2,
            normalise_rewards: true,
            ..PpoSettings::default()
        }),
        Settings::Dqn(DqnSettings {
            hidden: hidden.clone(),
            batch: 16,
            warmup_steps: 100,
            replay_steps: 300,
            ..DqnSettings::default()
        }),
        Settings::Sac(SacSettings {
            hidden: hidden.clone(),
            batch: 16,
            warmup_steps: 100,
            replay_steps: 300,
            ..SacSettings::default()
        }),
        Settings::Ddpg(DdpgSettings {
            hidden,
            batch: 16,
            warmup_steps: 100,
            replay_steps: 300,
            ..DdpgSettings::default()
        }),
    ]
}

fn copies<E: Env + Default + 'static>(threads: usize) -> Box<dyn VecEnv> {
    let threads = NonZeroUsize::new(threads).expect("at least one");
    Box::new(Copies::new((0..COPIES).map(|_| E::default()).collect(), threads))
}

/// The pole for DQN, which needs choices; valves with slots for the others.
fn problem(settings: &Settings, threads: usize) -> Box<dyn VecEnv> {
    match settings {
        Settings::Dqn(_) => copies::<CartPole>(threads),
        _ => copies::<Valves>(threads),
    }
}

fn begin(settings: &Settings, seed: u64) -> Box<dyn Learner> {
    settings.clone().begin(problem(settings, 1).spec(), seed, Compute::cpu()).expect("the settings fit")
}

fn iterate(learner: &mut dyn Learner, env: &mut dyn VecEnv, iterations: usize) -> Vec<Progress> {
    (0..iterations).map(|_| learner.iterate(env).expect("learning goes well")).collect()
}

/// A checkpoint after some iterations.
fn after(settings: &Settings, seed: u64, threads: usize, iterations: usize) -> Vec<u8> {
    let mut learner = begin(settings, seed);
    iterate(learner.as_mut(), problem(settings, threads).as_mut(), iterations);
    learner.checkpoint()
}

#[test]
fn the_same_seed_gives_the_same_bytes_on_any_number_of_threads() {
    for settings in small() {
        let found = after(&settings, 7, 1, 4);
        assert!(found == after(&settings, 7, 1, 4), "{settings:?}");
        assert!(found == after(&settings, 7, 3, 4), "{settings:?} on three threads");
        assert!(found != after(&settings, 8, 1, 4), "{settings:?} ignores its seed");
    }
}

#[test]
fn a_resumed_run_equals_one_that_was_not_interrupted() {
    for settings in small() {
        let (mut learner, mut env) = (begin(&settings, 7), problem(&settings, 1));
        iterate(learner.as_mut(), env.as_mut(), 3);
        let checkpoint = learner.checkpoint();
        let expected = iterate(learner.as_mut(), env.as_mut(), 3);
        // Another seed and a fresh environment: everything that matters is in the checkpoint.
        let (mut resumed, mut env) = (begin(&settings, 99), problem(&settings, 2));
        resumed.resume(&checkpoint).unwrap();
        assert_eq!(iterate(resumed.as_mut(), env.as_mut(), 3), expected, "{settings:?}");
        assert_eq!(resumed.policy(), learner.policy());
        assert!(resumed.checkpoint() == learner.checkpoint(), "{settings:?}");
    }
}

#[test]
fn a_learner_takes_part_only_in_what_it_was_made_for() {
    let [ppo, dqn, ..] = small();
    let mut learner = begin(&ppo, 1);
    let error = learner.resume(&begin(&dqn, 1).checkpoint()).unwrap_err();
    assert_eq!(error, CheckpointError::Other("algorithm"));
    let error = learner.iterate(problem(&dqn, 1).as_mut()).unwrap_err().to_string();
    assert!(error.contains("shapes differ"), "{error}");
}
