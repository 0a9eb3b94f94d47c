//! A running service as its probes, its scraper, its operator and its collectors see it.

use serde_json::{Value, json};

use crate::service;
use crate::support::http::{get, post};
use crate::support::process::{self, Program};
use crate::support::wait_for;

fn rate(service: &Program, user: &str) {
    let body = json!({"userId": user, "itemId": "film", "score": 8}).to_string();
    let reply = post(&format!("{}/ratings", service.url("rating")), body);
    assert_eq!(reply.status, 201, "{}", reply.text());
}

/// The value of a series in the plain text form.
fn series(metrics: &str, name: &str) -> Option<f64> {
    metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

#[test]
fn probes_metrics_and_status_show_the_loop_at_work() {
    let folder = tempfile::tempdir().unwrap();
    let up = process::start(service("up", folder.path(), &[]));
    let admin = up.url("admin");
    (0..3).for_each(|_| rate(&up, "ann"));
    assert_eq!(get(&format!("{admin}/healthz")).text(), "alive\n");
    let ready = get(&format!("{admin}/readyz"));
    assert_eq!((ready.status, &ready.json()["ready"]), (200, &json!(true)));

    let metrics = wait_for("three events at the edge", || {
        let metrics = get(&format!("{admin}/metrics")).text();
        (series(&metrics, "rating_events_total") == Some(3.0)).then_some(metrics)
    });
    assert_eq!(series(&metrics, r#"rating_event_latency_seconds_bucket{le="+Inf"}"#), Some(3.0));
    assert!(series(&metrics, r#"rl_policy_bucket_size{user="ann"}"#).unwrap() >= 1.0);
    assert!(series(&metrics, r#"rl_policy_refill_rate{user="ann"}"#).unwrap() > 0.0);
    for line in metrics.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let value = line.rsplit(' ').next().unwrap();
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }

    let shown = process::run(process::command(["status", "--url", admin]));
    assert_eq!(shown.code(), Some(0), "{}", shown.complaint);
    for part in ["controller little-guard", "store ready", "limits      from edge", "3 offered   3 admitted"]
    {
        assert!(shown.output.contains(part), "{part:?} in\n{}", shown.output);
    }
    let json = process::run(process::command(["status", "--url", admin, "--json"]));
    let status: Value = serde_json::from_str(&json.output).unwrap();
    assert_eq!((&status["ready"], &status["collector"]["totals"]["completed"]), (&json!(true), &json!(3)));
    assert_eq!(
        (&status["edge"]["controller"], &status["edge"]["sloMs"]),
        (&json!("little-guard"), &json!(200.0))
    );
}

#[test]
fn the_briefs_event_is_answered_with_bucket_size_and_refill_rate() {
    let folder = tempfile::tempdir().unwrap();
    let edge = process::start(service("edge", folder.path(), &[]));
    let event = r#"{"userId":"user-123","itemId":"item-456","score":4.7,"timestamp":1710841234567}"#;
    let reply = post(&format!("{}/api/v1/event", edge.url("edge")), event);
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json")));
    let answer = reply.json();
    assert_eq!((&answer["bucketSize"], &answer["refillRate"]), (&json!(20.0), &json!(10.0)));
    assert_eq!(answer["reason"], "no-latency-signal");
    assert!(!folder.path().join("ratings").exists(), "an edge keeps no ratings");
}

#[test]
fn event_endpoint_of_the_environment_names_the_edge() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = ["access.collectorTokens=collector-token-01"];
    let edge = process::start(service("edge", folder.path(), &tokens));
    // An endpoint that another source sets would override the variable.
    let mut rating = process::command(["rating", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
    rating.args(["--set", &format!("store.folder={}", folder.path().join("ratings").display())]);
    rating.args(["--set", "collector.token=collector-token-01"]);
    rating.env("EVENT_ENDPOINT", format!("{}/api/v1/event", edge.url("edge")));
    let rating = process::start(rating);
    rate(&rating, "ann");
    wait_for("the event at the edge", || {
        let metrics = get(&format!("{}/metrics", edge.url("admin"))).text();
        (series(&metrics, "rating_events_total") == Some(1.0)).then_some(())
    });
    wait_for("the edge's answer", || {
        let status = get(&format!("{}/api/v1/status", rating.url("admin"))).json();
        (status["collector"]["controlledBy"] == "edge").then_some(())
    });
}
