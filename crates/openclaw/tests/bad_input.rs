//! Whatever arrives, the answer is a problem document that says what was wrong, the good ratings are kept, and
//! the process goes on serving.

#![expect(clippy::unwrap_used, reason = "tests stop at the first surprise, their fixtures too")]

#[path = "bad_input/cases.rs"]
mod cases;
#[expect(dead_code, reason = "every test program uses its own part of it")]
mod support;

use cases::{Case, GOOD, event_cases, events_cases, path_cases, rating_cases};
use serde_json::{Value, json};
use support::http::{JSON, NDJSON, Reply, Request, exchange, get, post};
use support::process::{self, FREE_PORTS, Program};

/// The time that these services give a body.
const BODY_TIMEOUT: &str = "300ms";

/// The whole loop in one process, quick to lose patience.
struct Up {
    program: Program,
    _folder: tempfile::TempDir,
}

impl Up {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = process::command(["up"]);
        command.args(FREE_PORTS);
        let store = format!("store.folder={}", folder.path().join("ratings").display());
        let body_timeouts = ["rating", "edge"].map(|part| format!("{part}.bodyTimeout={BODY_TIMEOUT}"));
        for setting in [&store, "edge.listen=127.0.0.1:0", &body_timeouts[0], &body_timeouts[1]] {
            command.args(["--set", setting]);
        }
        Self { program: process::start(command), _folder: folder }
    }

    fn url(&self, listener: &str, path: &str) -> String {
        format!("{}{path}", self.program.url(listener))
    }

    /// The main job is still done, by the process that was started.
    fn assert_serves(&mut self) {
        self.program.assert_alive();
        let reply = post(&self.url("rating", "/ratings"), r#"{"userId":"after","itemId":"film","score":8}"#);
        assert_eq!(reply.status, 201, "{}", reply.text());
        assert_eq!(get(&self.url("rating", "/items/film")).json()["count"], 1);
        let answer = post(&self.url("edge", "/api/v1/event"), GOOD);
        assert!(answer.json()["bucketSize"].as_f64().unwrap() >= 1.0, "{}", answer.text());
        let panics = get(&self.url("admin", "/metrics")).text();
        assert!(!panics.contains("\nopenclaw_listener_panics_total "), "a handler panicked");
    }
}

fn send(url: &str, case: &Case) -> Reply {
    let content_type = format!("Content-Type: {}", case.content_type);
    Request { method: case.method, url, headers: &[&content_type], body: &case.body }.send()
}

/// A problem of this type and status whose detail says what matters, in a document of at most a few lines.
fn assert_problem(name: &str, reply: &Reply, (status, kind, detail): (u16, &str, &str)) {
    let said = reply.text();
    assert_eq!(reply.status, status, "{name}: {said}");
    assert_eq!(reply.header("content-type"), Some("application/problem+json"), "{name}: {said}");
    let problem = reply.json();
    assert_eq!(problem["type"], format!("urn:openclaw:problem:{kind}"), "{name}: {said}");
    assert_eq!(problem["status"], status, "{name}: {said}");
    assert!(problem["detail"].as_str().unwrap().contains(detail), "{name}: {said}");
    assert!(said.len() < 1000, "{name}: the answer is as long as what was asked: {said}");
}

#[test]
fn bad_requests_are_answered_with_problems_and_the_service_goes_on() {
    let mut up = Up::start();
    let routes = [
        ("rating", "/ratings", rating_cases()),
        ("edge", "/api/v1/event", event_cases()),
        ("edge", "/api/v1/events", events_cases()),
    ];
    for (listener, path, cases) in routes {
        for case in cases {
            let reply = send(&up.url(listener, path), &case);
            assert_problem(&format!("{path}: {}", case.name), &reply, case.expected);
        }
    }
    for (listener, path, expected) in path_cases() {
        assert_problem(path, &get(&up.url(listener, path)), expected);
    }
    up.assert_serves();
}

#[test]
fn a_batch_with_bad_items_keeps_the_good_ones_and_answers_each() {
    let mut up = Up::start();
    let items = [
        json!({"userId": "ann", "itemId": "one", "score": 7}),
        json!({"userId": "", "itemId": "one", "score": 7}),
        json!({"userId": "ann", "itemId": "one", "score": 11}),
        json!({"userId": "ann", "itemId": "two", "score": 3, "timestamp": u64::MAX}),
        Value::Null,
        json!(["ann", "two", 3]),
        json!({"userId": "bob", "itemId": "one", "score": 4}),
    ];
    let statuses = [201, 400, 400, 400, 400, 400, 201];
    let ndjson: Vec<_> = items.iter().map(Value::to_string).collect();
    for (content_type, body) in [(JSON, json!(items).to_string()), (NDJSON, ndjson.join("\n"))] {
        let case = Case::new("a batch", body, (0, "", "")).of_type(content_type);
        let reply = send(&up.url("rating", "/ratings"), &case);
        assert_eq!((reply.status, &reply.json()["stored"]), (207, &json!(2)), "{}", reply.text());
        let results = reply.json()["results"].take();
        let found: Vec<_> = results.as_array().unwrap().iter().map(|item| item["status"].clone()).collect();
        assert_eq!(found, statuses);
        assert!(results[2]["problem"]["detail"].as_str().unwrap().contains("score is 11"), "{results}");
    }
    let item = get(&up.url("rating", "/items/one")).json();
    assert_eq!((&item["count"], &item["mean"]), (&json!(2), &json!(5.5)));
    assert_eq!(get(&up.url("rating", "/items/two")).status, 404);
    up.assert_serves();
}

#[test]
fn an_envelope_with_bad_events_names_them_and_takes_the_others() {
    let mut up = Up::start();
    let body = format!(
        r#"{{"collector":{{"id":"c","service":"shop","epoch":1}},"seq":1,
        "users":[{{"userId":"u","attempts":3,"throttled":0}}],
        "events":[{GOOD},{{"userId":"u","itemId":"i","score":1e9,"timestamp":1}},7,{GOOD}]}}"#
    );
    let reply = post(&up.url("edge", "/api/v1/events"), body);
    assert_eq!(reply.status, 200, "{}", reply.text());
    let answer = reply.json();
    let rejected = answer["rejected"].as_array().unwrap();
    assert_eq!(rejected.iter().map(|item| &item["index"]).collect::<Vec<_>>(), [1, 2]);
    assert!(rejected[0]["problem"]["detail"].as_str().unwrap().contains("score is"), "{answer}");
    assert!(answer["policies"]["u"]["refillRate"].as_f64().unwrap() > 0.0, "{answer}");
    up.assert_serves();
}

#[test]
fn bodies_that_do_not_arrive_or_are_announced_too_long_are_not_waited_for() {
    let mut up = Up::start();
    for (listener, path) in [("rating", "/ratings"), ("edge", "/api/v1/event"), ("edge", "/api/v1/events")] {
        let url = up.url(listener, path);
        let content_type = format!("Content-Type: {JSON}");
        let half =
            Request { method: "POST", url: &url, headers: &[&content_type], body: &GOOD.as_bytes()[..20] };
        let silent = exchange(&url, &half.bytes(GOOD.len())).unwrap();
        assert_problem(path, &silent, (408, "body-timeout", BODY_TIMEOUT));
        let endless = exchange(&url, &half.bytes(usize::MAX / 2)).unwrap();
        assert_problem(path, &endless, (413, "body-too-large", "split it"));
        let broken = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nno length\r\n"
        );
        let reply = exchange(&url, broken.as_bytes()).unwrap();
        assert_problem(path, &reply, (400, "malformed-body", "broke off"));
    }
    up.assert_serves();
}

/// Below HTTP there is no problem document: what is no request at all is answered with a bare status, or the
/// connection is closed.
#[test]
fn what_is_no_request_is_turned_away_and_the_service_goes_on() {
    let mut up = Up::start();
    for listener in ["rating", "edge", "admin"] {
        let url = up.url(listener, "/healthz");
        let many = "X-Flood: yes\r\n".repeat(1000);
        let long = format!("X-Flood: {}\r\n", "x".repeat(100_000));
        for (headers, status) in [(many, 431), (long, 431)] {
            let request = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
            let reply = exchange(&url, request.as_bytes());
            // The service closes once it has refused; where bytes were still under way, that resets the
            // connection and may take the answer with it.
            if let Ok(reply) = reply {
                assert_eq!(reply.status, status, "{listener}");
            }
        }
        for garbage in [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"[..], b"rate this!\r\n\r\n"] {
            let reply = exchange(&url, garbage).unwrap();
            assert_eq!(reply.status, 400, "{listener}");
        }
    }
    up.assert_serves();
}
