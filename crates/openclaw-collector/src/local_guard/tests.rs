//! The limits on the request's path, moved as the cycle moves them.

use super::*;

const LATE: Duration = Duration::from_secs(10);

fn context(device: &str) -> Context {
    Context { device_type: Some(device.into()), ..Context::default() }
}

fn guard(dependencies: &[&str]) -> LocalGuard {
    let names: Vec<_> = dependencies.iter().map(|&name| name.to_owned()).collect();
    let guard = LocalGuard::new(Gate::default(), true, 0.1, 0.01, &names, Clock::default());
    // Something was late, so that the small floor holds.
    guard.done(LATE, false);
    guard
}

fn flow(per_s: f64) -> Throughput {
    Throughput { fast_per_s: per_s, slow_per_s: per_s, peak_per_s: per_s }
}

/// How many of `context` enter, one user each, until one is refused. They leave again.
fn enter_all(guard: &LocalGuard, context: &Context) -> usize {
    let user = UserId::new("u").unwrap();
    let mut entered = Vec::new();
    while let Ok(in_flight) = guard.try_enter(&user, context) {
        guard.progress_ns.store(guard.clock.now_ns(), Relaxed);
        entered.push(in_flight);
        assert!(entered.len() < 10_000, "nobody is refused");
    }
    entered.len()
}

#[test]
fn a_class_is_refused_at_its_own_limit_and_an_unknown_one_at_the_common() {
    let guard = guard(&[]);
    let (plain, tv, bot) = (Context::default(), context("tv"), context("bot"));
    let classes = [&plain, &tv].map(|context| LocalClass { context, calls: PerDependency::new() });
    let times = GateTimes { classes: [None, Some(0.05)].into_iter().collect(), ..GateTimes::default() };
    guard.move_limits(times, flow(100.0), &[], 0.0, classes.into_iter());
    assert_eq!(enter_all(&guard, &plain), 10);
    assert_eq!(enter_all(&guard, &tv), 5);
    assert_eq!(enter_all(&guard, &bot), 10);
    guard.move_limits(GateTimes::default(), flow(100.0), &[], 0.0, std::iter::empty());
    assert_eq!(enter_all(&guard, &tv), 10, "a number that was given up limits nobody");
}

#[test]
fn callers_of_a_full_dependency_are_refused_and_others_are_not() {
    let guard = guard(&["search"]);
    let (plain, tv) = (Context::default(), context("tv"));
    let calls = |calls: bool| [calls].into_iter().collect::<PerDependency<bool>>();
    let classes = [(&plain, false), (&tv, true)].map(|(context, c)| LocalClass { context, calls: calls(c) });
    for _ in 0..3 {
        guard.call_began(0);
    }
    guard.call_ended(0, LATE);
    let times = GateTimes { dependencies: [Some(0.05)].into_iter().collect(), ..GateTimes::default() };
    let move_limits = |calls_per_s: f64| {
        guard.move_limits(times, flow(100.0), &[flow(calls_per_s)], 0.0, classes.into_iter());
    };
    // The first move tells what counts as a late call.
    move_limits(100.0);
    guard.call_began(0);
    guard.call_ended(0, LATE);
    let user = UserId::new("u").unwrap();
    let _held: Vec<_> = (0..3).map(|_| guard.try_enter(&user, &plain).unwrap()).collect();
    move_limits(40.0);
    assert_eq!(enter_all(&guard, &tv), 0, "two of two calls are in flight");
    assert_eq!(enter_all(&guard, &plain), 7);
    move_limits(200.0);
    assert_eq!(enter_all(&guard, &tv), 7);
    let gauge = &guard.gauges()[0];
    assert_eq!((gauge.name.as_str(), gauge.in_flight, gauge.completed), ("search", 2, 2));
    assert_eq!((guard.dependency("search"), guard.dependency("other")), (Some(0), None));
}

#[test]
fn a_service_from_which_nothing_leaves_is_tried_now_and_then_only() {
    let guard = guard(&[]);
    let user = UserId::new("u").unwrap();
    guard.move_limits(GateTimes::default(), flow(10_000.0), &[], 1e-4, std::iter::empty());
    let enter = || guard.try_enter(&user, &Context::default());
    let held: Vec<_> = (0..5).map(|_| enter().unwrap()).collect();
    let now_ns = guard.clock.now_ns();
    guard.stall.silent_ns.store(0, Relaxed);
    guard.stall.silent_each_ns.store(0, Relaxed);
    guard.stall.probe_ns.store(u64::MAX, Relaxed);
    assert_eq!(enter().unwrap_err(), GuardFull { in_flight: 5, cap: 2 });
    guard.stall.probe_ns.store(0, Relaxed);
    let probe = enter().unwrap();
    assert!(guard.probed_ns.load(Relaxed) >= now_ns);
    guard.stall.probe_ns.store(u64::MAX - 1, Relaxed);
    assert!(enter().is_err(), "one was let in to try");
    drop((held, probe));
    assert!(enter().is_ok(), "nothing is in service");
}

#[test]
fn an_open_guard_refuses_nobody_and_counts() {
    let guard = guard(&[]);
    assert!(guard.set_guard_s(None));
    guard.move_limits(GateTimes::default(), flow(1.0), &[], 0.0, std::iter::empty());
    let user = UserId::new("u").unwrap();
    let all: Vec<_> = (0..1000).map(|_| guard.try_enter(&user, &Context::default())).collect();
    assert!(all.iter().all(Result::is_ok));
    assert_eq!((guard.in_flight(), guard.cap(), guard.guard_s()), (1000, None, None));
}
