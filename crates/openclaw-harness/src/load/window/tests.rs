//! How one second is judged.

use super::*;
use openclaw_scenario::{CapacityChange, CapacityKind, demo};
use proptest::prelude::*;

/// 10 plain requests a second, 4 equal users, half of the capacity gone from second 5 on.
fn judge() -> Judge {
    let mut scenario = demo();
    scenario.users.count = 4;
    scenario.service.workers = 2;
    scenario.service.service_time = openclaw_scenario::ServiceTime::Lognormal { mean_ms: 200.0, cv: 0.0 };
    scenario.capacity =
        vec![CapacityChange { kind: CapacityKind::Workers, start_s: 5.0, duration_s: 55.0, level: 0.5 }];
    let shares = Some(FairShares::new(&ScenarioTraffic::new(scenario)));
    Judge { slo_s: 0.2, timeout_s: 1.0, shares }
}

/// A window in which each user first-attempts so often, and so many of them are refused.
fn window(users: [(u32, u32); 4]) -> Window {
    let mut window = Window::new(4);
    for (user, (attempts, refused)) in (0..).zip(users) {
        for attempt in 0..attempts {
            window.begin(Some(user), true);
            let outcome = if attempt < refused { Outcome::ThrottledByBucket } else { Outcome::Accepted };
            window.end(Some(user), &outcome, 0.1, outcome == Outcome::Accepted);
        }
    }
    window
}

#[test]
fn p95_is_the_nearest_rank() {
    let samples: Vec<f32> = (1..=20_u8).map(f32::from).collect();
    assert_eq!(quantile_s(&samples, 0.95), Some(19.0));
    assert_eq!(quantile_s(&samples, 0.5), Some(10.0));
    assert_eq!(quantile_s(&samples[..1], 0.95), Some(1.0));
    assert_eq!(quantile_s(&[], 0.95), None);
}

#[test]
fn who_offers_no_more_than_the_level_is_well_behaved() {
    // 10 for 2 + 2 + 4 + 12: the level is 3 only if all four were greedy; here 2, 2 and then 3 each.
    let closed = judge().close(window([(2, 1), (2, 0), (4, 2), (12, 9)]), 0.0, 1.0);
    let fairness = closed.fairness.unwrap();
    assert_eq!((fairness.attempts, fairness.throttled), (4, 1));
    let entitled: Vec<f64> = fairness.shares.iter().map(|(_, entitled)| *entitled).collect();
    assert!(entitled.iter().zip([2.0, 2.0, 3.0, 3.0]).all(|(a, b)| (a - b).abs() < 1e-9), "{entitled:?}");
}

#[test]
fn entitlements_follow_the_capacity_of_their_second() {
    let offered = [(2, 0), (2, 0), (2, 0), (2, 0)];
    let calm = judge().close(window(offered), 4.0, 5.0);
    let disturbed = judge().close(window(offered), 5.0, 6.0);
    let capacities =
        [calm.report.capacity, disturbed.report.capacity].map(|capacity| capacity.unwrap().round());
    assert_eq!(capacities, [10.0, 5.0]);
    assert_eq!(calm.fairness.unwrap().attempts, 8, "everybody fits");
    assert_eq!(disturbed.fairness.unwrap().attempts, 0, "everybody asks for more than a fourth of 5");
}

#[test]
fn a_second_that_was_cut_short_has_less_capacity() {
    assert_eq!(judge().close(window([(1, 0); 4]), 0.0, 0.5).report.capacity, Some(5.0));
}

#[test]
fn retries_do_not_make_a_user_ill_behaved() {
    let mut retried = window([(2, 2), (0, 0), (0, 0), (0, 0)]);
    for _ in 0..20 {
        retried.begin(Some(0), false);
        retried.end(Some(0), &Outcome::ThrottledByGuard, 0.0, false);
    }
    let fairness = judge().close(retried, 0.0, 1.0).fairness.unwrap();
    assert_eq!((fairness.attempts, fairness.throttled), (22, 22));
}

#[test]
fn timeouts_are_the_slowest_and_refusals_have_no_latency() {
    let mut late = Window::new(0);
    for outcome in [Outcome::Accepted, Outcome::Accepted, Outcome::Timeout, Outcome::ThrottledByGuard] {
        late.begin(None, true);
        late.end(None, &outcome, 0.05, outcome == Outcome::Accepted);
    }
    let closed = Judge { slo_s: 0.2, timeout_s: 1.0, shares: None }.close(late, 0.0, 1.0);
    assert_eq!(closed.over_slo, Some(true));
    assert_eq!(closed.report.p95_ms, Some(1000.0));
    assert!((closed.report.p50_ms.unwrap() - 50.0).abs() < 1e-3);
    let nothing = Judge { slo_s: 0.2, timeout_s: 1.0, shares: None }.close(Window::new(0), 1.0, 2.0);
    assert_eq!((nothing.over_slo, nothing.report.p95_ms), (None, None));
}

#[test]
fn callers_of_a_slow_dependency_are_entitled_to_less() {
    let mut scenario = demo();
    scenario.users.count = 4;
    scenario.service.workers = 2;
    scenario.service.service_time = openclaw_scenario::ServiceTime::Lognormal { mean_ms: 200.0, cv: 0.0 };
    scenario.capacity.clear();
    scenario.dependencies = vec![openclaw_scenario::Dependency {
        name: "moderation".to_owned(),
        workers: 1,
        service_time: openclaw_scenario::ServiceTime::Lognormal { mean_ms: 250.0, cv: 0.0 },
        call_fraction: 1.0,
        capacity: Vec::new(),
    }];
    let shares = Some(FairShares::new(&ScenarioTraffic::new(scenario)));
    let closed = Judge { slo_s: 0.2, timeout_s: 1.0, shares }.close(window([(3, 0); 4]), 0.0, 1.0);
    // The service could do 10 of the 12, the dependency does 4.
    let entitled: Vec<f64> = closed.fairness.unwrap().shares.iter().map(|(_, entitled)| *entitled).collect();
    assert!(entitled.iter().all(|entitled| (entitled - 1.0).abs() < 1e-9), "{entitled:?}");
}

proptest! {
    #[test]
    fn quantiles_leave_the_stated_share_below(mut samples in prop::collection::vec(0.0..10.0_f32, 1..300), fraction in 0.01..1.0_f64) {
        samples.sort_unstable_by(f32::total_cmp);
        let value = quantile_s(&samples, fraction).unwrap();
        let at_most = samples.iter().filter(|sample| f64::from(**sample) <= value).count() as f64;
        let below = samples.iter().filter(|sample| f64::from(**sample) < value).count() as f64;
        let wanted = fraction * samples.len() as f64;
        prop_assert!(at_most >= wanted && below < wanted);
    }
}
