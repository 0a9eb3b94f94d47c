//! The contract as a client sees it, request by request.

mod limits;

use std::collections::BTreeSet;

use axum::body::Body;
use http::Method;
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http_body_util::BodyExt;
use openclaw_admin::access::Token;
use openclaw_controller::policy::{Dense, LAYOUT, LearnedPolicy, Network, Normaliser, Output};
use serde_json::Value;
use tower::ServiceExt;

use super::*;
use crate::settings::EdgeSettings;

const EVENT: &str = r#"{"userId":"user-123","itemId":"item-456","score":4.7,"timestamp":1710841234567}"#;

fn edge() -> Edge {
    Edge::new(EdgeSettings::default())
}

async fn call(
    edge: &Edge,
    method: Method,
    path: &str,
    kind: &str,
    body: impl Into<Body>,
) -> (StatusCode, Value) {
    call_as(edge, &AccessPolicy::default(), None, method, path, kind, body.into()).await
}

async fn call_as(
    edge: &Edge,
    access: &AccessPolicy,
    token: Option<&str>,
    method: Method,
    path: &str,
    kind: &str,
    body: Body,
) -> (StatusCode, Value) {
    let mut request = http::Request::builder().method(method).uri(path).header(CONTENT_TYPE, kind);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let response = router(edge.clone(), access).oneshot(request.body(body).unwrap()).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let answer = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
    (status, answer)
}

async fn post_event(edge: &Edge, body: &str) -> (StatusCode, Value) {
    call(edge, Method::POST, "/api/v1/event", JSON, body.to_owned()).await
}

#[tokio::test]
async fn the_briefs_four_fields_are_answered_with_bucket_size_and_refill_rate() {
    let (status, answer) = post_event(&edge(), EVENT).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!((answer["bucketSize"].as_f64(), answer["refillRate"].as_f64()), (Some(20.0), Some(10.0)));
    assert_eq!(answer["reason"], "no-latency-signal");
}

#[tokio::test]
async fn an_event_with_a_latency_is_answered_by_the_controller() {
    let edge = edge();
    let event = EVENT.replace("}", r#","latencyMs":20.5,"outcome":"accepted"}"#);
    post_event(&edge, &event).await;
    tokio::time::sleep(std::time::Duration::from_millis(110)).await;
    let (_, answer) = post_event(&edge, &event).await;
    assert_eq!(answer["reason"], "controller");
    assert!(answer["guardMs"].as_f64().unwrap() > 20.0);
}

#[tokio::test]
async fn bad_events_are_problems_that_name_what_is_wrong() {
    for (body, status, part) in [
        ("{", 400, "EOF"),
        (r#"{"userId":"u","itemId":"i","score":11,"timestamp":1}"#, 400, "score is 11"),
        (r#"{"userId":"u","itemId":"i","score":1}"#, 400, "timestamp"),
        (r#"{"userId":"","itemId":"i","score":1,"timestamp":1}"#, 400, "userId must not be empty"),
        (r#"{"userId":"u","itemId":"i","score":1,"timestamp":1,"outcome":"lost"}"#, 400, "lost"),
    ] {
        let (found, problem) = post_event(&edge(), body).await;
        assert_eq!(found.as_u16(), status, "{body}");
        assert!(problem["detail"].as_str().unwrap().contains(part), "{problem}");
    }
    let (status, _) = call(&edge(), Method::POST, "/api/v1/event", "text/csv", EVENT).await;
    assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let (status, _) = call(&edge(), Method::GET, "/api/v1/event", JSON, "").await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_body_over_the_bound_is_refused() {
    let settings = EdgeSettings { body_bytes_max: 100, ..EdgeSettings::default() };
    let long = format!("{EVENT}{}", " ".repeat(200));
    let (status, _) = post_event(&Edge::new(settings), &long).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_batch_is_answered_for_every_active_user_and_names_its_bad_events() {
    let body = format!(
        r#"{{"collector":{{"id":"c","service":"s","epoch":1}},"seq":1,"inFlight":3,
        "totals":{{"attempts":5,"accepted":4,"throttled":1,"completed":4,"failed":0}},
        "users":[{{"userId":"user-123","attempts":4,"throttled":0}},{{"userId":"throttled-only","attempts":1,"throttled":1}}],
        "events":[{EVENT},{{"userId":"u","itemId":"i","score":-1,"timestamp":1}}]}}"#
    );
    let (status, answer) = call(&edge(), Method::POST, "/api/v1/events", JSON, body).await;
    assert_eq!(status, StatusCode::OK);
    let users: Vec<_> = answer["policies"].as_object().unwrap().keys().collect();
    assert_eq!(users.len(), 2);
    assert!(answer["policies"]["throttled-only"]["refillRate"].as_f64().unwrap() > 0.0);
    assert_eq!(answer["ttlMs"], 5000);
    assert_eq!(answer["rejected"][0]["index"], 1);
}

/// A batch with two users of different circumstances, whose events took 10 and 40 ms of work.
fn batch_of_classes(seq: u64, device: &str) -> String {
    let user = |name: &str, context: &str| {
        format!(r#"{{"userId":"{name}","attempts":{},"throttled":0,"context":{context}}}"#, seq * 10)
    };
    let event = |work_ms: u32, context: &str| {
        let rest = format!(
            r#","latencyMs":{},"workMs":{work_ms},"dependencyMs":{{"search":5}},"context":{context}}}"#,
            work_ms + 9
        );
        EVENT.replace("}", &rest)
    };
    let context = format!(r#"{{"deviceType":"{device}"}}"#);
    let totals = format!(r#"{{"attempts":{0},"accepted":{0},"completed":{0}}}"#, seq * 20);
    format!(
        r#"{{"collector":{{"id":"c","service":"s","epoch":1}},"seq":{seq},"inFlight":9,"totals":{totals},
        "roundTripMs":3.5,"dependencies":[{{"name":"search","inFlight":1,"completed":{seq}}}],
        "users":[{},{}],"events":[{},{}]}}"#,
        user("near", "{}"),
        user("far", &context),
        event(10, "{}"),
        event(40, &context)
    )
}

#[tokio::test]
async fn classes_and_dependencies_have_guard_times_of_their_own_and_are_explained() {
    let edge = edge();
    let post =
        async |seq| call(&edge, Method::POST, "/api/v1/events", JSON, batch_of_classes(seq, "mobile")).await;
    let (status, answer) = post(1).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    tokio::time::sleep(std::time::Duration::from_millis(110)).await;
    let (_, answer) = post(2).await;
    assert_eq!(answer["classes"][0]["context"], serde_json::json!({"deviceType": "mobile"}), "{answer}");
    let (own, common) = (&answer["classes"][0]["guardMs"], &answer["guardMs"]);
    assert!(own.as_f64().unwrap() < common.as_f64().unwrap(), "{own} and {common}");
    assert_eq!(answer["dependencies"][0]["name"], "search");
    assert!(answer["dependencies"][0]["guardMs"].as_f64().unwrap() > 0.0);
    let (_, why) = call(&edge, Method::GET, "/api/v1/users/far/policy?service=s", JSON, "").await;
    assert_eq!(why["action"]["costOfClass"], 4.0, "{why}");
}

#[tokio::test]
async fn a_context_that_is_not_configured_makes_no_class() {
    let edge = edge();
    for seq in [1, 2] {
        let body = batch_of_classes(seq, "toaster");
        let (status, answer) = call(&edge, Method::POST, "/api/v1/events", JSON, body).await;
        assert_eq!(
            (status, answer.get("classes"), answer.get("rejected")),
            (StatusCode::OK, None, None),
            "{answer}"
        );
        tokio::time::sleep(std::time::Duration::from_millis(110)).await;
    }
}

#[tokio::test]
async fn arrays_and_ndjson_are_accepted_as_well() {
    for (kind, body) in [(JSON, format!("[{EVENT},{EVENT}]")), (NDJSON, format!("{EVENT}\n{EVENT}\n"))] {
        let (status, answer) = call(&edge(), Method::POST, "/api/v1/events", kind, body).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        assert!(answer["policies"]["user-123"].is_object());
    }
}

/// What the metrics of an edge's own process would show is global; a recorder of this test's own is not.
fn counted(run: impl AsyncFnOnce()) -> std::collections::BTreeMap<String, u64> {
    use metrics_util::debugging::{DebugValue, DebuggingRecorder};
    let recorder = DebuggingRecorder::new();
    let shown = recorder.snapshotter();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    metrics::with_local_recorder(&recorder, || runtime.block_on(run()));
    let counters = shown.snapshot().into_vec().into_iter().filter_map(|(key, _, _, value)| match value {
        DebugValue::Counter(count) => Some((key.key().name().to_owned(), count)),
        _ => None,
    });
    counters.collect()
}

#[test]
fn an_event_that_comes_again_counts_once_in_batches_and_alone() {
    let counted = counted(async || {
        let edge = edge();
        let event = EVENT.replace("}", r#","eventId":"c-1","latencyMs":20}"#);
        post_event(&edge, &event).await;
        let (status, answer) = post_event(&edge, &event).await;
        assert_eq!((status, answer["bucketSize"].is_f64()), (StatusCode::OK, true), "answered all the same");
        for (seq, late) in [(1, false), (2, false), (3, true)] {
            let body = format!(
                r#"{{"collector":{{"id":"c","service":"s","epoch":1}},"seq":{seq},"late":{late},"events":[{event},{EVENT}]}}"#
            );
            assert_eq!(call(&edge, Method::POST, "/api/v1/events", JSON, body).await.0, StatusCode::OK);
        }
    });
    // One by itself, one of the service "s", and three times the event without an id.
    assert_eq!(counted["rating_events_total"], 5, "{counted:?}");
    assert_eq!(counted["openclaw_edge_events_repeated_total"], 3);
    assert_eq!(counted["openclaw_edge_events_late_total"], 2);
}

#[tokio::test]
async fn late_events_do_not_tell_the_controller_what_takes_how_long_now() {
    let edge = edge();
    let event = EVENT.replace("}", r#","latencyMs":9000}"#);
    for seq in 1..4 {
        let body = format!(
            r#"{{"collector":{{"id":"c","service":"s","epoch":1}},"seq":{seq},"late":true,"events":[{event}]}}"#
        );
        let (_, answer) = call(&edge, Method::POST, "/api/v1/events", JSON, body).await;
        assert_eq!(answer["reason"], "no-latency-signal", "{answer}");
        tokio::time::sleep(std::time::Duration::from_millis(90)).await;
    }
}

#[tokio::test]
async fn the_static_controller_answers_the_configured_bucket_and_no_guard() {
    let settings = EdgeSettings { controller: crate::ControllerKind::Static, ..EdgeSettings::default() };
    let (_, answer) = post_event(&Edge::new(settings), EVENT).await;
    assert_eq!((answer["bucketSize"].as_f64(), answer.get("guardMs")), (Some(20.0), None));
}

#[tokio::test]
async fn a_users_policy_is_explained_in_a_sentence() {
    let edge = edge();
    let (status, _) = call(&edge, Method::GET, "/api/v1/users/user-123/policy", JSON, "").await;
    assert_eq!(status, StatusCode::NOT_FOUND, "nothing has arrived yet");
    post_event(&edge, EVENT).await;
    let (status, why) = call(&edge, Method::GET, "/api/v1/users/user-123/policy", JSON, "").await;
    assert_eq!(status, StatusCode::OK);
    assert!(why["explanation"].as_str().unwrap().contains("configured default"), "{why}");
}

/// A policy whose network always gives the same: as much as leaves, the guard at its longest.
fn learned() -> LearnedPolicy {
    let dense = |inputs: usize, outputs: usize| Dense {
        inputs,
        outputs,
        weights: vec![0.0; inputs * outputs],
        bias: vec![0.0; outputs],
    };
    let inputs = LAYOUT.trunk_inputs();
    let mut shared_head = dense(inputs, LAYOUT.actions_shared);
    shared_head.bias[1] = 3.0;
    let network = Network {
        layout: LAYOUT,
        normaliser: Normaliser::identity(&LAYOUT),
        trunk: Vec::new(),
        shared_head,
        slot_hidden: Vec::new(),
        slot_head: Some(dense(inputs + LAYOUT.slot, LAYOUT.actions_slot)),
    };
    LearnedPolicy::new(&network, Output::Clipped, "ppo-7".to_owned(), 1000.0).unwrap()
}

#[tokio::test]
async fn a_learned_policy_decides_and_is_explained_by_name() {
    let edge = Edge::new(EdgeSettings { policy: Some(learned()), ..EdgeSettings::default() });
    let (_, policy) = call(&edge, Method::GET, "/api/v1/policy", JSON, "").await;
    assert_eq!((&policy["controller"], &policy["policyVersion"]), (&"learned".into(), &"ppo-7".into()));
    let event = EVENT.replace("}", r#","latencyMs":20}"#);
    let mut reason = Value::Null;
    for _ in 0..500 {
        let (_, answer) = post_event(&edge, &event).await;
        assert_eq!(answer["policyVersion"], "ppo-7");
        reason = answer["reason"].clone();
        if reason != "no-latency-signal" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_ne!(reason, "no-latency-signal");
    let (_, why) = call(&edge, Method::GET, "/api/v1/users/user-123/policy", JSON, "").await;
    let learned = &why["learned"];
    assert_eq!(why["controller"], "learned", "{why}");
    assert_eq!((&learned["version"], &learned["raw"][1]), (&"ppo-7".into(), &3.0.into()), "{why}");
    assert_eq!((&learned["followed"]["guard"], &learned["followed"]["admitted"]), (&1.0.into(), &0.0.into()));
    assert!(learned["features"]["p95OverSlo"].as_f64().is_some_and(|ln| ln < 0.0), "{why}");
    assert_eq!(edge.status().policy_version, "ppo-7");
}

#[tokio::test]
async fn a_classical_controller_is_explained_without_a_network() {
    let edge = edge();
    post_event(&edge, EVENT).await;
    let (_, why) = call(&edge, Method::GET, "/api/v1/users/user-123/policy", JSON, "").await;
    assert_eq!(why.get("learned"), None, "{why}");
}

#[tokio::test]
async fn every_service_has_a_loop_of_its_own_and_their_number_is_bounded() {
    let edge = Edge::new(EdgeSettings { services_max: 2, ..EdgeSettings::default() });
    let post = async |service: &str| {
        let body = format!(r#"{{"collector":{{"id":"c","service":"{service}","epoch":1}},"seq":1}}"#);
        call(&edge, Method::POST, "/api/v1/events", JSON, body).await.0.as_u16()
    };
    assert_eq!((post("a").await, post("b").await, post("c").await), (200, 200, 503));
    assert_eq!(edge.status().services.len(), 2);
}

#[tokio::test]
async fn who_finds_no_place_is_told_when_to_come_back() {
    let control = openclaw_controller::LoopSettings { sources_max: 1, ..EdgeSettings::default().control };
    let edge = Edge::new(EdgeSettings { services_max: 1, control, ..EdgeSettings::default() });
    let retry_after = async |path: &str, body: &str| {
        let request = http::Request::builder().method(Method::POST).uri(path).header(CONTENT_TYPE, JSON);
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let response = router(edge.clone(), &AccessPolicy::default()).oneshot(request).await.unwrap();
        (response.status().as_u16(), response.headers().get(RETRY_AFTER).cloned())
    };
    let batch = |id: &str, service: &str| {
        format!(r#"{{"collector":{{"id":"{id}","service":"{service}","epoch":1}},"seq":1}}"#)
    };
    assert_eq!(retry_after("/api/v1/events", &batch("c", "a")).await, (200, None));
    for refused in [batch("c", "another"), batch("another", "a")] {
        assert_eq!(retry_after("/api/v1/events", &refused).await, (503, Some(HeaderValue::from(10))));
    }
    assert_eq!(retry_after("/api/v1/event", EVENT).await, (503, Some(HeaderValue::from(10))));
}

#[tokio::test]
async fn tokens_are_asked_for_by_role() {
    let access = AccessPolicy::default()
        .with(Role::Collector, Token::new("collector-token-12").unwrap())
        .with(Role::Reader, Token::new("reader-token-12345").unwrap());
    let edge = edge();
    let post = async |token| {
        call_as(&edge, &access, token, Method::POST, "/api/v1/event", JSON, EVENT.into()).await.0.as_u16()
    };
    assert_eq!(post(None).await, 401);
    assert_eq!(post(Some("wrong-token-123456")).await, 401);
    assert_eq!(post(Some("reader-token-12345")).await, 403);
    assert_eq!(post(Some("collector-token-12")).await, 200);
}

#[test]
fn every_route_is_documented_and_every_documented_path_is_a_route() {
    let document: Value = serde_json::from_str(&openapi_json().unwrap()).unwrap();
    let documented: BTreeSet<_> = document["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    let declared = include_str!("../routes.rs").split(".route(\"").skip(1);
    let routes: BTreeSet<_> = declared.filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(documented, routes);
}
