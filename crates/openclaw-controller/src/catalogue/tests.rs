//! What holds for every controller, whatever it sees.

use proptest::prelude::*;

use super::*;
use crate::observation::tests::observation;
use crate::{Action, Observation};

#[test]
fn every_controller_is_found_by_its_name_and_says_so_itself() {
    for &kind in ControllerKind::ALL {
        assert_eq!(kind.name().parse(), Ok(kind));
        assert_eq!(kind.build(1000.0, &[]).name(), kind.name());
    }
}

#[test]
fn an_unknown_name_is_told_the_nearest_and_all_there_are() {
    let reason = |word: &str| word.parse::<ControllerKind>().unwrap_err().to_string();
    let near = reason("Envoy_Gradiant");
    assert!(near.starts_with("no controller is called \"Envoy_Gradiant\"; envoy-gradient may be meant; "));
    assert!(near.ends_with("bouncer, little-guard-blind, little-guard"), "{near}");
    assert!(reason("nonsense").starts_with("no controller is called \"nonsense\"; there are static, "));
}

#[test]
fn names_of_controllers_and_of_their_parameters_are_unique_and_defaults_lie_within_bounds() {
    for (at, &kind) in ControllerKind::ALL.iter().enumerate() {
        assert_eq!(kind.name(), ControllerKind::NAMES[at]);
        assert!(!ControllerKind::NAMES[..at].contains(&kind.name()), "{kind} twice");
        for (at, parameter) in kind.parameters().iter().enumerate() {
            let Parameter { name, lowest, highest, default, log } = *parameter;
            assert!(kind.parameters()[..at].iter().all(|other| other.name != name), "{kind}: {name} twice");
            assert!(lowest < highest && (lowest..=highest).contains(&default), "{kind}: {name}");
            assert!(!log || lowest > 0.0, "{kind}: {name} has no logarithm at {lowest}");
        }
    }
}

#[test]
fn little_guards_defaults_are_those_of_its_settings() {
    for aware in [true, false] {
        let settings = LittleGuardSettings { aware, ..LittleGuardSettings::default() };
        assert_eq!(little_guard_settings(&[], aware), settings);
    }
}

#[test]
fn the_guard_follows_its_parameter() {
    for &kind in ControllerKind::ALL {
        let Some(guard) = kind.parameters().iter().position(|parameter| parameter.name == "guard") else {
            continue;
        };
        for (share, guards) in [(0.0, false), (0.1, false), (0.4, true)] {
            let mut values = kind.defaults();
            values[guard] = share;
            let mut controller = kind.build(1000.0, &values);
            assert_eq!(controller.guards(), guards, "{kind} at {share}");
            let Action::Shared(action) = controller.decide(&observation()) else {
                panic!("{kind} has a guard and shares no total")
            };
            assert_eq!(action.guard_s.is_some(), guards, "{kind} at {share}");
            let longest_s = share * observation().slo_s;
            assert!(action.guard_s.is_none_or(|guard_s| guard_s <= longest_s + 1e-12), "{kind}");
        }
    }
}

/// A number that is as often extreme as not.
fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => 0.0..2.0_f64,
        3 => 0.0..1e4_f64,
        1 => Just(0.0),
        1 => Just(f64::INFINITY),
        1 => Just(f64::MAX),
        1 => Just(f64::MIN_POSITIVE),
    ]
}

fn seen() -> impl Strategy<Value = Observation> {
    let times = (number(), number(), number(), number(), prop_oneof![Just(0.05), Just(0.2), Just(3.0)]);
    let flows = prop::array::uniform8(number());
    (times, flows, 0..1000_u64, 0.0..1.0_f64).prop_map(|(times, flows, samples, late_fraction)| {
        let (base_s, p50_s, p95_s, p95_fast_s, slo_s) = times;
        Observation {
            slo_s,
            // The base is learnt from finite medians only.
            base_s: base_s.min(1e3),
            p50_s,
            p95_s,
            p95_fast_s,
            late_fraction,
            samples,
            in_flight: flows[0].min(1e9),
            throughput_fast_per_s: flows[1].min(1e9),
            throughput_slow_per_s: flows[2].min(1e9),
            throughput_peak_per_s: flows[3].min(1e9),
            accepted_fast_per_s: flows[4].min(1e9),
            demand_fast_per_s: flows[5],
            demand_slow_per_s: flows[6],
            failed_fast_per_s: flows[7],
            ..observation()
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_action_is_sound_repeatable_and_over_the_floor(
        sequence in prop::collection::vec((seen(), 0..3_000_000_000_u64), 1..60),
        start_per_s in prop_oneof![Just(0.1), Just(1000.0), Just(1e6)],
        places in prop::collection::vec(0.0..=1.0_f64, 16),
    ) {
        for &kind in ControllerKind::ALL {
            let place = |(parameter, place): (&Parameter, &f64)| {
                parameter.lowest + place * (parameter.highest - parameter.lowest)
            };
            let values: Vec<f64> = kind.parameters().iter().zip(&places).map(place).collect();
            let (mut one, mut other) = (kind.build(start_per_s, &values), kind.build(start_per_s, &values));
            let mut now_ns = 0;
            for (seen, after_ns) in &sequence {
                now_ns += after_ns;
                let seen = Observation { now_ns, ..*seen };
                let action = one.decide(&seen);
                prop_assert!(action.is_sound(), "{kind}: {action:?}");
                prop_assert_eq!(action, other.decide(&seen), "{} is not deterministic", kind);
                if let Action::Shared(shared) = action {
                    let floor = (0.03 * seen.throughput_peak_per_s).max(0.05 * start_per_s);
                    prop_assert!(shared.admitted_per_s >= floor * (1.0 - 1e-12), "{kind}: {shared:?}");
                }
            }
        }
    }

    #[test]
    fn what_is_seen_in_other_units_of_time_gives_the_same_decisions(
        sequence in prop::collection::vec((seen(), 0..3_000_000_000_u64), 1..40),
        unit in prop_oneof![Just(0.25), Just(4.0)],
    ) {
        // No rule may know how long 200 ms are: with all latencies in another unit, SLO included, R per start must stay
        // what it was, as far as a rule has no pace of its own.
        for kind in [ControllerKind::Aimd, ControllerKind::Seda, ControllerKind::TopFullStep, ControllerKind::Dagor] {
            let (mut one, mut other) = (kind.build(1000.0, &[]), kind.build(1000.0, &[]));
            let mut now_ns = 0;
            for (seen, after_ns) in &sequence {
                now_ns += after_ns;
                let seen = Observation { now_ns, ..*seen };
                let scaled = Observation {
                    slo_s: seen.slo_s * unit,
                    base_s: seen.base_s * unit,
                    p50_s: seen.p50_s * unit,
                    p95_s: seen.p95_s * unit,
                    ..seen
                };
                let (Action::Shared(one), Action::Shared(other)) = (one.decide(&seen), other.decide(&scaled)) else {
                    panic!("{kind} shares no total")
                };
                prop_assert_eq!(one.admitted_per_s, other.admitted_per_s, "{}", kind);
            }
        }
    }
}
