//! A whole training run in small: what is promised of seeds, threads, interruptions and artifacts.

use openclaw_controller::policy::{Artifact, EXAMPLES};
use openclaw_lab::train::{Maker, Stage, TrainError, TrainSettings, Training};
use openclaw_learn::{Compute, Settings};

fn settings(algorithm: &str) -> TrainSettings {
    let mut learner = Settings::named(algorithm).expect("a known algorithm");
    if let Settings::Ppo(ppo) = &mut learner {
        (ppo.ticks, ppo.minibatch, ppo.steps) = (32, 64, 512);
        (ppo.narrowing, ppo.averaging) = (1.0, 0.1);
    }
    TrainSettings {
        learner,
        seed: 5,
        steps: 512,
        relative: true,
        services: 4,
        curriculum: vec![
            Stage { until: 0.5, weights: [1.0, 0.0, 0.0, 0.0] },
            Stage { until: 1.0, weights: [0.0, 1.0, 1.0, 1.0] },
        ],
        selection: [1, 0, 1, 0],
        look_every: 256,
    }
}

fn begin(settings: TrainSettings, threads: usize) -> Training {
    let maker = Maker {
        version: "small".to_owned(),
        command: "openclaw train".to_owned(),
        commit: "none".to_owned(),
    };
    Training::begin(settings, maker, Compute::cpu(), threads).expect("the settings are sound")
}

/// Runs to the end, taking the checkpoints that a run takes; the first of them and the policy.
fn finish(mut training: Training) -> (Vec<u8>, Vec<u8>) {
    let mut first = None;
    while let Some(advance) = training.advance().expect("learning goes well") {
        if advance.look.is_some() {
            let checkpoint = training.checkpoint().expect("a checkpoint");
            first.get_or_insert(checkpoint);
        }
    }
    let (_, artifact) = training.best().expect("a look at the end");
    (first.expect("a look on the way"), artifact.to_bytes().expect("an artifact"))
}

#[test]
fn the_same_seed_gives_the_same_policy_on_any_number_of_threads() {
    let (_, one) = finish(begin(settings("ppo"), 1));
    let (_, three) = finish(begin(settings("ppo"), 3));
    assert_eq!(one, three);
    let (_, other) = finish(begin(TrainSettings { seed: 6, ..settings("ppo") }, 1));
    assert_ne!(one, other);
}

#[test]
fn a_run_that_was_interrupted_ends_with_the_same_policy() {
    let (checkpoint, whole) = finish(begin(settings("ppo"), 1));
    let mut resumed = begin(settings("ppo"), 1);
    resumed.resume(&checkpoint).expect("a checkpoint of this run");
    let (_, later) = finish(resumed);
    assert_eq!(whole, later);
}

#[test]
fn a_checkpoint_of_another_run_or_a_damaged_one_is_refused() {
    let (checkpoint, _) = finish(begin(settings("ppo"), 1));
    let mut other = begin(TrainSettings { seed: 6, ..settings("ppo") }, 1);
    let refusal = other.resume(&checkpoint).expect_err("another seed").to_string();
    assert!(refusal.contains("other settings"), "{refusal}");
    let cut = &checkpoint[..checkpoint.len() / 2];
    assert!(matches!(begin(settings("ppo"), 1).resume(cut), Err(TrainError::Checkpoint(_))));
}

#[test]
fn every_algorithm_leaves_an_artifact_that_replays() {
    for algorithm in Settings::NAMES {
        let (_, bytes) = finish(begin(settings(algorithm), 2));
        let artifact = Artifact::from_bytes(&bytes).expect("its own examples replay");
        assert_eq!(artifact.examples().count(), EXAMPLES);
        assert_eq!(artifact.info().provenance.algorithm, algorithm);
        assert!(artifact.info().provenance.scores.contains_key("selection.combined.JF"));
    }
}

#[test]
fn settings_that_make_no_run_are_refused_with_what_is_wrong() {
    let maker = || Maker { version: "x".to_owned(), command: String::new(), commit: String::new() };
    let refusal = |settings| {
        Training::begin(settings, maker(), Compute::cpu(), 1).expect_err("unsound settings").to_string()
    };
    let none = TrainSettings { selection: [0; 4], ..settings("ppo") };
    assert!(refusal(none).contains("selection"));
    let stages = vec![Stage { until: 1.0, weights: [0.0; 4] }];
    assert!(refusal(TrainSettings { curriculum: stages, ..settings("ppo") }).contains("weights"));
    assert!(refusal(TrainSettings { services: 0, ..settings("ppo") }).contains("services"));
}
