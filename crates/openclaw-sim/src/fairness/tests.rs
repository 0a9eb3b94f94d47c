//! Shares and F worked out by hand: a property test would only repeat the arithmetic.

use std::sync::Arc;

use openclaw_scenario::ScenarioFile;

use super::*;

fn world(fields: &str) -> World {
    let text = format!(
        r#"{{"scenarios":[{{"name":"fair","description":"for a test","seed":1,"durationS":10,"load":1,
        "users":{{"count":4}},"service":{{"workers":10,"serviceTime":{{"distribution":"lognormal","meanMs":100,
        "cv":0.5}},"queueMax":100,"clientTimeoutMs":1000}}{fields}}}]}}"#
    );
    let scenario = ScenarioFile::parse(&text).unwrap_or_else(|errors| panic!("{errors}")).scenarios.remove(0);
    World::new(Arc::new(scenario), None, 0)
}

/// So many first attempts of each user.
fn arrivals(world: &World, counts: &[u32]) -> Vec<Arrival> {
    let of_user = |(user, count): (u32, &u32)| {
        let class = world.population.users()[user as usize].class;
        std::iter::repeat_n(Arrival { time_s: 0.0, user, class, retries_max: 0 }, *count as usize)
    };
    (0..).zip(counts).flat_map(of_user).collect()
}

fn entitled(fairness: &Fairness) -> Vec<f64> {
    fairness.accounts().iter().map(|account| account.entitled).collect()
}

#[test]
fn a_window_is_shared_by_max_min_and_who_asks_for_no_more_is_well_behaved() {
    // 10 requests fit a window.
    let world = world("");
    let mut fairness = Fairness::new(&world);
    fairness.open(&arrivals(&world, &[9, 5, 2, 0]), 0.0, 0.1, &world);
    assert_eq!(entitled(&fairness), [4.0, 4.0, 2.0, 0.0]);
    assert_eq!([0, 1, 2, 3].map(|user| fairness.is_well_behaved(user)), [false, false, true, false]);
    assert_eq!(fairness.window_work(), 10.0);
}

#[test]
fn what_a_window_cannot_serve_is_asked_for_once_more() {
    let world = world("");
    let mut fairness = Fairness::new(&world);
    fairness.open(&arrivals(&world, &[13, 0, 0, 0]), 0.0, 0.1, &world);
    fairness.open(&arrivals(&world, &[0, 4, 0, 0]), 0.1, 0.2, &world);
    assert_eq!(entitled(&fairness), [13.0, 4.0, 0.0, 0.0]);
    fairness.open(&arrivals(&world, &[25, 0, 0, 0]), 0.2, 0.3, &world);
    fairness.open(&arrivals(&world, &[0, 0, 0, 0]), 0.3, 0.4, &world);
    fairness.open(&arrivals(&world, &[0, 0, 0, 0]), 0.4, 0.5, &world);
    assert_eq!(entitled(&fairness), [33.0, 4.0, 0.0, 0.0], "the last five are too old");
}

#[test]
fn good_work_counts_up_to_the_entitlement_whenever_it_was_done() {
    let world = world("");
    let mut fairness = Fairness::new(&world);
    fairness.open(&arrivals(&world, &[2, 3, 0, 0]), 0.0, 0.1, &world);
    (0..4).for_each(|_| fairness.good(0, 1.0));
    fairness.good(1, 1.0);
    assert_eq!(fairness.fair_work(), 3.0, "two of the first user's four, one of the second's");
    fairness.open(&arrivals(&world, &[1, 0, 0, 0]), 0.1, 0.2, &world);
    assert_eq!(fairness.fair_work(), 4.0, "one more of the four is covered now");
    (0..3).for_each(|_| fairness.good(1, 1.0));
    assert_eq!(fairness.fair_work(), 6.0, "a burst within what the second user has not used counts");
}

#[test]
fn shares_are_of_work_not_of_requests() {
    let class =
        r#","requestClasses":[{"context":{"deviceType":"tv"},"userFraction":0.5,"serviceTimeFactor":4}]"#;
    let world = world(class);
    let mut fairness = Fairness::new(&world);
    let costs: Vec<f64> = (0..4).map(|user| world.cost(user)).collect();
    let counts: Vec<u32> = costs.iter().map(|cost| if *cost > 1.0 { 5 } else { 1 }).collect();
    fairness.open(&arrivals(&world, &counts), 0.0, 0.1, &world);
    // Two ask for one unit each, two for 20 each; 8 units are left for these.
    for (cost, entitled) in costs.iter().zip(entitled(&fairness)) {
        assert!((entitled - if *cost > 1.0 { 4.0 } else { 1.0 }).abs() < 1e-9);
    }
}

#[test]
fn callers_of_a_scarce_dependency_share_it_by_dominant_resource() {
    let scarce = r#","requestClasses":[{"context":{"deviceType":"tv"},"userFraction":0.5,"callFraction":1}],
        "dependencies":[{"name":"scarce","workers":2,"callFraction":0,
        "serviceTime":{"distribution":"lognormal","meanMs":100,"cv":0.5}}]"#;
    let world = world(scarce);
    let mut fairness = Fairness::new(&world);
    let calls = |user: &u32| world.class_of(*user) == 1;
    fairness.open(&arrivals(&world, &[6, 6, 6, 6]), 0.0, 0.1, &world);
    // A caller's request takes half of the dependency, another's a tenth of the service: five for one, and the
    // service is full first.
    for (user, entitled) in (0..4).zip(entitled(&fairness)) {
        let expected = if calls(&user) { 5.0 / 6.0 } else { 25.0 / 6.0 };
        assert!((entitled - expected).abs() < 1e-9, "{user}: {entitled}");
    }
    let mut fairness = Fairness::new(&world);
    let counts: Vec<u32> = (0..4).map(|user| if calls(&user) { 6 } else { 3 }).collect();
    fairness.open(&arrivals(&world, &counts), 0.0, 0.1, &world);
    for (user, entitled) in (0..4).zip(entitled(&fairness)) {
        let expected = if calls(&user) { 1.0 } else { 3.0 };
        assert!((entitled - expected).abs() < 1e-9, "{user}: {entitled}");
    }
}
