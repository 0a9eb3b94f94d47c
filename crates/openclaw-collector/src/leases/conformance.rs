//! Leases against the cases that every language runs (`sdk/conformance/leases.json`), but for those that are about what
//! the SDKs do where this crate has its local loop.

use openclaw_controller::Bounds;
use serde_json::{Value, json};

use super::*;
use crate::conformance::cases;
use crate::settings::CollectorSettings;

/// The answer as an edge sends it: with the fields that the case does not care about.
fn answer(given: &Value) -> BatchAnswer {
    let mut whole = json!({ "policyVersion": "v" });
    let fields = given.as_object().unwrap().clone();
    whole.as_object_mut().unwrap().extend(fields);
    serde_json::from_value(whole).unwrap()
}

fn check(step: &Value, leases: &mut Leases, admission: &Admission) {
    let now_ns = step["atMs"].as_u64().unwrap() * 1_000_000;
    let asked: Vec<UserId> =
        step.get("asked").map(|asked| serde_json::from_value(asked.clone()).unwrap()).unwrap_or_default();
    leases.sweep(admission, now_ns);
    if let Some(given) = step.get("answer") {
        leases.apply(&answer(given), &asked.iter().collect(), admission, now_ns);
    }
    if let Some(given) = step.get("single") {
        let given: PolicyAnswer = serde_json::from_value(given.clone()).unwrap();
        leases.apply_single(&asked[0], &given, admission, now_ns);
    }
    if let Some(holds) = step.get("edgeHolds") {
        assert_eq!(leases.edge_holds(now_ns), holds.as_bool().unwrap());
    }
    if let Some(user) = step.get("user") {
        let user = UserId::new(user.as_str().unwrap()).unwrap();
        let params = admission.take(&user, &Context::default()).params();
        let expected: BucketPolicy = serde_json::from_value(step["is"].clone()).unwrap();
        let found = BucketPolicy { bucket_size: params.capacity(), refill_rate: params.refill_rate() };
        assert_eq!(found, expected);
        assert_eq!(leases.users.contains_key(&user), step["own"].as_bool().unwrap());
    }
}

#[test]
fn leases_are_those_of_every_language() {
    let settings = CollectorSettings {
        defaults: BucketPolicy { bucket_size: 20.0, refill_rate: 10.0 },
        bounds: Bounds::default(),
        ttl: Duration::from_secs(5),
        flush_interval: Duration::from_millis(100),
        ..CollectorSettings::default()
    };
    let cases = cases("leases.json");
    let own = cases.iter().filter(|case| case.get("only").is_none());
    assert!(own.clone().count() > 5);
    for case in own {
        let admission = Admission::new(&settings);
        let mut leases = Leases::new(settings.ttl, settings.flush_interval);
        for step in case["steps"].as_array().unwrap() {
            let checked = std::panic::AssertUnwindSafe(|| check(step, &mut leases, &admission));
            assert!(std::panic::catch_unwind(checked).is_ok(), "in {}, at {step}", case["name"]);
        }
    }
}
