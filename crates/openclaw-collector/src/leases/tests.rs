//! Who decides what, and for how long, at simulated times.

use openclaw_controller::{LittleGuard, LoopSettings};
use openclaw_protocol::{ClassGuard, DependencyGuard};
use proptest::prelude::*;

use super::*;
use crate::settings::CollectorSettings;

mod overrides;

const SECOND_NS: u64 = 1_000_000_000;

fn policy(bucket_size: f64, refill_rate: f64) -> BucketPolicy {
    BucketPolicy { bucket_size, refill_rate }
}

fn answer(refill_rate: f64) -> BatchAnswer {
    BatchAnswer {
        policies: [(UserId::new("u").unwrap(), policy(1.0, refill_rate))].into(),
        defaults: policy(5.0, 7.0),
        newcomers: None,
        guard_ms: Some(90.0),
        ttl_ms: 5_000,
        policy_version: "v".into(),
        reason: None,
        classes: Vec::new(),
        dependencies: Vec::new(),
        overrides: None,
        rejected: Vec::new(),
    }
}

/// A collector's admission and leases at an edge that was asked about the user `u`.
struct Case {
    admission: Admission,
    leases: Leases,
    local: ControlLoop,
}

impl Case {
    fn new() -> Self {
        let settings = CollectorSettings::default();
        Self {
            admission: Admission::new(&settings),
            leases: Leases::new(settings.ttl, settings.flush_interval),
            local: ControlLoop::new(LoopSettings::default(), Box::new(LittleGuard::new(1000.0)), 0),
        }
    }

    fn apply(&mut self, answer: &BatchAnswer, now_ns: u64) {
        let user = UserId::new("u").unwrap();
        self.leases.apply(answer, &HashSet::from([&user]), &self.admission, now_ns);
    }

    fn apply_single(&mut self, answer: &PolicyAnswer, now_ns: u64) {
        self.leases.apply_single(&UserId::new("u").unwrap(), answer, &self.admission, now_ns);
    }

    /// A cycle in which the users of `active` asked.
    fn cycle(&mut self, active: &[&str], now_ns: u64) {
        let counts = |name: &&str| UserCounts::new(UserId::new(name).unwrap(), 1, 0);
        let users: Vec<_> = active.iter().map(counts).collect();
        self.leases.lead(&self.local, "c", &users, &self.admission, now_ns);
        self.leases.sweep(&self.admission, now_ns);
    }

    #[track_caller]
    fn expect_refill_rate(&self, user: &str, expected: f64) {
        let found =
            self.admission.take(&UserId::new(user).unwrap(), &Context::default()).params().refill_rate();
        assert!((found - expected).abs() < 1e-3, "{user} has {found} a second, not {expected}");
    }
}

#[test]
fn a_lease_holds_for_its_time_to_live_and_then_the_user_is_a_newcomer_again() {
    let mut case = Case::new();
    case.apply(&answer(3.0), 0);
    case.expect_refill_rate("u", 3.0);
    case.leases.sweep(&case.admission, 5 * SECOND_NS - 1);
    assert!(case.leases.edge_holds(5 * SECOND_NS - 1) && case.leases.users() == 1);
    case.leases.sweep(&case.admission, 5 * SECOND_NS);
    assert!(!case.leases.edge_holds(5 * SECOND_NS) && case.leases.users() == 0);
    case.expect_refill_rate("u", 7.0);
}

#[test]
fn an_answer_that_is_no_number_is_not_applied() {
    let mut case = Case::new();
    for (refill_rate, guard_ms) in [(f64::NAN, f64::NAN), (-1.0, -5.0), (f64::INFINITY, 0.0)] {
        let defaults = policy(f64::NAN, -1.0);
        case.apply(&BatchAnswer { defaults, guard_ms: Some(guard_ms), ..answer(refill_rate) }, 0);
        assert_eq!(case.leases.users(), 0);
        case.expect_refill_rate("u", 10.0);
        assert_eq!(case.admission.guard_ms(), Some(100.0), "half the SLO, as configured");
    }
}

#[test]
fn what_an_answer_does_not_lease_stays_with_the_local_loop() {
    let mut case = Case::new();
    case.apply(&BatchAnswer { defaults: policy(-1.0, -1.0), ..answer(3.0) }, 0);
    case.cycle(&["u", "other"], SECOND_NS);
    case.expect_refill_rate("u", 3.0);
    case.expect_refill_rate("other", 10.0);
    assert_eq!(case.admission.guard_ms(), Some(90.0), "the guard was leased");
}

#[test]
fn users_that_were_not_asked_about_get_nothing() {
    let mut case = Case::new();
    let mut given = answer(3.0);
    given.policies.insert(UserId::new("stranger").unwrap(), policy(1.0, 1.0));
    case.apply(&given, 0);
    assert_eq!(case.leases.users(), 1);
    case.expect_refill_rate("stranger", 7.0);
}

#[test]
fn numbers_without_reason_are_cut_to_the_bounds() {
    let mut case = Case::new();
    case.apply(&BatchAnswer { guard_ms: Some(1e-9), ..answer(1e300) }, 0);
    case.expect_refill_rate("u", 1e6);
    assert_eq!(case.admission.guard_ms(), Some(10.0), "a twentieth of the SLO");
    case.apply(&BatchAnswer { guard_ms: Some(1e300), ..answer(0.0) }, 0);
    case.expect_refill_rate("u", 0.05);
    assert_eq!(case.admission.guard_ms(), Some(3.6e6));
}

#[test]
fn an_absurd_time_to_live_is_cut_to_an_hour_and_one_shorter_than_two_cycles_lasts_two() {
    let mut case = Case::new();
    case.apply(&BatchAnswer { ttl_ms: u64::MAX, ..answer(3.0) }, 1);
    assert!(case.leases.edge_holds(3600 * SECOND_NS) && !case.leases.edge_holds(3600 * SECOND_NS + 1));
    case.apply(&BatchAnswer { ttl_ms: 0, ..answer(3.0) }, 0);
    assert!(case.leases.edge_holds(SECOND_NS / 5 - 1) && !case.leases.edge_holds(SECOND_NS / 5));
}

#[test]
fn a_long_policy_version_is_cut() {
    let mut case = Case::new();
    case.apply(&BatchAnswer { policy_version: "é".repeat(100_000), ..answer(3.0) }, 0);
    assert_eq!(case.leases.policy_version.as_deref().map(|version| version.chars().count()), Some(128));
}

#[test]
fn the_local_loop_decides_for_everyone_once_the_edge_is_silent_and_the_edge_again_when_it_answers() {
    let mut case = Case::new();
    case.cycle(&["u"], 0);
    case.expect_refill_rate("u", 10.0);
    case.apply(&answer(3.0), 0);
    case.cycle(&["u", "v"], SECOND_NS);
    case.expect_refill_rate("u", 3.0);
    case.expect_refill_rate("v", 7.0);
    case.cycle(&["u", "v"], 6 * SECOND_NS);
    case.expect_refill_rate("u", 10.0);
    case.expect_refill_rate("v", 10.0);
    case.apply(&answer(4.0), 7 * SECOND_NS);
    case.expect_refill_rate("u", 4.0);
}

#[test]
fn a_user_leased_for_long_does_not_keep_that_from_a_silent_edge() {
    let mut case = Case::new();
    case.apply(&BatchAnswer { ttl_ms: 3_600_000, ..answer(3.0) }, 0);
    case.apply(&BatchAnswer { policies: HashMap::new(), ..answer(3.0) }, SECOND_NS);
    case.cycle(&["u"], 2 * SECOND_NS);
    case.expect_refill_rate("u", 3.0);
    case.cycle(&["u"], 7 * SECOND_NS);
    case.expect_refill_rate("u", 10.0);
}

#[test]
fn an_edge_of_single_events_decides_for_its_users_and_the_local_loop_for_the_others() {
    let mut case = Case::new();
    case.apply(&answer(3.0), 0);
    let single: PolicyAnswer = serde_json::from_str(r#"{"bucketSize":2,"refillRate":2.5}"#).unwrap();
    case.apply_single(&single, 6 * SECOND_NS);
    case.cycle(&["u", "v"], 7 * SECOND_NS);
    assert!(case.leases.edge_holds(7 * SECOND_NS));
    case.expect_refill_rate("u", 2.5);
    case.expect_refill_rate("v", 10.0);
    case.expect_refill_rate("never-seen", 10.0);
    assert_eq!(case.admission.guard_ms(), Some(100.0), "the guard is the local loop's again");
    let guarding: PolicyAnswer =
        serde_json::from_str(r#"{"bucketSize":2,"refillRate":2.5,"guardMs":80}"#).unwrap();
    case.apply_single(&guarding, 7 * SECOND_NS);
    case.cycle(&["u"], 8 * SECOND_NS);
    assert_eq!(case.admission.guard_ms(), Some(80.0));
}

proptest! {
    #[test]
    fn whatever_an_edge_answers_nothing_leaves_the_operators_bounds(
        sizes in any::<[f64; 3]>(),
        refill_rates in any::<[f64; 3]>(),
        guard_ms in any::<Option<f64>>(),
        ttl_ms in any::<u64>(),
        now_ns in any::<u32>(),
    ) {
        let mut case = Case::new();
        let policy = |at: usize| policy(sizes[at], refill_rates[at]);
        let given = BatchAnswer {
            policies: [(UserId::new("u").unwrap(), policy(0))].into(),
            defaults: policy(1),
            newcomers: Some(policy(2)),
            guard_ms,
            ttl_ms,
            ..answer(1.0)
        };
        let now_ns = u64::from(now_ns);
        case.apply(&given, now_ns);
        let bounds = CollectorSettings::default().bounds;
        for user in ["u", "never-seen"] {
            let params = case.admission.take(&UserId::new(user).unwrap(), &Context::default()).params();
            prop_assert!((bounds.bucket_size_min..=bounds.bucket_size_max).contains(&params.capacity()));
            prop_assert!((bounds.refill_rate_min..=bounds.refill_rate_max).contains(&params.refill_rate()));
        }
        prop_assert!(case.admission.guard_ms().is_none_or(|ms| (10.0..=3.6e6).contains(&ms)));
        prop_assert!(!case.leases.edge_holds(now_ns + 3600 * SECOND_NS));
    }
}

#[test]
fn guard_times_of_classes_and_dependencies_are_leased_with_the_common_one() {
    let mut case = Case::new();
    let tv = Context { device_type: Some("tv".into()), ..Context::default() };
    let mut counts = UserCounts::new(UserId::new("u").unwrap(), 1, 0);
    counts.context = tv.clone();
    let collector = openclaw_protocol::CollectorInfo { id: "c".into(), service: "s".into(), epoch: 1 };
    let gauge = openclaw_protocol::DependencyGauge { name: "search".into(), in_flight: 0, completed: 0 };
    case.local.report(
        &openclaw_controller::Report {
            collector: &collector,
            seq: 1,
            in_flight: 0,
            totals: openclaw_protocol::Totals::default(),
            users: &[counts],
            dependencies: &[gauge],
            round_trip_s: None,
        },
        0,
    );
    let mut leased = answer(3.0);
    leased.guard_ms = Some(90.0);
    leased.classes = vec![ClassGuard { context: tv, guard_ms: 40.0 }];
    leased.dependencies = vec![
        DependencyGuard { name: "search".into(), guard_ms: 30.0 },
        DependencyGuard { name: "broken".into(), guard_ms: -1.0 },
    ];
    case.apply(&leased, 0);
    let times = case.leases.gate_times(&case.local, "c", SECOND_NS);
    assert_eq!(times.classes.as_slice(), [None, Some(0.04)]);
    assert_eq!(times.dependencies.as_slice(), [Some(0.03)]);
    let lapsed = case.leases.gate_times(&case.local, "c", 10 * SECOND_NS);
    assert_eq!(lapsed, case.local.assignment(Some("c"), 10 * SECOND_NS).gate_times());
}
