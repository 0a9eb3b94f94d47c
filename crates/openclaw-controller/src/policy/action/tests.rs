//! Outputs become the actions that the specification says, and no output makes an unsound one.

use proptest::prelude::*;

use super::*;
use crate::observation::Action;
use crate::observation::tests::observation;
use crate::parts::{ClassSeen, DependencySeen};

const BEFORE: Before = Before { start_per_s: 1000.0, admitted_per_s: None, floor: 0.9 };

fn outputs(set: &[(usize, f32)]) -> [f32; ACTIONS] {
    let mut outputs = [0.0; ACTIONS];
    for (index, output) in set {
        outputs[*index] = *output;
    }
    outputs
}

fn slots(classes: &[usize]) -> SlotClasses {
    classes.iter().copied().collect()
}

/// What comes of an output row, written over another action.
fn followed(
    seen: &Observation,
    classical: &SharedAction,
    slots: &SlotClasses,
    outputs: &[f32],
    before: Before,
    path: Checked,
) -> PolicyAction {
    let mut decided = PolicyAction::new(SharedAction::new(1.0, None, 1.0, 1.0));
    decided.shared.classes.resize(5, ClassAction { level: 9.0, guard_s: Some(9.0) });
    decided.shared.dependencies.resize(3, DependencyAction { admitted_per_s: 9.0, guard_s: Some(9.0) });
    follow(seen, classical, slots, outputs, before, path, &mut decided);
    decided
}

/// Three classes and one dependency.
fn parted() -> Observation {
    let mut seen = observation();
    for demand_share in [0.5, 0.3, 0.2] {
        seen.classes.push(ClassSeen { demand_share, ..ClassSeen::default() });
    }
    seen.dependencies.push(DependencySeen {
        in_flight: 5.0,
        throughput_fast_per_s: 100.0,
        throughput_slow_per_s: 100.0,
        throughput_peak_per_s: 120.0,
        base_s: 0.03,
        ..DependencySeen::default()
    });
    seen
}

/// What a little-guard would do that sets no floor, and has a law for each part of [`parted`].
fn law() -> SharedAction {
    let mut law = SharedAction::new(1.0, Some(0.03), 1.0, 1.0);
    for guard_s in [0.03, 0.03, 0.015] {
        law.classes.push(ClassAction { guard_s: Some(guard_s), ..ClassAction::default() });
    }
    law.dependencies.push(DependencyAction { admitted_per_s: 80.0, guard_s: Some(0.06) });
    law
}

/// The action of an output row, without a floor of little-guard's.
fn decide(seen: &Observation, classes: &[usize], set: &[(usize, f32)]) -> PolicyAction {
    followed(seen, &law(), &slots(classes), &outputs(set), BEFORE, Checked::best())
}

#[track_caller]
fn assert_near(found: f64, expected: f64) {
    assert!((found / expected - 1.0).abs() < 1e-6, "{found} is not {expected}");
}

#[test]
fn the_middle_admits_what_leaves_and_holds_the_guard_at_a_third_of_the_slo() {
    let decided = decide(&observation(), &[], &[]);
    assert_near(decided.shared.admitted_per_s, 600.0);
    assert_near(decided.shared.guard_s.unwrap(), 0.15 * 0.2 * 6_f64.sqrt());
    assert_eq!((decided.shared.bucket_s, decided.shared.headroom), (BUCKET_S, HEADROOM));
    assert!(decided.shared.classes.is_empty() && decided.shared.dependencies.is_empty());
    assert_eq!(decided.guardrail, None);
}

#[test]
fn the_ends_are_as_specified_and_outputs_beyond_them_go_no_further() {
    let seen = observation();
    let low = decide(&seen, &[], &[(0, -1.0), (1, -1.0)]);
    assert_near(low.shared.admitted_per_s, 600.0 * (-1.5_f64).exp());
    assert_near(low.shared.guard_s.unwrap(), 0.15 * 0.2);
    let beyond = decide(&seen, &[], &[(0, -7.0), (1, -3.0)]);
    assert_eq!(beyond, low);
    let high = decide(&seen, &[], &[(0, 0.5), (1, 1.0)]);
    assert_near(high.shared.admitted_per_s, 600.0 * 0.75_f64.exp());
    assert_near(high.shared.guard_s.unwrap(), 0.9 * 0.2);
    let idle = Observation { throughput_slow_per_s: 0.0, ..seen };
    let idle = decide(&idle, &[], &[(0, 1.0)]);
    assert_near(idle.shared.admitted_per_s, 0.05 * 800.0 * 1.5_f64.exp());
}

#[test]
fn a_dependencys_outputs_correct_little_guards_limit_and_guard() {
    let as_classical = decide(&parted(), &[0, 1, 2], &[]).shared.dependencies[0];
    assert_near(as_classical.admitted_per_s, 80.0);
    assert_near(as_classical.guard_s.unwrap(), 0.06);
    let decided = decide(&parted(), &[0, 1, 2], &[(2, -0.5), (3, 1.0), (4, 0.9)]);
    assert_eq!(decided.shared.dependencies.len(), 1);
    assert_near(decided.shared.dependencies[0].admitted_per_s, 80.0 * (-0.35_f64).exp());
    assert_near(decided.shared.dependencies[0].guard_s.unwrap(), 0.06 * 6_f64.sqrt());
    assert_eq!(decided.clamped[4], 0.0, "there is no second dependency");
}

#[test]
fn a_dependency_that_little_guard_does_not_limit_stays_unlimited() {
    let mut open = law();
    open.dependencies[0].admitted_per_s = f64::INFINITY;
    let low = outputs(&[(2, -1.0)]);
    let decided = followed(&parted(), &open, &slots(&[0, 1, 2]), &low, BEFORE, Checked::best());
    assert_eq!(decided.shared.dependencies[0].admitted_per_s, f64::INFINITY);
}

#[test]
fn a_classes_outputs_scale_its_level_and_its_guard() {
    // Slot 1 is class 2, which little-guard gives half of the common guard time.
    let decided = decide(&parted(), &[0, 2], &[(8, 1.0), (9, -0.5)]);
    let (classes, common_s) = (decided.shared.classes, decided.shared.guard_s.unwrap());
    assert_eq!(classes.len(), 3);
    assert_near(classes[2].level, 1_f64.exp());
    assert_near(classes[2].guard_s.unwrap(), (0.5 * common_s * (-0.4_f64).exp()).max(0.03));
    let more = decide(&parted(), &[0, 2], &[(8, 1.0), (9, 0.5)]).shared.classes;
    assert_near(more[2].guard_s.unwrap(), 0.5 * common_s * 0.4_f64.exp());
    assert_eq!(classes[1], ClassAction::default(), "it has no slot");
    assert_near(classes[0].level, 1.0);
    assert_near(classes[0].guard_s.unwrap(), common_s);
}

#[test]
fn little_guard_sets_a_floor_for_the_total_and_the_guard_time() {
    let classical = SharedAction::new(700.0, Some(0.1), 1.0, 1.0);
    let decide = |set: &[(usize, f32)]| {
        followed(&observation(), &classical, &slots(&[]), &outputs(set), BEFORE, Checked::best())
    };
    let starving = decide(&[(0, -1.0), (1, -1.0)]);
    assert_near(starving.shared.admitted_per_s, 0.9 * 700.0);
    assert_near(starving.shared.guard_s.unwrap(), 0.9 * 0.1);
    assert_eq!(starving.guardrail, Some(Guardrail::Floor));
    assert_eq!(starving.clamped[..2], [-1.0, -1.0], "what was wanted is remembered");
    let generous = decide(&[(0, 0.5), (1, 1.0)]);
    assert_near(generous.shared.admitted_per_s, 600.0 * 0.75_f64.exp());
    assert_eq!(generous.guardrail, None);
}

#[test]
fn one_class_alone_is_left_as_it_is() {
    let decided = decide(&parted(), &[0], &[(6, 1.0), (7, -1.0)]);
    assert!(decided.shared.classes.is_empty());
    assert_eq!(decided.clamped[6..8], [0.0, 0.0]);
}

#[test]
fn the_gravest_rail_is_told() {
    let slow = Observation { base_s: 0.08, ..observation() };
    let decided = decide(&slow, &[], &[(1, -1.0)]);
    assert_eq!(decided.guardrail, Some(Guardrail::GuardTime));
    let last = Before { admitted_per_s: Some(5000.0), ..BEFORE };
    let decided = followed(&slow, &law(), &slots(&[]), &outputs(&[(1, -1.0)]), last, Checked::best());
    assert_eq!(decided.guardrail, Some(Guardrail::Step));
}

#[test]
fn an_actions_outputs_lead_back_to_it() {
    let seen = observation();
    for (a, b) in [(-1.0, 1.0), (-0.3, 0.4), (0.5, -0.9)] {
        let decided = decide(&seen, &[], &[(0, a), (1, b)]);
        let back = outputs_of(&seen, &decided.shared);
        assert!((back[0] - a).abs() < 1e-5 && (back[1] - b).abs() < 1e-5, "{back:?} is not {a}, {b}");
    }
    let open = SharedAction::new(f64::INFINITY, None, 1.0, 1.0);
    assert_eq!(outputs_of(&seen, &open), [1.0, 1.0]);
}

#[test]
fn every_choice_is_another_step() {
    let rows: Vec<[f32; ACTIONS]> = (0..DiscreteActions::COUNT)
        .map(|choice| {
            let mut row = [f32::NAN; ACTIONS];
            DiscreteActions::outputs(choice, &mut row);
            row
        })
        .collect();
    assert_eq!(rows.len(), 15);
    for (index, row) in rows.iter().enumerate() {
        assert!(row.iter().all(|output| output.abs() <= 1.0));
        assert_eq!(row[..2], row[2..4]);
        assert_eq!(row[6..], [0.0; ACTIONS - 6]);
        assert!(!rows[..index].contains(row));
    }
}

proptest! {
    #[test]
    fn no_outputs_make_an_unsound_action(
        outputs in prop::collection::vec(-100_f32..100.0, ACTIONS),
        throughputs in prop::array::uniform5(prop_oneof![Just(0.0), 0.0..1e6_f64]),
        base_s in prop_oneof![Just(0.0), 0.0..10.0_f64],
        last in prop::option::of(1e-3..1e7_f64),
        classical in 1e-3..1e7_f64,
    ) {
        let [fast, slow, peak, accepted, calls] = throughputs;
        let mut seen = Observation {
            throughput_fast_per_s: fast,
            throughput_slow_per_s: slow,
            throughput_peak_per_s: peak,
            accepted_fast_per_s: accepted,
            base_s,
            ..parted()
        };
        seen.dependencies[0].throughput_slow_per_s = calls;
        seen.dependencies[0].throughput_peak_per_s = calls;
        let before = Before { admitted_per_s: last, ..BEFORE };
        let law = SharedAction { admitted_per_s: classical, ..law() };
        let decided = followed(&seen, &law, &slots(&[2, 0, 1]), &outputs, before, Checked::best());
        prop_assert!(Action::Shared(decided.shared).is_sound(), "{:?}", decided);
        prop_assert!(decided.shared.admitted_per_s >= 50.0);
    }
}
