//! The guards as a service would meet them, request by request: a whole course would average them away.

use openclaw_scenario::ScenarioFile;

use super::*;

fn world(fields: &str) -> World {
    let text = format!(
        r#"{{"scenarios":[{{"name":"guarded","description":"for a test","seed":1,"durationS":10,"load":1,
        "users":{{"count":50}},"service":{{"workers":10,"serviceTime":{{"distribution":"lognormal","meanMs":10,
        "cv":0.5}},"queueMax":100,"clientTimeoutMs":1000}}{fields}}}]}}"#
    );
    let scenario = ScenarioFile::parse(&text).unwrap_or_else(|errors| panic!("{errors}")).scenarios.remove(0);
    World::new(Arc::new(scenario), None, 0)
}

/// A second in which a request comes and leaves every millisecond, and the guards move every 50 ms.
fn busy_second(guard: &mut LocalGuard, world: &World) {
    for ms in 1..=1000_u32 {
        let now_s = f64::from(ms) / 1e3;
        let pass = guard.try_enter(0, &world.ids[(ms % 50) as usize], now_s);
        assert!(pass.is_some(), "at {now_s} s");
        drop(pass);
        guard.done(true, 0.01, now_s);
        if ms % 50 == 0 {
            guard.move_limits(now_s);
        }
    }
}

/// How many of a hundred requests, each of another user, one after the other enter at once.
fn enter(guard: &mut LocalGuard, world: &World, now_s: f64) -> Vec<InFlight> {
    (0..100).filter_map(|user| guard.try_enter(0, &world.ids[user % 50], now_s)).collect()
}

#[test]
fn as_many_enter_as_leave_within_the_guard_time() {
    let world = world("");
    let mut guard = LocalGuard::new(Gate::default(), Some(0.04), &world);
    busy_second(&mut guard, &world);
    // 1000 leave per second: 40 in 40 ms, and a fifth more for users below their share.
    let inside = enter(&mut guard, &world, 1.0).len();
    assert!((40..=48).contains(&inside), "{inside}");
    let mut open = LocalGuard::new(Gate::default(), None, &world);
    busy_second(&mut open, &world);
    assert_eq!(enter(&mut open, &world, 1.0).len(), 100);
}

#[test]
fn a_stalled_service_is_only_tried() {
    let world = world("");
    let mut guard = LocalGuard::new(Gate::default(), Some(0.1), &world);
    busy_second(&mut guard, &world);
    let inside: Vec<_> = (0..20).filter_map(|user| guard.try_enter(0, &world.ids[user], 1.001)).collect();
    assert_eq!(inside.len(), 20);
    // 8 ms without an end are a stall at 1000 per second; one request is let in to try every 50 ms.
    let tried = |guard: &mut LocalGuard, from_ms: u32, to_ms: u32| {
        let enters = |ms: &u32| guard.try_enter(0, &world.ids[30], f64::from(*ms) / 1e3).is_some();
        (from_ms..to_ms).filter(enters).collect::<Vec<_>>()
    };
    assert!(tried(&mut guard, 1012, 1050).is_empty());
    assert_eq!(tried(&mut guard, 1050, 1160), [1052, 1103, 1154]);
    guard.done(false, 0.15, 1.16);
    assert!(tried(&mut guard, 1161, 1165).is_empty(), "a client that left is no progress");
    guard.done(true, 0.15, 1.165);
    assert_eq!(tried(&mut guard, 1166, 1168).len(), 2);
}

#[test]
fn callers_wait_before_a_full_dependency_and_the_others_do_not() {
    let world = world(
        r#","requestClasses":[{"context":{"deviceType":"tv"},"userFraction":0.5,"callFraction":1}],
        "dependencies":[{"name":"slow","workers":2,"callFraction":0,
        "serviceTime":{"distribution":"lognormal","meanMs":100,"cv":0.5}}]"#,
    );
    let mut guard = LocalGuard::new(Gate::default(), Some(0.1), &world);
    busy_second(&mut guard, &world);
    let calls = PerDependency::from_iter([true]);
    guard.classes[1] = ClassPlace { number: 1, calls };
    guard.times.dependencies = PerDependency::from_iter([Some(0.2)]);
    // 20 calls end per second, all of them late: four may be in flight within 200 ms.
    for call in 0..20_u32 {
        guard.call_began(0);
        guard.call_ended(0, 0.3, 1.0 + f64::from(call) * 0.05);
        guard.done(true, 0.01, 1.0 + f64::from(call) * 0.05);
        guard.move_limits(1.0 + f64::from(call + 1) * 0.05);
    }
    let inside: Vec<_> = (0..3).filter_map(|user| guard.try_enter(0, &world.ids[user], 2.0)).collect();
    assert_eq!(inside.len(), 3);
    assert!(guard.try_enter(1, &world.ids[0], 2.0).is_some());
    (0..5).for_each(|_| guard.call_began(0));
    assert!(guard.try_enter(1, &world.ids[0], 2.0).is_none());
    assert!(guard.try_enter(0, &world.ids[1], 2.0).is_some());
    (0..5).for_each(|_| guard.call_ended(0, 0.1, 2.0));
    assert!(guard.try_enter(1, &world.ids[0], 2.0).is_some());
}
