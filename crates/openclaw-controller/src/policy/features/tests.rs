//! Every feature says what its name says, whatever the observation holds.

use proptest::prelude::*;

use super::*;
use crate::observation::SharedAction;
use crate::observation::tests::observation;
use crate::parts::{PerClass, PerDependency};
use crate::policy::{ACTIONS, feature_names};

/// What little-guard would do, in all of these tests.
fn classical(seen: &Observation) -> SharedAction {
    SharedAction::new(2.0 * seen.throughput_slow_per_s, Some(0.4 * seen.slo_s), 1.34, 5.0)
}

fn row(builder: &FeatureBuilder, seen: &Observation) -> Vec<(String, f32)> {
    let mut row = [f32::NAN; OBSERVATION];
    builder.features(seen, &classical(seen), &mut row);
    feature_names().zip(row).collect()
}

fn feature(builder: &FeatureBuilder, seen: &Observation, name: &str) -> f32 {
    let row = row(builder, seen);
    row.iter().find(|(other, _)| other == name).unwrap_or_else(|| panic!("no feature {name}")).1
}

#[track_caller]
fn assert_feature(seen: &Observation, name: &str, expected: f64) {
    let found = feature(&FeatureBuilder::new(1000.0), seen, name);
    assert!((f64::from(found) - expected).abs() < 1e-6, "{name} is {found}, not {expected}");
}

fn decided(admitted_per_s: f64) -> PolicyAction {
    let shared = SharedAction::new(admitted_per_s, Some(0.1), 1.5, 2.9);
    PolicyAction { shared, clamped: [0.0; ACTIONS], guardrail: None }
}

fn class(demand_share: f64, cost: f64) -> ClassSeen {
    ClassSeen { demand_share, cost, ..ClassSeen::default() }
}

#[test]
fn each_feature_of_the_service_is_the_ratio_that_its_name_says() {
    let seen = Observation {
        p95_fast_s: 0.4,
        p95_s: 0.1,
        p50_s: 0.05,
        base_s: 0.025,
        late_fraction: 0.25,
        late_fraction_fast: 0.5,
        in_flight: 61.0,
        in_flight_change: 30.0,
        throughput_fast_per_s: 300.0,
        throughput_slow_per_s: 600.0,
        throughput_peak_per_s: 1200.0,
        accepted_fast_per_s: 500.0,
        demand_fast_per_s: 2000.0,
        demand_slow_per_s: 1000.0,
        failed_fast_per_s: 100.0,
        feedback_age_s: 0.1,
        since_completion_s: 0.05,
        samples: 99,
        ..observation()
    };
    for (name, expected) in [
        ("p95FastOverSlo", 2_f64.ln()),
        ("p95OverSlo", 0.5_f64.ln()),
        ("p50OverSlo", 0.25_f64.ln()),
        ("p50OverBase", 2_f64.ln()),
        ("lateFractionFast", 0.5),
        ("lateFraction", 0.25),
        ("waitFastOverSlo", 1_f64.ln()),
        ("waitSlowOverSlo", 0.5_f64.ln()),
        ("inFlightChange", 30.0 / 61.0),
        ("throughputFastOverAdmitted", 0.3_f64.ln()),
        ("acceptedFastOverAdmitted", 0.5_f64.ln()),
        ("demandFastOverAdmitted", 2_f64.ln()),
        ("throughputFastOverSlow", 0.5_f64.ln()),
        ("throughputFastOverPeak", 0.25_f64.ln()),
        ("throttledFraction", 0.75),
        ("demandFastOverSlow", 2_f64.ln()),
        ("baseOverSlo", 0.125_f64.ln()),
        ("failedFraction", 0.25),
        ("admittedOverThroughputSlow", (1000.0_f64 / 600.0).ln()),
        ("acceptedFastOverThroughputFast", (5.0_f64 / 3.0).ln()),
        ("lnSamples", 100_f64.ln()),
        ("feedbackAge", 0.5),
        ("correctedWaitOverSlo", (81.0_f64 / 60.0).ln()),
        ("admittedOverBefore", 0.0),
        ("sinceCompletion", 0.25),
        ("classicalAdmittedOverThroughputSlow", 2_f64.ln()),
        ("classicalGuard", 0.4),
        ("stallLong", 0.0),
        ("dependency0.present", 0.0),
        ("class0.present", 0.0),
    ] {
        assert_feature(&seen, name, expected);
    }
}

#[test]
fn a_dependency_has_its_own_ratios_and_an_absent_one_none() {
    let mut seen = observation();
    seen.dependencies.push(DependencySeen {
        in_flight: 21.0,
        in_flight_change: -10.0,
        throughput_fast_per_s: 100.0,
        throughput_slow_per_s: 50.0,
        throughput_peak_per_s: 200.0,
        base_s: 0.05,
    });
    for (name, expected) in [
        ("dependency0.present", 1.0),
        ("dependency0.waitFastOverSlo", 1_f64.ln()),
        ("dependency0.waitSlowOverSlo", 2_f64.ln()),
        ("dependency0.inFlightChange", -10.0 / 21.0),
        ("dependency0.throughputFastOverPeak", 0.5_f64.ln()),
        ("dependency0.baseOverSlo", 0.25_f64.ln()),
        ("dependency0.admittedOverThroughputSlow", 0.0),
        ("dependency1.present", 0.0),
        ("dependency1.waitFastOverSlo", 0.0),
    ] {
        assert_feature(&seen, name, expected);
    }
    let mut builder = FeatureBuilder::new(1000.0);
    let mut action = decided(1000.0);
    action.shared.dependencies.push(crate::DependencyAction { admitted_per_s: 25.0, guard_s: None });
    builder.record(0, [0.0; 2], &action);
    let ratio = feature(&builder, &seen, "dependency0.admittedOverThroughputSlow");
    assert!((ratio - 0.5_f32.ln()).abs() < 1e-6);
}

#[test]
fn the_busiest_classes_have_the_slots() {
    let mut seen = observation();
    for (share, cost) in [(0.1, 1.0), (0.3, 2.0), (0.0, 9.0), (0.05, 3.0), (0.3, 4.0), (0.25, 5.0)] {
        seen.classes.push(class(share, cost));
    }
    seen.classes[1].call_shares = [0.5, 0.25].into_iter().collect();
    seen.classes[1].network_delay_s = 0.1;
    seen.classes[1].late_fraction = 0.125;
    let slots = FeatureBuilder::new(1000.0).features(&seen, &classical(&seen), &mut [0.0; OBSERVATION]);
    assert_eq!(slots.as_slice(), [1, 4, 5, 0]);
    for (name, expected) in [
        ("class0.present", 1.0),
        ("class0.demandShare", 0.3),
        ("class0.lnCost", 2_f64.ln()),
        ("class0.networkDelay", 0.5),
        ("class0.lateFraction", 0.125),
        ("class0.callShare0", 0.5),
        ("class0.callShare1", 0.25),
        ("class1.lnCost", 4_f64.ln()),
        ("class3.demandShare", 0.1),
    ] {
        assert_feature(&seen, name, expected);
    }
}

#[test]
fn what_the_policy_did_last_is_remembered_for_three_decisions_and_half_a_second() {
    let mut builder = FeatureBuilder::new(1000.0);
    let tick = 100_000_000;
    for step in 0..8_u8 {
        let output = f32::from(step) / 10.0;
        builder.record(u64::from(step) * tick, [output, -output], &decided(f64::from(step + 1) * 100.0));
    }
    let seen = Observation { now_ns: 8 * tick, ..observation() };
    for (name, expected) in [
        ("admittedAction1", 0.7),
        ("guardAction1", -0.7),
        ("admittedAction2", 0.6),
        ("guardAction3", -0.5),
        // Decided at 800 ms less 500 ms: the fourth.
        ("admittedOverBefore", (800.0_f32 / 400.0).ln()),
        ("admittedOverThroughputSlow", (800.0_f32 / 600.0).ln()),
    ] {
        let found = feature(&builder, &seen, name);
        assert!((found - expected).abs() < 1e-6, "{name} is {found}, not {expected}");
    }
}

#[test]
fn a_service_a_hundred_times_larger_looks_the_same() {
    let small = Observation { in_flight_change: 0.0, ..observation() };
    let scale = 128.0;
    let large = Observation {
        in_flight: (small.in_flight - 1.0) * scale + 1.0,
        throughput_fast_per_s: small.throughput_fast_per_s * scale,
        throughput_slow_per_s: small.throughput_slow_per_s * scale,
        throughput_peak_per_s: small.throughput_peak_per_s * scale,
        accepted_fast_per_s: small.accepted_fast_per_s * scale,
        demand_fast_per_s: small.demand_fast_per_s * scale,
        demand_slow_per_s: small.demand_slow_per_s * scale,
        ..small
    };
    let (small, large) =
        (row(&FeatureBuilder::new(1000.0), &small), row(&FeatureBuilder::new(1000.0 * scale), &large));
    for (small, large) in small.iter().zip(&large).filter(|(small, _)| small.0 != "correctedWaitOverSlo") {
        assert_eq!(small, large);
    }
}

/// Anything a number can be.
fn wild() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => 0.0..1e6_f64,
        1 => prop::sample::select(vec![
            0.0, -0.0, -1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN_POSITIVE, 1e-300,
        ]),
    ]
}

proptest! {
    #[test]
    fn no_observation_gives_a_feature_that_is_not_finite_or_out_of_bounds(
        v in prop::array::uniform32(wild()),
        samples in any::<u64>(),
        now_ns in any::<u64>(),
    ) {
        let classes: PerClass<ClassSeen> = (0..3)
            .map(|class| ClassSeen {
                demand_share: v[class],
                cost: v[class + 3],
                network_delay_s: v[class + 6],
                late_fraction: v[class + 9],
                call_shares: [v[12], v[13]].into_iter().collect(),
            })
            .collect();
        let dependencies: PerDependency<DependencySeen> = [DependencySeen {
            in_flight: v[14],
            in_flight_change: v[15],
            throughput_fast_per_s: v[16],
            throughput_slow_per_s: v[17],
            throughput_peak_per_s: v[18],
            base_s: v[19],
        }]
        .into_iter()
        .collect();
        let seen = Observation {
            now_ns,
            slo_s: v[20],
            base_s: v[21],
            p50_s: v[22],
            p95_s: v[23],
            p95_fast_s: v[24],
            in_flight: v[25],
            in_flight_change: v[26],
            since_completion_s: v[27],
            feedback_age_s: v[28],
            throughput_fast_per_s: v[29],
            accepted_fast_per_s: v[30],
            demand_fast_per_s: v[31],
            failed_fast_per_s: v[0],
            late_fraction: v[1],
            samples,
            classes,
            dependencies,
            ..observation()
        };
        let mut builder = FeatureBuilder::new(v[2]);
        builder.record(0, [0.5; 2], &decided(v[3]));
        builder.see(&seen);
        for (name, feature) in row(&builder, &seen) {
            prop_assert!(feature.is_finite() && feature.abs() <= 45.0, "{} is {}", name, feature);
        }
    }
}
