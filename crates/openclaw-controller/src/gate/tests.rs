//! The law of the local guards, by itself and over time.

use super::*;

const MS: u64 = 1_000_000;

fn flow(per_s: f64) -> Throughput {
    Throughput { fast_per_s: per_s, slow_per_s: per_s, peak_per_s: per_s }
}

fn seen(per_s: f64, unloaded_s: f64) -> GateSeen {
    GateSeen { requests: flow(per_s), late: true, unloaded_s, dependencies: PerDependency::new() }
}

fn times(guard_s: f64) -> GateTimes {
    GateTimes { guard_s: Some(guard_s), ..GateTimes::default() }
}

#[test]
fn without_a_guard_time_nothing_is_refused() {
    let limits = Gate::default().limits(&GateTimes::default(), &seen(800.0, 0.02));
    assert_eq!(limits, GateLimits::open());
    assert_eq!(limits.stall.judge(1_000_000, u64::MAX, u64::MAX), Stall::None);
}

#[test]
fn a_class_with_less_time_is_refused_first_and_none_may_have_more_than_all() {
    let classes = [None, Some(0.05), Some(0.4)].into_iter().collect();
    let limits = Gate::default().limits(&GateTimes { classes, ..times(0.1) }, &seen(800.0, 0.02));
    assert_eq!(limits.cap, 80);
    let caps: Vec<_> = (0..4).map(|class| limits.cap_of_class(class)).collect();
    assert_eq!(caps, [80, 40, 80, 80]);
}

#[test]
fn a_dependency_is_guarded_by_its_own_calls() {
    let mut now = seen(800.0, 0.02);
    now.dependencies = [CallsSeen { calls: flow(200.0), late: true }; 2].into_iter().collect();
    let dependencies = [Some(0.05), None].into_iter().collect();
    let limits = Gate::default().limits(&GateTimes { dependencies, ..times(0.1) }, &now);
    assert_eq!(limits.dependencies.as_slice(), [10, u32::MAX]);
}

#[test]
fn a_full_dependency_leaves_its_callers_the_reserve_and_then_nothing() {
    assert_eq!(cap_of_caller(80, 30, 9, 10), 80);
    assert_eq!(cap_of_caller(80, 30, 10, 10), 30);
    assert_eq!(cap_of_caller(80, 90, 11, 10), 80, "never more than without it");
    assert_eq!(cap_of_caller(80, 30, 12, 10), 0);
    assert_eq!(cap_of_caller(80, 30, u32::MAX, u32::MAX), 0);
    assert_eq!(cap_of_caller(80, 30, 1_000, u32::MAX), 80);
}

#[test]
fn a_pause_is_noticed_after_a_few_missing_completions_and_tried_now_and_then() {
    let limits = Gate::default().limits(&times(0.1), &seen(800.0, 0.025)).stall;
    assert_eq!(limits.judge(60, 9 * MS, u64::MAX), Stall::None);
    assert_eq!(limits.judge(60, 11 * MS, u64::MAX), Stall::Stalled);
    assert_eq!(limits.judge(60, 60 * MS, u64::MAX), Stall::Probe);
    assert_eq!(limits.judge(60, 61 * MS, MS), Stall::Stalled);
    assert_eq!(limits.judge(60, 111 * MS, 51 * MS), Stall::Probe);
    let fast = Gate::default().limits(&times(0.1), &seen(100_000.0, 0.001)).stall;
    assert_eq!(fast.judge(60, 3 * MS, u64::MAX), Stall::None, "4 ms at least");
}

#[test]
fn slow_requests_on_an_idle_service_are_no_stall() {
    // A busy past, one request a second now, each of which takes 25 ms as a rule.
    let mut now = seen(1.0, 0.025);
    now.requests.peak_per_s = 1_280.0;
    let limits = Gate::default().limits(&times(0.1), &now).stall;
    assert_eq!(limits.judge(1, 10_000 * MS, u64::MAX), Stall::None, "one may take as long as it likes");
    assert_eq!(limits.judge(3, 65 * MS, u64::MAX), Stall::None);
    // Two workers, 200 ms each.
    let limits = Gate::default().limits(&times(0.1), &seen(10.0, 0.2)).stall;
    assert_eq!(limits.judge(5, 750 * MS, u64::MAX), Stall::None);
    assert_ne!(limits.judge(5, 850 * MS, u64::MAX), Stall::None);
}

#[test]
fn nothing_measured_is_no_stall() {
    let unknown = GateSeen::default();
    let limits = Gate::default().limits(&times(0.1), &unknown);
    assert_eq!(limits.cap, 16);
    assert_eq!(limits.stall.judge(16, 3_600_000 * MS, u64::MAX), Stall::None);
    let broken = GateSeen { unloaded_s: f64::NAN, requests: flow(f64::NAN), ..unknown };
    assert_eq!(Gate::default().limits(&times(0.1), &broken).stall.judge(9, u64::MAX, 0), Stall::None);
}
