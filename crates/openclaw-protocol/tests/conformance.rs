//! The edge's answers against the cases that every language runs (`sdk/conformance`).
#![expect(clippy::unwrap_used, reason = "a case that cannot be read must fail its test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use openclaw_protocol::{BatchAnswer, BucketPolicy, PolicyAnswer};
use serde_json::Value;

fn cases() -> Vec<Value> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sdk/conformance/answers.json");
    let read: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    read["cases"].as_array().unwrap().clone()
}

/// As collectors read what is posted to `to`: everything that the case tells of it, or what is wrong with it.
fn read(to: &str, answer: &str) -> Result<BTreeMap<&'static str, Value>, serde_json::Error> {
    if to == "event" {
        let read: PolicyAnswer = serde_json::from_str(answer)?;
        let ttl = read.ttl_ms.map(|ms| ("ttlMs", ms.into()));
        return Ok([("policy", policy(&read.policy))].into_iter().chain(ttl).collect());
    }
    let read: BatchAnswer = serde_json::from_str(answer)?;
    let policies = read.policies.iter().map(|(user, own)| (user.to_string(), policy(own))).collect();
    let rejected = read.rejected.iter().map(|item| Value::from(item.index)).collect();
    Ok([
        ("policies", Value::Object(policies)),
        ("ttlMs", read.ttl_ms.into()),
        ("rejected", Value::Array(rejected)),
    ]
    .into())
}

fn policy(policy: &BucketPolicy) -> Value {
    serde_json::to_value(policy).unwrap()
}

/// 2 and 2.0 are one number, whatever JSON types they have here.
fn plain(value: &Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().unwrap().into(),
        Value::Array(items) => items.iter().map(plain).collect(),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), plain(value))).collect(),
        other => other.clone(),
    }
}

#[test]
fn answers_are_read_as_in_every_language() {
    let cases = cases();
    assert!(cases.len() > 5);
    for case in &cases {
        let name = &case["name"];
        let found = read(case["to"].as_str().unwrap(), &case["answer"].to_string());
        if case["unreadable"] == true {
            assert!(found.is_err(), "{name}: was read as {found:?}");
            continue;
        }
        let found = found.unwrap_or_else(|error| panic!("{name}: {error}"));
        for part in ["policy", "policies", "ttlMs", "rejected"] {
            let found = found.get(part).map(plain);
            assert_eq!(found, case.get(part).map(plain), "{name}: {part}");
        }
    }
}
