//! The learned policy as a service meets it.

use super::*;
use crate::observation::SharedAction;
use crate::observation::tests::observation;
use crate::parts::ClassSeen;
use crate::policy::{Dense, Guardrail, LAYOUT, Layout, Normaliser, OUTPUT_MAX, feature_names};
use crate::{LittleGuard, Observation};

/// A network without hidden layers: its outputs are `bias`, and the first one falls by `gain` for each unit of the
/// wait's logarithm.
fn network(layout: Layout, bias: &[f32], gain: f32) -> Network {
    let wait = feature_names().position(|name| name == "waitFastOverSlo").unwrap();
    let inputs = layout.trunk_inputs();
    let mut shared_head = dense(inputs, layout.actions_shared);
    shared_head.bias[..bias.len()].copy_from_slice(bias);
    shared_head.weights[wait] = -gain;
    let slot_head = (layout.actions_slot > 0).then(|| dense(inputs + layout.slot, layout.actions_slot));
    let normaliser = Normaliser::identity(&layout);
    Network { layout, normaliser, trunk: Vec::new(), shared_head, slot_hidden: Vec::new(), slot_head }
}

fn dense(inputs: usize, outputs: usize) -> Dense {
    Dense { inputs, outputs, weights: vec![0.0; inputs * outputs], bias: vec![0.0; outputs] }
}

fn policy(bias: &[f32], gain: f32) -> LearnedPolicy {
    LearnedPolicy::new(&network(LAYOUT, bias, gain), Output::Clipped, "v1".to_owned(), 1000.0).unwrap()
}

fn decide(policy: &mut LearnedPolicy, seen: &Observation) -> SharedAction {
    match policy.decide(seen) {
        Action::Shared(shared) => shared,
        Action::PerUser(_) => unreachable!("a learned policy shares a total"),
    }
}

/// So much waits that little-guard would admit little, and sets no floor to speak of.
fn queued() -> Observation {
    Observation { in_flight: 121.0, ..observation() }
}

fn classical(seen: &Observation) -> SharedAction {
    match LittleGuard::new(1000.0).decide(seen) {
        Action::Shared(shared) => shared,
        Action::PerUser(_) => unreachable!("little-guard shares a total"),
    }
}

#[test]
fn it_decides_by_its_network() {
    let mut policy = policy(&[0.0, 1.0], 0.2);
    let idle = decide(&mut policy, &Observation { in_flight: 0.0, ..observation() });
    policy.reset();
    let busy = decide(&mut policy, &queued());
    // The wait is the SLO: its logarithm is 0, and the output too.
    assert!((busy.admitted_per_s - 600.0).abs() < 1e-3);
    assert_eq!(idle.admitted_per_s, 1500.0, "as much as the ceiling allows");
    assert!((busy.guard_s.unwrap() - 0.18).abs() < 1e-6);
    assert_eq!((policy.name(), policy.version(), policy.guards()), ("learned", "v1", true));
}

#[test]
fn the_last_decision_can_be_looked_at() {
    let mut policy = policy(&[3.0, 0.5], 0.0);
    assert!(policy.last().is_none());
    let shared = decide(&mut policy, &observation());
    let last = policy.last().unwrap();
    assert_eq!(last.raw[..2], [3.0, 0.5]);
    assert_eq!(last.action.clamped[..2], [1.0, 0.5]);
    assert_eq!(last.action.shared, shared);
    assert_eq!(last.action.guardrail, Some(Guardrail::Ceiling));
    let named: Vec<(String, f32)> = feature_names().zip(last.features.iter().copied()).collect();
    assert!(named.contains(&("lateFraction".to_owned(), 0.0)));
    policy.reset();
    assert!(policy.last().is_none());
}

#[test]
fn little_guard_decides_where_there_is_nothing_to_follow() {
    let seen = observation();
    let stale = Observation { feedback_age_s: 5.0, ..seen };
    for (bias, seen, expected) in [
        (0.0, stale, Guardrail::Stale),
        (2.0 * OUTPUT_MAX as f32, seen, Guardrail::OutOfBounds),
        (-2.0 * OUTPUT_MAX as f32, seen, Guardrail::OutOfBounds),
    ] {
        let mut policy = policy(&[0.0, bias], 0.0);
        assert!(!policy.fell_back());
        assert_eq!(decide(&mut policy, &seen), classical(&seen));
        assert!(policy.fell_back());
        let action = policy.last().unwrap().action;
        assert_eq!(action.guardrail, Some(expected));
        assert!(action.guardrail.unwrap().is_fallback());
    }
    // Finite weights overflow to infinity less infinity: not a number.
    let mut broken = network(LAYOUT, &[0.0], 0.0);
    broken.trunk = vec![Dense { bias: vec![f32::MAX; 2], ..dense(LAYOUT.trunk_inputs(), 2) }];
    broken.shared_head = Dense { weights: [f32::MAX, -f32::MAX].repeat(6), ..dense(2, 6) };
    broken.slot_head = Some(dense(2 + LAYOUT.slot, 2));
    let mut policy = LearnedPolicy::new(&broken, Output::Clipped, "v1".to_owned(), 1000.0).unwrap();
    assert_eq!(decide(&mut policy, &seen), classical(&seen));
    assert_eq!(policy.last().unwrap().action.guardrail, Some(Guardrail::NotANumber));
}

#[test]
fn it_finds_back_from_a_fallback() {
    let mut policy = policy(&[0.0, 0.0], 0.0);
    let seen = observation();
    let before = decide(&mut policy, &seen);
    decide(&mut policy, &Observation { feedback_age_s: 5.0, now_ns: seen.now_ns + 1, ..seen });
    assert_eq!(decide(&mut policy, &Observation { now_ns: seen.now_ns + 2, ..seen }), before);
}

#[test]
fn one_decision_moves_the_total_only_so_far() {
    let mut policy = policy(&[0.0, 0.0], 0.0);
    let seen = queued();
    assert!((decide(&mut policy, &seen).admitted_per_s - 600.0).abs() < 1e-9);
    let fallen = Observation { throughput_slow_per_s: 1.0, ..seen };
    let first = decide(&mut policy, &fallen).admitted_per_s;
    assert!((first - 600.0 * (-1.5_f64).exp()).abs() < 1e-3, "{first}");
    assert_eq!(policy.last().unwrap().action.guardrail, Some(Guardrail::Step));
    assert!(decide(&mut policy, &fallen).admitted_per_s <= 50.0, "the floor is a twentieth of the start");
}

#[test]
fn the_same_observations_give_the_same_decisions_bit_for_bit_after_a_reset() {
    let mut policy = policy(&[0.1, -0.2], 0.3);
    let mut run = || {
        policy.reset();
        let decisions: Vec<SharedAction> = (0..50_u32)
            .map(|tick| {
                let mut seen = Observation {
                    now_ns: u64::from(tick) * 100_000_000,
                    in_flight: f64::from(tick * 37 % 200),
                    ..observation()
                };
                for demand_share in [0.7, 0.3] {
                    seen.classes.push(ClassSeen { demand_share, ..ClassSeen::default() });
                }
                decide(&mut policy, &seen)
            })
            .collect();
        decisions
    };
    assert_eq!(run(), run());
}

#[test]
fn a_policy_that_chooses_steps_takes_the_one_with_the_highest_score() {
    let layout = Output::Choice.layout();
    let mut bias = vec![0.0; layout.actions_shared];
    bias[5] = 1.0;
    let network = network(layout, &bias, 0.0);
    let mut policy = LearnedPolicy::new(&network, Output::Choice, "dqn".to_owned(), 1000.0).unwrap();
    let shared = decide(&mut policy, &queued());
    assert!((shared.admitted_per_s - 600.0 * (1.5_f64 * -0.2).exp()).abs() < 1e-3);
    assert!((shared.guard_s.unwrap() - 0.03 * 6_f64.powf(0.8)).abs() < 1e-6);
}

#[test]
fn a_network_for_other_rows_is_refused() {
    let layout = Layout { shared: LAYOUT.shared - 1, ..LAYOUT };
    let refused =
        LearnedPolicy::new(&network(layout, &[], 0.0), Output::Clipped, "v1".to_owned(), 1000.0).unwrap_err();
    assert!(refused.to_string().contains("must have the layout"), "{refused}");
}
