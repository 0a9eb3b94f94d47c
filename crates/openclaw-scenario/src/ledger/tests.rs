//! Shares and F worked out by hand: a property test would only repeat the arithmetic.

use super::*;
use crate::scenario::ScenarioFile;

/// A scenario's ledger, and the seconds of a worker that its windows have.
struct Course {
    ledger: FairLedger,
    capacities_s: Vec<f64>,
}

impl Course {
    fn new(fields: &str) -> Self {
        let text = format!(
            r#"{{"scenarios":[{{"name":"fair","description":"for a test","seed":1,"durationS":10,"load":1,
            "users":{{"count":4}},"service":{{"workers":10,"serviceTime":{{"distribution":"lognormal","meanMs":100,
            "cv":0.5}},"queueMax":100,"clientTimeoutMs":1000}}{fields}}}]}}"#
        );
        let scenario =
            ScenarioFile::parse(&text).unwrap_or_else(|errors| panic!("{errors}")).scenarios.remove(0);
        let dependencies = scenario.dependencies.iter().map(|dependency| dependency.workers);
        let workers = std::iter::once(scenario.service.workers).chain(dependencies);
        let capacities_s = workers.map(|workers| f64::from(workers) * FAIR_WINDOW_S).collect();
        Self { ledger: FairLedger::new(&scenario, &Population::new(&scenario)), capacities_s }
    }

    /// A window with so many first attempts of each user.
    fn open(&mut self, counts: [usize; 4]) {
        let users = (0..4).flat_map(|user| std::iter::repeat_n(user, counts[user as usize]));
        self.ledger.open(users, self.capacities_s.iter().copied());
    }

    fn entitled(&self) -> Vec<f64> {
        self.ledger.accounts().iter().map(|account| account.entitled).collect()
    }
}

#[test]
fn a_window_is_shared_by_max_min_and_who_asks_for_no_more_is_well_behaved() {
    // 10 requests fit a window.
    let mut course = Course::new("");
    course.open([9, 5, 2, 0]);
    assert_eq!(course.entitled(), [4.0, 4.0, 2.0, 0.0]);
    assert_eq!([0, 1, 2, 3].map(|user| course.ledger.is_well_behaved(user)), [false, false, true, false]);
    assert_eq!(course.ledger.window_work(), 10.0);
}

#[test]
fn what_a_window_cannot_serve_is_asked_for_once_more() {
    let mut course = Course::new("");
    course.open([13, 0, 0, 0]);
    course.open([0, 4, 0, 0]);
    assert_eq!(course.entitled(), [13.0, 4.0, 0.0, 0.0]);
    course.open([25, 0, 0, 0]);
    course.open([0, 0, 0, 0]);
    course.open([0, 0, 0, 0]);
    assert_eq!(course.entitled(), [33.0, 4.0, 0.0, 0.0], "the last five are too old");
}

#[test]
fn good_work_counts_up_to_the_entitlement_whenever_it_was_done() {
    let mut course = Course::new("");
    course.open([2, 3, 0, 0]);
    (0..4).for_each(|_| course.ledger.good(0));
    course.ledger.good(1);
    assert_eq!(course.ledger.fair_work(), 3.0, "two of the first user's four, one of the second's");
    course.open([1, 0, 0, 0]);
    assert_eq!(course.ledger.fair_work(), 4.0, "one more of the four is covered now");
    (0..3).for_each(|_| course.ledger.good(1));
    assert_eq!(course.ledger.fair_work(), 6.0, "a burst within what the second user has not used counts");
}

#[test]
fn shares_are_of_work_not_of_requests() {
    let class =
        r#","requestClasses":[{"context":{"deviceType":"tv"},"userFraction":0.5,"serviceTimeFactor":4}]"#;
    let mut course = Course::new(class);
    let costs = [0, 1, 2, 3].map(|user| course.ledger.cost(user));
    course.open(costs.map(|cost| if cost > 1.0 { 5 } else { 1 }));
    // Two ask for one unit each, two for 20 each; 8 units are left for these.
    for (cost, entitled) in costs.iter().zip(course.entitled()) {
        assert!((entitled - if *cost > 1.0 { 4.0 } else { 1.0 }).abs() < 1e-9);
    }
}

#[test]
fn callers_of_a_scarce_dependency_share_it_by_dominant_resource() {
    let scarce = r#","requestClasses":[{"context":{"deviceType":"tv"},"userFraction":0.5,"callFraction":1}],
        "dependencies":[{"name":"scarce","workers":2,"callFraction":0,
        "serviceTime":{"distribution":"lognormal","meanMs":100,"cv":0.5}}]"#;
    let mut course = Course::new(scarce);
    let calls: Vec<bool> = course.ledger.classes.iter().map(|class| *class == 1).collect();
    course.open([6; 4]);
    // A caller's request takes half of the dependency, another's a tenth of the service: five for one, and the
    // service is full first.
    for (calls, entitled) in calls.iter().zip(course.entitled()) {
        let expected = if *calls { 5.0 / 6.0 } else { 25.0 / 6.0 };
        assert!((entitled - expected).abs() < 1e-9, "{calls}: {entitled}");
    }
    let mut course = Course::new(scarce);
    course.open([0, 1, 2, 3].map(|user: usize| if calls[user] { 6 } else { 3 }));
    for (calls, entitled) in calls.iter().zip(course.entitled()) {
        let expected = if *calls { 1.0 } else { 3.0 };
        assert!((entitled - expected).abs() < 1e-9, "{calls}: {entitled}");
    }
}
