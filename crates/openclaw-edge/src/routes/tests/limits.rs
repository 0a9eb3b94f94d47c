//! The operator's overrides as an operator and a collector see them.

use super::*;

const ADMIN: &str = "admin-token-123456";
const READER: &str = "reader-token-12345";
const PIN: &str = r#"{"pin":{"bucketSize":30,"refillRate":4.5}}"#;

async fn limits(
    edge: &Edge,
    token: Option<&str>,
    method: Method,
    user: &str,
    body: &str,
) -> (StatusCode, Value) {
    let access = AccessPolicy::default()
        .with(Role::Admin, Token::new(ADMIN).unwrap())
        .with(Role::Reader, Token::new(READER).unwrap());
    let path = format!("/api/v1/users/{user}/limits");
    call_as(edge, &access, token, method, &path, JSON, body.to_owned().into()).await
}

async fn set(edge: &Edge, user: &str, body: &str) {
    let (status, answer) = limits(edge, Some(ADMIN), Method::PUT, user, body).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
}

/// The answer to a batch of `collector` that names nobody.
async fn quiet_batch(edge: &Edge, collector: &str, seq: u64) -> Value {
    let body = format!(r#"{{"collector":{{"id":"{collector}","service":"s","epoch":1}},"seq":{seq}}}"#);
    call(edge, Method::POST, "/api/v1/events", JSON, body).await.1
}

#[tokio::test]
async fn every_collector_hears_of_a_pin_with_its_next_batch_and_once() {
    let edge = edge();
    for collector in ["one", "two"] {
        assert_eq!(
            quiet_batch(&edge, collector, 1).await["overrides"],
            serde_json::json!({}),
            "at first contact"
        );
        assert_eq!(quiet_batch(&edge, collector, 2).await.get("overrides"), None, "nothing new");
    }
    set(&edge, "ann%20lee", PIN).await;
    for collector in ["one", "two"] {
        let answer = quiet_batch(&edge, collector, 3).await;
        assert_eq!(answer["overrides"]["ann lee"]["pin"]["refillRate"], 4.5);
        assert!(answer["policies"]["ann lee"]["refillRate"].is_f64(), "{answer}");
        assert_eq!(quiet_batch(&edge, collector, 4).await.get("overrides"), None);
    }
    let (status, _) = limits(&edge, Some(ADMIN), Method::DELETE, "ann%20lee", "").await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let answer = quiet_batch(&edge, "one", 5).await;
    assert_eq!((&answer["overrides"], &answer["policies"]), (&serde_json::json!({}), &serde_json::json!({})));
}

#[tokio::test]
async fn a_pin_is_what_events_are_answered_with_and_what_the_explanation_names() {
    let edge = edge();
    set(&edge, "user-123", PIN).await;
    let (_, answer) = post_event(&edge, EVENT).await;
    assert_eq!((&answer["bucketSize"], &answer["refillRate"]), (&30.0.into(), &4.5.into()));
    assert_eq!(answer["reason"], "operator");
    let (_, why) = call(&edge, Method::GET, "/api/v1/users/user-123/policy", JSON, "").await;
    assert_eq!((&why["guard"], &why["limits"]["pin"]["bucketSize"]), (&"operator-pin".into(), &30.0.into()));
    assert!(why["explanation"].as_str().unwrap().contains("the operator pinned this user to 4.5/s"), "{why}");
}

#[tokio::test]
async fn an_override_may_be_read_by_readers_and_changed_by_admins_alone() {
    let edge = edge();
    for method in [Method::PUT, Method::DELETE] {
        assert_eq!(limits(&edge, Some(READER), method.clone(), "ann", PIN).await.0, StatusCode::FORBIDDEN);
        assert_eq!(limits(&edge, None, method.clone(), "ann", PIN).await.0, StatusCode::UNAUTHORIZED);
        let open = AccessPolicy::default();
        let path = "/api/v1/users/ann/limits";
        let (status, _) = call_as(&edge, &open, None, method, path, JSON, PIN.into()).await;
        assert_ne!(status, StatusCode::OK, "the admin role is never open");
    }
    set(&edge, "ann", PIN).await;
    let (status, answer) = limits(&edge, Some(READER), Method::GET, "ann", "").await;
    assert_eq!(
        (status, &answer["durable"], &answer["userId"]),
        (StatusCode::OK, &false.into(), &"ann".into())
    );
    assert_eq!(limits(&edge, None, Method::GET, "ann", "").await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(limits(&edge, Some(READER), Method::GET, "bob", "").await.0, StatusCode::NOT_FOUND);
    assert_eq!(limits(&edge, Some(ADMIN), Method::DELETE, "bob", "").await.0, StatusCode::NOT_FOUND);
    let (_, all) = call(&edge, Method::GET, "/api/v1/limits", JSON, "").await;
    assert_eq!(all["limits"][0]["userId"], "ann");
}

#[tokio::test]
async fn an_override_that_cannot_be_meant_is_a_problem_that_names_the_field() {
    let edge = edge();
    for (body, part) in [
        ("", "EOF"),
        ("{}", "at least one of"),
        (r#"{"pin":{"bucketSize":1e9,"refillRate":1}}"#, "pin.bucketSize is 1000000000"),
        (r#"{"pin":{"bucketSize":10,"refillRate":1},"priority":2}"#, "a pin leaves nothing"),
        (r#"{"tier":"gold"}"#, "edge.tiers has none"),
        (r#"{"priority":2,"expiresAt":1}"#, "which is past"),
        (r#"{"priority":2,"expiresAt":1,"expiresInMs":1}"#, "send one"),
        (r#"{"prioritee":2}"#, "prioritee"),
    ] {
        let (status, problem) = limits(&edge, Some(ADMIN), Method::PUT, "ann", body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        assert!(problem["detail"].as_str().unwrap().contains(part), "{problem}");
    }
    let (status, _) = limits(&edge, Some(ADMIN), Method::PUT, &"x".repeat(300), PIN).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let (status, _) = limits(&edge, Some(ADMIN), Method::PUT, "ann", &" ".repeat(20_000)).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn an_override_that_ends_is_told_as_ended() {
    let edge = edge();
    set(&edge, "ann", r#"{"pin":{"bucketSize":30,"refillRate":4.5},"expiresInMs":50}"#).await;
    assert!(quiet_batch(&edge, "one", 1).await["overrides"]["ann"]["expiresAt"].is_u64());
    tokio::time::sleep(std::time::Duration::from_millis(60)).await;
    assert_eq!(quiet_batch(&edge, "one", 2).await["overrides"], serde_json::json!({}));
    assert_eq!(limits(&edge, Some(READER), Method::GET, "ann", "").await.0, StatusCode::NOT_FOUND);
}
