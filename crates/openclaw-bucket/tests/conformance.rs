//! The bucket against the cases that every language runs (`sdk/conformance`).
//!
//! The written cases say what a bucket must do; the courses, long random ones, are what this crate does, recorded so that the others
//! can be held to it. After a deliberate change of the arithmetic they are written anew with
//! `OPENCLAW_WRITE_COURSES=1 cargo test -p openclaw-bucket --test conformance`.
#![cfg(not(loom))]
#![expect(clippy::unwrap_used, reason = "a case that cannot be read must fail its test")]

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use openclaw_bucket::{Bucket, BucketParams, Decision, InvalidParams};
use serde_json::{Value, json};

const UNITS_PER_TOKEN: f64 = 1_048_576.0;

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../sdk/conformance").join(name)
}

fn cases(name: &str) -> Vec<Value> {
    let text = fs::read_to_string(file(name)).unwrap();
    let read: Value = serde_json::from_str(&text).unwrap();
    let cases = read["cases"].as_array().unwrap().clone();
    assert!(!cases.is_empty(), "{name} has no case");
    cases
}

/// JSON has no NaN and no infinities; the cases write them as text.
fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| value.as_str().unwrap().parse().unwrap())
}

fn params(value: &Value) -> Result<BucketParams, &'static str> {
    let params = BucketParams::new(number(&value["bucketSize"]), number(&value["refillRate"]));
    params.map_err(|fault| match fault {
        InvalidParams::Capacity { .. } => "bucketSize",
        InvalidParams::RefillRate { .. } => "refillRate",
    })
}

fn wait(value: &Value) -> Option<Duration> {
    value.as_u64().map(Duration::from_nanos)
}

/// Levels are whole units: compared as such, so that no language's division decides.
fn units(tokens: f64) -> f64 {
    (tokens * UNITS_PER_TOKEN).round()
}

fn check(bucket: &Bucket, step: &Value) {
    let now_ns = step["atNs"].as_u64().unwrap();
    if let Some(update) = step.get("update") {
        let refused = step.get("refused").map(|field| field.as_str().unwrap());
        assert_eq!(params(update).err(), refused, "refused");
        if let Ok(params) = params(update) {
            (0..step["times"].as_u64().unwrap_or(1)).for_each(|_| bucket.set_params(params, now_ns));
        }
    } else if let Some(cost) = step.get("consume") {
        let decision = bucket.try_acquire(number(cost), now_ns);
        assert_eq!(decision.is_allowed(), step["allowed"].as_bool().unwrap(), "allowed");
        match decision {
            Decision::Allowed(allowed) if step.get("resetAfterNs").is_some() => {
                let expected = wait(&step["resetAfterNs"]).unwrap_or(Duration::MAX);
                assert_eq!(allowed.reset_after, expected, "resetAfterNs");
            }
            Decision::Limited(limited) if step.get("retryAfterNs").is_some() => {
                assert_eq!(limited.retry_after, wait(&step["retryAfterNs"]), "retryAfterNs");
            }
            _ => {}
        }
    }
    if let Some(level) = step.get("level") {
        assert_eq!(units(bucket.peek(now_ns).level), units(number(level)), "level");
    }
}

fn play(case: &Value) {
    let params = params(&case["bucket"]);
    assert_eq!(params.err(), case.get("refused").map(|field| field.as_str().unwrap()), "refused");
    let Ok(params) = params else { return };
    let bucket = Bucket::new(params);
    for step in case["steps"].as_array().unwrap() {
        let name = &case["name"];
        let shown = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&bucket, step)));
        assert!(shown.is_ok(), "in the case {name}, at the step {step}");
    }
}

#[test]
fn the_written_cases_hold() {
    cases("bucket.json").iter().for_each(play);
}

#[test]
fn the_recorded_courses_hold() {
    if std::env::var_os("OPENCLAW_WRITE_COURSES").is_some() {
        record();
    }
    cases("courses.json").iter().for_each(play);
}

/// A generator that any language could have: the courses are the same whoever records them.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    /// Short decimals, from a thousandth to some thousands.
    fn decimal(&mut self) -> f64 {
        let digits = 1 + self.below(4);
        let scale = 10_f64.powi(self.below(4) as i32 - 3);
        (self.below(10_u64.pow(digits as u32)) as f64 * scale * 1e3).round() / 1e3
    }
}

fn record() {
    let courses: Vec<Value> = (1..=12).map(course).collect();
    let steps = courses.iter().map(|course| course["steps"].as_array().unwrap().len()).sum::<usize>();
    let about = format!("{} random courses of {steps} steps, recorded from the Rust bucket.", courses.len());
    // A step a line, so that a change can be read.
    let mut text = format!("{{\n\"about\": {},\n\"cases\": [\n", json!(about));
    for (place, course) in courses.iter().enumerate() {
        let steps: Vec<String> = course["steps"].as_array().unwrap().iter().map(Value::to_string).collect();
        let comma = if place + 1 < courses.len() { "," } else { "" };
        text += &format!(
            "{{\"name\":{},\"bucket\":{},\"steps\":[\n{}\n]}}{comma}\n",
            course["name"],
            course["bucket"],
            steps.join(",\n")
        );
    }
    fs::write(file("courses.json"), text + "]}\n").unwrap();
}

fn course(seed: u64) -> Value {
    let mut draw = Draw(seed);
    let drawn = |draw: &mut Draw| json!({ "bucketSize": draw.decimal(), "refillRate": draw.decimal() });
    let initial = drawn(&mut draw);
    let bucket = Bucket::new(params(&initial).unwrap());
    // Since a process began, in nanoseconds; or since 1970, in steps of 4 ms: doubles hold no finer ones.
    let (mut now_ns, finest_ns) =
        if seed.is_multiple_of(2) { (0, 1) } else { (1_790_000_000_000_000_000, 4_000_000) };
    let mut steps = Vec::new();
    for _ in 0..60 {
        let passed_ns = match draw.below(4) {
            0 => 0,
            1 => draw.below(1_000),
            2 => draw.below(50_000_000),
            _ => draw.below(3_000_000_000),
        };
        now_ns += passed_ns / finest_ns * finest_ns;
        if draw.below(5) == 0 {
            let update = drawn(&mut draw);
            bucket.set_params(params(&update).unwrap(), now_ns);
            let level = bucket.peek(now_ns).level;
            steps.push(json!({ "atNs": now_ns, "update": update, "level": level }));
            continue;
        }
        let cost = draw.decimal() / 10.0;
        let ns = |wait: Option<Duration>| match wait {
            Some(wait) if wait != Duration::MAX => json!(wait.as_nanos() as u64),
            _ => json!("never"),
        };
        let mut step = match bucket.try_acquire(cost, now_ns) {
            Decision::Allowed(allowed) => {
                json!({ "allowed": true, "resetAfterNs": ns(Some(allowed.reset_after)) })
            }
            Decision::Limited(limited) => {
                json!({ "allowed": false, "retryAfterNs": ns(limited.retry_after) })
            }
        };
        step["atNs"] = json!(now_ns);
        step["consume"] = json!(cost);
        step["level"] = json!(bucket.peek(now_ns).level);
        steps.push(step);
    }
    json!({ "name": format!("course {seed}"), "bucket": initial, "steps": steps })
}
