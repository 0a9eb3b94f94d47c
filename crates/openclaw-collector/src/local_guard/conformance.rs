//! The guard against the cases that every language runs (`sdk/conformance`, `guard.json` and `guard-courses.json`).
//!
//! The written cases say what a guard must do; the courses are what this one does, recorded so that the others can be held
//! to it. After a deliberate change of the law they are written anew with
//! `OPENCLAW_WRITE_COURSES=1 cargo test -p openclaw-collector guards_are`.

use std::collections::HashMap;

use openclaw_controller::{StallLaw, ThroughputMeter};
use openclaw_protocol::{BatchAnswer, PolicyAnswer};
use serde_json::{Value, json};

use super::*;
use crate::admission::Admission;
use crate::conformance::{cases, plain};
use crate::leases::Leases;
use crate::settings::CollectorSettings;

/// Time between two moves of the limits: the collector's usual cycle.
const MOVE_NS: u64 = 100_000_000;

/// What the collector's cycle does with guard and leases, at times of the case.
struct Stage {
    admission: Admission,
    leases: Leases,
    meter: ThroughputMeter,
    moved_ns: Option<u64>,
    /// Requests in flight by user, the oldest first, and when they entered.
    entered: HashMap<UserId, Vec<(u64, InFlight)>>,
}

impl Stage {
    fn new() -> Self {
        let settings = CollectorSettings::default();
        let mut admission = Admission::new(&settings);
        let guard = &mut admission.local_guard;
        // Stalls are not for the languages that have one thread, and shares must not depend on a secret here.
        guard.law.stall = StallLaw { missing: f64::INFINITY, ..guard.law.stall };
        guard.guard = Arc::new(InFlightGuard::new(u32::MAX));
        let leases = Leases::new(settings.ttl, settings.flush_interval);
        Self { admission, leases, meter: ThroughputMeter::default(), moved_ns: None, entered: HashMap::new() }
    }

    /// One step; returns what is in flight, and the guard time and cap that follow.
    fn take(&mut self, step: &Value) {
        let now_ns = step["atMs"].as_u64().unwrap() * 1_000_000;
        self.admission.local_guard.clock = Clock::standing_at(now_ns);
        self.advance(now_ns);
        if let Some(given) = step.get("answer") {
            let mut whole = json!({
                "policies": {}, "policyVersion": "v", "ttlMs": 5000, "defaults": { "bucketSize": 20, "refillRate": 10 }
            });
            whole.as_object_mut().unwrap().extend(given.as_object().unwrap().clone());
            let answer: BatchAnswer = serde_json::from_value(whole).unwrap();
            self.leases.apply(&answer, &std::iter::empty().collect(), &self.admission, now_ns);
        }
        if let Some(given) = step.get("single") {
            let mut whole = json!({ "bucketSize": 20, "refillRate": 10 });
            whole.as_object_mut().unwrap().extend(given.as_object().unwrap().clone());
            let answer: PolicyAnswer = serde_json::from_value(whole).unwrap();
            self.leases.apply_single(&UserId::new("u").unwrap(), &answer, &self.admission, now_ns);
        }
        self.set_limits();
        let times = step["times"].as_u64().unwrap_or(1);
        if let Some(user) = step.get("enter") {
            self.enter(step, &serde_json::from_value(user.clone()).unwrap(), times, now_ns);
        }
        if let Some(user) = step.get("leave") {
            self.leave(&serde_json::from_value(user.clone()).unwrap(), times, now_ns);
            self.set_limits();
        }
        if let Some(expected) = step.get("is") {
            assert_eq!(plain(&self.is()), plain(expected));
        }
    }

    /// Advances the throughput where it is time to, and lets the edge's word lapse.
    fn advance(&mut self, now_ns: u64) {
        let since_ns = now_ns - *self.moved_ns.get_or_insert(now_ns);
        if since_ns < MOVE_NS {
            return;
        }
        let guard = &self.admission.local_guard;
        self.meter.advance(guard.requests_done.load(Relaxed), since_ns as f64 / 1e9);
        self.moved_ns = Some(now_ns);
        if now_ns >= self.leases.class_guards().1 {
            // Where this crate asks its local loop.
            let slo = CollectorSettings::default().slo;
            assert!(guard.set_guard_s(Some(slo.as_secs_f64() / 2.0)));
        }
    }

    fn set_limits(&self) {
        let now_ns = self.moved_ns.unwrap();
        let (leased, until_ns) = self.leases.class_guards();
        let leased = if now_ns < until_ns { leased } else { &[] };
        let plain = Context::default();
        let named = leased.iter().filter(|(context, _)| !context.is_empty());
        let of_plain = leased.iter().find(|(context, _)| context.is_empty()).map(|(_, guard_s)| *guard_s);
        let classes = std::iter::once((&plain, of_plain))
            .chain(named.map(|(context, guard_s)| (context, Some(*guard_s))));
        let times = GateTimes {
            classes: classes.clone().map(|(_, guard_s)| guard_s).collect(),
            ..GateTimes::default()
        };
        let classes = classes.map(|(context, _)| LocalClass { context, calls: PerDependency::new() });
        self.admission.local_guard.move_limits(times, self.meter.throughput(), &[], 0.0, classes);
    }

    fn enter(&mut self, step: &Value, user: &UserId, times: u64, now_ns: u64) {
        let context: Context = step
            .get("context")
            .map(|words| serde_json::from_value(words.clone()).unwrap())
            .unwrap_or_default();
        let mut refused = None;
        let mut entered = 0;
        for _ in 0..times {
            match self.admission.enter(user, &context) {
                Ok(in_flight) => {
                    entered += 1;
                    self.entered.entry(user.clone()).or_default().push((now_ns, in_flight));
                }
                Err(full) => refused = Some(json!({ "inFlight": full.in_flight, "cap": full.cap })),
            }
        }
        assert_eq!(entered, step["entered"].as_u64().unwrap_or(times), "entered");
        assert_eq!(refused.as_ref(), step.get("full"), "full");
    }

    fn leave(&mut self, user: &UserId, times: u64, now_ns: u64) {
        for _ in 0..times {
            let (entered_ns, in_flight) = self.entered.get_mut(user).unwrap().remove(0);
            self.admission.request_done(Duration::from_nanos(now_ns - entered_ns), true);
            drop(in_flight);
        }
    }

    fn is(&self) -> Value {
        let guard = &self.admission.local_guard;
        // A time is kept in whole nanoseconds.
        let guard_ms = guard.guard_s().map(|guard_s| (guard_s * 1e9).round() / 1e6);
        json!({ "inFlight": guard.in_flight(), "cap": guard.cap(), "guardMs": guard_ms })
    }
}

fn play(case: &Value) {
    let mut stage = Stage::new();
    for step in case["steps"].as_array().unwrap() {
        let taken = std::panic::AssertUnwindSafe(|| stage.take(step));
        assert!(std::panic::catch_unwind(taken).is_ok(), "in {}, at {step}", case["name"]);
    }
}

#[test]
fn guards_are_those_of_every_language() {
    let cases = cases("guard.json");
    let own = cases.iter().filter(|case| case.get("only").is_none());
    assert!(own.clone().count() > 5);
    own.for_each(play);
}

#[test]
fn guards_are_as_recorded() {
    if std::env::var_os("OPENCLAW_WRITE_COURSES").is_some() {
        record();
    }
    cases("guard-courses.json").iter().for_each(play);
}

/// A generator that any language could have: the courses are the same whoever records them.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// A course: what arrives and ends, at random, and what came of it.
fn course(seed: u64) -> Value {
    let mut draw = Draw(seed);
    let mut stage = Stage::new();
    // Two that stay: nobody ever waits for nobody, which the SDKs would learn from.
    let mut steps = vec![json!({ "atMs": 1, "enter": "stays", "times": 2 })];
    stage.take(&steps[0]);
    let mut at_ms = 1;
    while steps.len() < 60 {
        at_ms += [1, 7, 30, 100, 130, 900][draw.below(6) as usize];
        let user = ["ann", "bob", "cy"][draw.below(3) as usize];
        let mut step = json!({ "atMs": at_ms });
        let times = 1 + draw.below(40);
        let holds = stage.entered.get(user).map_or(0, |held| held.len() as u64);
        match draw.below(8) {
            0 => {
                let guard_ms = [12.5, 30.0, 72.0, 150.0, 180.0][draw.below(5) as usize];
                step["answer"] = json!({ "guardMs": guard_ms, "ttlMs": 200 + draw.below(3000) });
                if draw.below(2) == 0 {
                    let class = json!({ "context": { "deviceType": "tv" }, "guardMs": guard_ms / 2.0 });
                    step["answer"]["classes"] = json!([class]);
                }
            }
            1..=3 if holds > 0 => {
                step["leave"] = user.into();
                step["times"] = (1 + draw.below(holds)).into();
            }
            _ => {
                step["enter"] = user.into();
                step["times"] = times.into();
                if draw.below(4) == 0 {
                    step["context"] = json!({ "deviceType": "tv" });
                }
                foretell(&mut stage, &mut step);
                steps.push(step);
                continue;
            }
        }
        stage.take(&step);
        step["is"] = stage.is();
        steps.push(step);
    }
    json!({ "name": format!("course {seed}"), "steps": steps })
}

/// Lets the users of a step enter and notes in it what came of that.
fn foretell(stage: &mut Stage, step: &mut Value) {
    let user: UserId = serde_json::from_value(step["enter"].clone()).unwrap();
    let now_ns = step["atMs"].as_u64().unwrap() * 1_000_000;
    stage.take(&json!({ "atMs": step["atMs"] }));
    let context: Context = serde_json::from_value(step["context"].clone()).unwrap_or_default();
    let mut entered = 0;
    for _ in 0..step["times"].as_u64().unwrap() {
        match stage.admission.enter(&user, &context) {
            Ok(in_flight) => {
                entered += 1;
                stage.entered.entry(user.clone()).or_default().push((now_ns, in_flight));
            }
            Err(full) => step["full"] = json!({ "inFlight": full.in_flight, "cap": full.cap }),
        }
    }
    step["entered"] = entered.into();
    step["is"] = stage.is();
}

fn record() {
    let about = "Random courses of in-flight guards, recorded from the crate openclaw-collector.";
    let courses: Vec<String> = (1..=8).map(|seed| shown(&course(seed))).collect();
    let text = format!("{{\n  \"about\": \"{about}\",\n  \"cases\": [\n{}\n  ]\n}}\n", courses.join(",\n"));
    let file =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sdk/conformance/guard-courses.json");
    std::fs::write(file, text).unwrap();
}

/// A case with one step a line.
fn shown(case: &Value) -> String {
    let steps: Vec<String> =
        case["steps"].as_array().unwrap().iter().map(|step| format!("        {step}")).collect();
    format!(
        "    {{\n      \"name\": {},\n      \"steps\": [\n{}\n      ]\n    }}",
        case["name"],
        steps.join(",\n")
    )
}
