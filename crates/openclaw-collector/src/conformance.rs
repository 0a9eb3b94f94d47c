//! The collector against the cases that every language runs (`sdk/conformance`): endpoints, pauses, batches, refusals.
//!
//! Inside the crate, because the parts that the cases are about are private. Leases have theirs beside their tests.

use std::fs;
use std::path::Path;
use std::time::Duration;

use openclaw_bucket::{Allowed, BucketParams, GuardFull, Limited, RefusedBy, Standing};
use openclaw_protocol::{BucketPolicy, CollectorInfo, Context, RatingEvent, UserId};
use serde_json::Value;

use crate::admission::Admission;
use crate::breaker::Backoff;
use crate::counters::{Counters, Verdict};
use crate::delivery::retry_after_field;

use crate::outbox::Outbox;
use crate::refusal::{RateLimitFields, bucket_problem, guard_problem, retry_after};
use crate::settings::{CollectorSettings, EdgeTarget};

/// When the cases' answers were made, by their field `Date`.
const DATE: Option<&str> = Some("Sun, 06 Nov 1994 08:49:37 GMT");

/// The cases of a file, of which there is at least one.
pub(crate) fn cases(name: &str) -> Vec<Value> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sdk/conformance").join(name);
    let read: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let cases = read["cases"].as_array().unwrap().clone();
    assert!(!cases.is_empty(), "{name} has no case");
    cases
}

fn read<T: serde::de::DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap()
}

/// 2 and 2.0 are one number, whatever JSON types they have here.
pub(crate) fn plain(value: &Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().unwrap().into(),
        Value::Array(items) => items.iter().map(plain).collect(),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), plain(value))).collect(),
        other => other.clone(),
    }
}

#[test]
fn endpoints_are_derived_and_refused_as_in_every_language() {
    for case in cases("endpoints.json") {
        let endpoint = case["endpoint"].as_str().unwrap();
        let target = EdgeTarget::new(endpoint, None, Duration::from_secs(1));
        if let Some(reason) = case.get("refused") {
            let message = target.unwrap_err().to_string();
            assert!(message.contains(reason.as_str().unwrap()), "{}: {message}", case["name"]);
            let never = case.get("never").is_some_and(|never| message.contains(never.as_str().unwrap()));
            assert!(!never, "{}: {message}", case["name"]);
        } else {
            let target = target.unwrap();
            assert_eq!(target.event_url, endpoint);
            let batch_url = target.batch_url.as_ref().map(ToString::to_string);
            assert_eq!(batch_url.as_deref(), case["batchUrl"].as_str(), "{}", case["name"]);
        }
    }
}

#[test]
fn pauses_are_those_of_every_language() {
    for case in cases("backoff.json") {
        let mut backoff = Backoff::default();
        for step in case["steps"].as_array().unwrap() {
            if step.get("succeeded").is_some() {
                backoff.succeeded();
                continue;
            }
            let jitter = step["failed"].as_f64().unwrap();
            let times = step["times"].as_u64().unwrap_or(1);
            let asked =
                step.get("retryAfter").and_then(|field| retry_after_field(field.as_str().unwrap(), DATE));
            let pause = (0..times).map(|_| backoff.failed(jitter, asked)).last().unwrap();
            assert_eq!(pause.as_secs_f64() * 1e3, step["pauseMs"].as_f64().unwrap(), "{step}");
        }
    }
}

/// What a cycle does with counters and queue, without its clock.
struct Batches {
    counters: Counters,
    outbox: Outbox,
    queued: Vec<RatingEvent>,
    dropped: usize,
}

impl Batches {
    fn new(settings: &Value) -> Self {
        let bound = |name: &str| settings[name].as_u64().unwrap() as usize;
        let (batch_max, queue_max, users_max) = (bound("batchMax"), bound("queueMax"), bound("usersMax"));
        Self {
            counters: Counters::new(users_max, metrics::Counter::noop()),
            outbox: Outbox::new(batch_max, queue_max, users_max),
            queued: Vec::new(),
            dropped: 0,
        }
    }

    fn gather(&mut self) {
        let users = self.counters.drain_active(|user| self.outbox.pending(user));
        self.dropped += self.outbox.fill(std::mem::take(&mut self.queued), users);
    }

    fn count(&mut self, step: &Value) {
        if let Some(user) = step.get("attempt") {
            let verdict = if step["accepted"] == true { Verdict::Accepted } else { Verdict::Throttled };
            let context: Context = step.get("context").map(read).unwrap_or_default();
            self.counters.attempt(&read::<UserId>(user), &context, verdict, 0);
        }
        if let Some(ended) = step.get("ended") {
            if ended == "completed" { self.counters.completed() } else { self.counters.failed() }
        }
        self.queued.extend(step.get("event").map(read::<RatingEvent>));
    }

    fn post(&mut self, step: &Value) {
        let Some(expected) = step.get("batch") else { return };
        self.gather();
        let collector = CollectorInfo { id: "c".into(), service: "rating".into(), epoch: 1_790_000_000_000 };
        let in_flight = step["inFlight"].as_u64().unwrap_or(0) as u32;
        let mut batch =
            self.outbox.next_batch(collector, in_flight, self.counters.totals(), Vec::new(), usize::MAX);
        // Users of one drain come in any order: they are counted in shards.
        batch.users.sort_by(|one, other| one.user_id.cmp(&other.user_id));
        assert_eq!(plain(&serde_json::to_value(&batch).unwrap()), plain(expected));
        match step["then"].as_str() {
            Some("lost") => self.dropped += self.outbox.put_back(batch.events, batch.users),
            Some("refused") => {
                self.outbox.done(batch.events.len());
                self.dropped += batch.events.len();
            }
            _ => {
                self.outbox.done(batch.events.len());
                let round_trip_ms = step["roundTripMs"].as_f64().unwrap_or(1.0);
                self.outbox.succeeded(Duration::from_secs_f64(round_trip_ms / 1e3));
            }
        }
    }
}

#[test]
fn batches_are_those_of_every_language() {
    for case in cases("batches.json") {
        let mut batches = Batches::new(&case["settings"]);
        for step in case["steps"].as_array().unwrap() {
            batches.count(step);
            if step.get("gather").is_some() {
                batches.gather();
            }
            batches.post(step);
            for (name, found) in [("waiting", batches.outbox.waiting()), ("dropped", batches.dropped)] {
                let expected = step.get(name).map_or(found, |count| count.as_u64().unwrap() as usize);
                assert_eq!(found, expected, "{}: {name}", case["name"]);
            }
        }
    }
}

fn params(value: &Value) -> BucketParams {
    let policy: BucketPolicy = read(value);
    BucketParams::new(policy.bucket_size, policy.refill_rate).unwrap()
}

#[test]
fn refusals_are_those_of_every_language() {
    for case in cases("refusals.json") {
        if let Some(full) = case.get("guard") {
            let number = |name: &str| u32::try_from(full[name].as_u64().unwrap()).unwrap();
            let problem = guard_problem(&GuardFull { in_flight: number("inFlight"), cap: number("cap") });
            assert_eq!(serde_json::to_value(problem).unwrap(), case["problem"], "{}", case["name"]);
            let wait_s = openclaw_bucket::fields::retry_after_s(Duration::from_nanos(
                full["waitNs"].as_u64().unwrap(),
            ));
            assert_eq!(
                case["fields"],
                serde_json::json!({ "Retry-After": wait_s.to_string() }),
                "{}",
                case["name"]
            );
            continue;
        }
        let decision = &case["decision"];
        let wait = decision["waitNs"].as_u64().map(Duration::from_nanos);
        let remaining = decision["level"].as_f64().unwrap();
        let (params, standing) = (params(decision), Standing::Assigned);
        if decision["allowed"] == true {
            let reset_after = wait.unwrap_or(Duration::MAX);
            let fields = RateLimitFields::of_allowed(&Allowed { remaining, reset_after, params, standing });
            expect_fields(&case, &fields, None);
            continue;
        }
        let refused_by = match decision["refusedBy"].as_str().unwrap() {
            "own" => RefusedBy::Own,
            "newcomers" => RefusedBy::Newcomers,
            _ => RefusedBy::Overflow,
        };
        let limited = Limited { retry_after: wait, remaining, params, standing, refused_by };
        let wait_s = openclaw_bucket::fields::retry_after_s(retry_after(&limited));
        expect_fields(&case, &RateLimitFields::of_limited(&limited), Some(wait_s.to_string()));
        let settings = CollectorSettings { defaults: read(&case["usual"]), ..CollectorSettings::default() };
        let problem = bucket_problem(&limited, &Admission::new(&settings), case["verb"].as_str().unwrap());
        assert_eq!(serde_json::to_value(problem).unwrap(), case["problem"], "{}", case["name"]);
    }
}

fn expect_fields(case: &Value, found: &RateLimitFields, retry_after: Option<String>) {
    let expected = |name: &str| case["fields"].get(name).map(|field| field.as_str().unwrap().to_owned());
    assert_eq!(Some(&found.rate_limit), expected("RateLimit").as_ref(), "{}", case["name"]);
    assert_eq!(Some(&found.rate_limit_policy), expected("RateLimit-Policy").as_ref(), "{}", case["name"]);
    assert_eq!(retry_after, expected("Retry-After"), "{}", case["name"]);
}
