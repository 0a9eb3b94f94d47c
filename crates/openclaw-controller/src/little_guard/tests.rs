//! The rule, decision by decision.

use super::*;
use crate::observation::tests::observation;

fn shared(seen: &Observation) -> SharedAction {
    match LittleGuard::new(1000.0).decide(seen) {
        Action::Shared(shared) => shared,
        Action::PerUser(_) => unreachable!("little-guard shares a total"),
    }
}

#[test]
fn it_admits_more_than_leaves_while_the_wait_is_short_and_less_while_it_is_long() {
    let seen = observation();
    let empty = shared(&Observation { in_flight: 0.0, ..seen });
    assert!((empty.admitted_per_s - 600.0 * 1.01_f64.exp()).abs() < 1e-6);
    let full = shared(&Observation { in_flight: 200.0, ..seen });
    assert!(full.admitted_per_s < 600.0 * 0.2);
}

#[test]
fn at_the_goal_it_admits_exactly_what_leaves() {
    let seen = observation();
    let in_flight = LittleGuardSettings::default().wait_goal_s(&seen) * 601.0 + 1.0;
    let balanced = shared(&Observation { in_flight, ..seen });
    assert!((balanced.admitted_per_s - 600.0).abs() < 1e-6);
}

#[test]
fn a_service_that_completes_nothing_is_still_tried() {
    let seen = Observation {
        throughput_fast_per_s: 0.0,
        throughput_slow_per_s: 0.0,
        in_flight: 500.0,
        ..observation()
    };
    assert_eq!(shared(&seen).admitted_per_s, 50.0);
}

#[test]
fn the_guard_time_follows_the_base() {
    let guard_s = shared(&observation()).guard_s.unwrap();
    assert!((guard_s - (0.02 + 0.36 * 0.18)).abs() < 1e-9);
}

#[test]
fn a_base_over_the_slo_still_gives_a_sound_action() {
    for base_s in [0.2, 0.5, 30.0] {
        assert!(LittleGuard::new(1000.0).decide(&Observation { base_s, ..observation() }).is_sound());
    }
}

#[test]
fn a_class_far_away_waits_less_and_so_do_all_a_little() {
    let near = observation();
    let mut seen = near;
    seen.classes = [
        ClassSeen { demand_share: 0.8, ..ClassSeen::default() },
        ClassSeen { demand_share: 0.2, network_delay_s: 0.08, ..ClassSeen::default() },
        ClassSeen { cost: 3.0, ..ClassSeen::default() },
    ]
    .into_iter()
    .collect();
    let action = shared(&seen);
    let guards: Vec<_> = action.classes.iter().map(|class| class.guard_s.unwrap()).collect();
    assert!((guards[0] - action.guard_s.unwrap()).abs() < 1e-12);
    assert!((guards[1] - (0.02 + 0.36 * 0.10)).abs() < 1e-9, "{guards:?}");
    assert!((guards[2] - (0.02 + 0.36 * 0.16)).abs() < 1e-9, "{guards:?}");
    let law = LittleGuardSettings::default();
    assert!((law.wait_goal_s(&seen) - (0.02 + 0.26 * 0.116)).abs() < 1e-9);
    let blind = LittleGuardSettings { aware: false, ..law };
    assert_eq!(blind.wait_goal_s(&seen), law.wait_goal_s(&near));
}

#[test]
fn a_dependency_is_limited_only_once_calls_wait_for_it() {
    let calls = DependencySeen {
        in_flight: 4.0,
        throughput_fast_per_s: 200.0,
        throughput_slow_per_s: 200.0,
        throughput_peak_per_s: 200.0,
        base_s: 0.02,
        ..DependencySeen::default()
    };
    let limit = |in_flight| {
        let mut seen = observation();
        seen.dependencies.push(DependencySeen { in_flight, ..calls });
        let mut controller = LittleGuard::new(100.0);
        let Action::Shared(action) = controller.decide(&seen) else { unreachable!("a total is shared") };
        action.dependencies[0]
    };
    assert_eq!(limit(4.0).admitted_per_s, f64::INFINITY, "as many as are in work anyway");
    let goal_s = 0.02 + 0.26 * 0.18;
    let balanced = limit(1.0 + goal_s * 201.0);
    assert!((balanced.admitted_per_s - 200.0).abs() < 1e-6, "{balanced:?}");
    assert!((balanced.guard_s.unwrap() - (0.02 + 0.36 * 0.18)).abs() < 1e-9);
    assert!(limit(40.0).admitted_per_s < 100.0);
}

#[test]
fn what_is_late_shrinks_the_shares_down_to_a_bound_and_they_grow_back() {
    let mut controller = LittleGuard::new(1000.0);
    let mut guard_s = |late_fraction_fast: f64, from_s: u64, seconds: u64| {
        let mut guard_s = 0.0;
        for tick in 0..seconds * 10 {
            let now_ns = (from_s * 10 + tick) * 100_000_000;
            let seen = Observation { now_ns, late_fraction_fast, ..observation() };
            let Action::Shared(action) = controller.decide(&seen) else { unreachable!("a total is shared") };
            guard_s = action.guard_s.unwrap();
        }
        guard_s
    };
    assert!((guard_s(0.03, 0, 5) - 0.0848).abs() < 1e-9, "some may be late");
    assert!((guard_s(0.5, 5, 60) - (0.02 + 0.18 * 0.18)).abs() < 1e-9);
    assert!((guard_s(0.0, 65, 10) - 0.0848).abs() < 1e-9);
}

#[test]
fn a_base_that_no_median_came_near_is_looked_for_and_one_that_was_seen_is_not() {
    let probes = |p50_s: f64| {
        let mut controller = LittleGuard::new(1000.0);
        (0..600_u64)
            .filter(|tick| {
                let now_ns = tick * 100_000_000;
                let seen = Observation { now_ns, p50_s, base_s: 0.1, ..observation() };
                let Action::Shared(action) = controller.decide(&seen) else {
                    unreachable!("a total is shared")
                };
                action.guard_s.unwrap() < 0.1
            })
            .count()
    };
    assert_eq!(probes(0.105), 0);
    assert_eq!(probes(0.15), 20, "a second twice a minute");
}
