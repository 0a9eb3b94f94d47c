//! What is played, and what a service starts with.

use openclaw_scenario::{ArrivalTrace, demo};

use super::*;

fn case() -> Case {
    Case::new("demo", demo().scaled_to(10.0), None)
}

#[test]
fn a_scaled_scenario_has_that_part_of_workers_and_demand() {
    let (whole, half) = (case(), scaled(case(), 0.5).unwrap());
    assert_eq!((whole.scenario.service.workers, half.scenario.service.workers), (16, 8));
    let ratio = peak_attempts_per_s(&half) / peak_attempts_per_s(&whole);
    assert!((0.35..0.65).contains(&ratio), "{ratio}");
    let tiny = scaled(case(), 0.001).unwrap();
    assert_eq!(tiny.scenario.service.workers, 1, "a service without workers serves nobody");
}

#[test]
fn recorded_arrivals_are_played_as_they_are_or_not_at_all() {
    let trace = ArrivalTrace::parse("0.5\n0.6\n2\n".as_bytes()).unwrap();
    let mut scenario = demo();
    scenario.clients.retry_probabilities = [1.0, 0.0, 0.0];
    let case = Case::new("recorded", scenario, Some(trace));
    assert_eq!(peak_attempts_per_s(&case), 2.0);
    assert_eq!(scaled(case.clone(), 1.0).unwrap().scenario, case.scenario);
    assert_eq!(scaled(case, 0.5).unwrap_err(), Unplayable::Trace("demo".to_owned()));
}

#[test]
fn the_scale_that_a_refusal_advises_is_small_enough() {
    let large = scaled(case(), 10.0).unwrap();
    let Unplayable::TooMuch { scale, peak_per_s, .. } = playable(&large).unwrap_err() else {
        panic!("refused for another reason")
    };
    assert!(peak_per_s > ATTEMPTS_PER_S_MAX && scale > 0.0);
    // A little beside the advice: another number of workers draws other arrivals.
    playable(&scaled(large, scale * 0.95).unwrap()).unwrap();
}

#[test]
fn feedback_that_only_a_simulator_can_delay_is_refused() {
    let mut scenario = demo();
    scenario.feedback.delay_ms = 250.0;
    let refused = playable(&Case::new("late", scenario, None)).unwrap_err();
    assert!(refused.to_string().ends_with("evaluate it without --real"), "{refused}");
}

#[test]
fn services_start_with_what_the_simulator_starts_with() {
    let trial = Trial::new(&Case::new("short", demo().scaled_to(3.0), None), 0, 0.2);
    let of = |kind| Start::of(&trial, &Contender::classical(kind));
    let (little, fixed) = (of(ControllerKind::LittleGuard), of(ControllerKind::Static));
    assert_eq!(little.per_s, trial.start_per_s());
    let users = f64::from(trial.scenario().users.count);
    assert!((little.defaults.refill_rate * users / little.per_s - 1.0).abs() < 1e-9);
    assert_eq!(fixed.defaults, FixedSettings::from_values(&[]).policy(fixed.per_s), "for ever, so its own");
}
