//! Each source of keys tells users apart, over real sockets.

use jsonwebtoken::{EncodingKey, Header, encode};
use openclaw_protocol::BucketPolicy;
use openclaw_sidecar::{JwtRules, JwtSettings, KeySource, SidecarSettings, Unkeyed};
use serde_json::json;

use crate::stage::{Setup, Stage, body, echo, fine, status};

/// One token for each user, and a second one only after a long time.
fn one_each(setup: &mut Setup) {
    setup.collector.defaults = BucketPolicy { bucket_size: 1.0, refill_rate: 0.01 };
    setup.collector.bounds.bucket_size_min = 0.0;
    setup.collector.bounds.refill_rate_min = 0.0;
    setup.collector.bounds.bucket_size_max = 1.0;
    setup.collector.bounds.refill_rate_max = 0.01;
}

fn source(text: &str) -> KeySource {
    text.parse().unwrap()
}

async fn stage(change: impl FnOnce(&mut SidecarSettings)) -> Stage {
    Stage::with(fine().await, |setup| {
        one_each(setup);
        change(&mut setup.sidecar);
    })
    .await
}

/// The statuses of requests with these paths and header fields, one after the other.
async fn statuses<const N: usize>(stage: &Stage, requests: [(&str, &str); N]) -> [u16; N] {
    let mut statuses = [0; N];
    for (place, (path, fields)) in requests.into_iter().enumerate() {
        statuses[place] = status(&stage.get(path, fields).await);
    }
    statuses
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_are_told_apart_by_a_header_field() {
    let stage = stage(|settings| settings.keys = vec![source("header:x-user-id")]).await;
    let (ann, ben) = (("/", "x-user-id: ann\r\n"), ("/", "X-User-Id: ben\r\n"));
    assert_eq!(statuses(&stage, [ann, ann, ben, ben]).await, [200, 429, 200, 429]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_are_told_apart_by_a_segment_of_the_path() {
    let stage = stage(|settings| settings.keys = vec![source("path:/users/{user}")]).await;
    let paths = [("/users/ann/a", ""), ("//users/%61nn/b", ""), ("/users/ben", "")];
    assert_eq!(statuses(&stage, paths).await, [200, 429, 200]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_are_told_apart_by_a_claim_that_is_verified() {
    let secret = b"a secret of more than thirty-two bytes";
    let stage = stage(|settings| {
        settings.keys = vec![source("jwt:sub")];
        settings.unkeyed = Unkeyed::Refuse;
        let rules = JwtRules { issuer: Some("issuer".to_owned()), audience: None };
        settings.jwt = Some(JwtSettings::new("HS256", secret, &rules).unwrap());
    })
    .await;
    let token = |claims: serde_json::Value, secret: &[u8]| {
        let token = encode(&Header::default(), &claims, &EncodingKey::from_secret(secret)).unwrap();
        format!("authorization: Bearer {token}\r\n")
    };
    let claims = |sub: &str| json!({"sub": sub, "exp": 4_000_000_000_u64, "iss": "issuer"});
    let ann = token(claims("ann"), secret);
    let ben = token(claims("ben"), secret);
    assert_eq!(statuses(&stage, [("/", &ann), ("/", &ann), ("/", &ben)]).await, [200, 429, 200]);
    let forged = token(claims("cat"), b"another secret of more than 32 bytes");
    let expired = token(json!({"sub": "cat", "exp": 1, "iss": "issuer"}), secret);
    let foreign = token(json!({"sub": "cat", "exp": 4_000_000_000_u64, "iss": "other"}), secret);
    let anonymous = token(json!({"exp": 4_000_000_000_u64, "iss": "issuer"}), secret);
    for bad in [forged, expired, foreign, anonymous, String::new()] {
        assert_eq!(status(&stage.get("/", &bad).await), 401, "{bad}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_behind_a_trusted_proxy_are_told_apart_and_others_cannot_pretend() {
    let proxied = [
        ("/", "x-forwarded-for: 198.51.100.1\r\n"),
        ("/", "x-forwarded-for: 192.0.2.66, 198.51.100.1\r\n"),
        ("/", "forwarded: for=198.51.100.2\r\n"),
    ];
    let trusting = stage(|settings| {
        settings.keys = vec![source("peer")];
        settings.trusted = vec!["127.0.0.0/8".parse().unwrap()];
    })
    .await;
    assert_eq!(statuses(&trusting, proxied).await, [200, 429, 200]);
    let wary = stage(|settings| settings.keys = vec![source("peer")]).await;
    assert_eq!(statuses(&wary, proxied).await, [200, 429, 429], "one client, whatever it says");
}

async fn post(stage: &Stage, content_type: &str, json: &str) -> String {
    let length = json.len();
    stage
        .say(&format!(
            "POST / HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-type: {content_type}\r\n\
             content-length: {length}\r\n\r\n{json}"
        ))
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_are_told_apart_by_a_field_of_the_body() {
    let stage = stage(|settings| settings.keys = vec![source("json:userId")]).await;
    let mut seen = Vec::new();
    for user in ["ann", "ann", "ben"] {
        let json = format!("{{\"itemId\":\"film\",\"userId\":\"{user}\",\"score\":8}}");
        seen.push(status(&post(&stage, "application/json; charset=utf-8", &json).await));
    }
    assert_eq!(seen, [200, 429, 200]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_was_read_ahead_arrives_whole() {
    let stage = Stage::with(echo().await, |setup| {
        setup.sidecar.keys = vec![source("json:user.id"), source("json:userId")];
        setup.sidecar.prefix_bytes_max = 1000;
    })
    .await;
    let padding = "x".repeat(100_000);
    for json in [
        format!("{{\"userId\":\"ann\",\"padding\":\"{padding}\"}}"),
        format!("{{\"padding\":\"{padding}\",\"userId\":\"ann\"}}"),
        "not json".to_owned(),
    ] {
        let answer = post(&stage, "application/json", &json).await;
        let (head, arrived) = body(&answer).split_once("\n\n").unwrap();
        assert!(arrived == json, "{} bytes of {}", arrived.len(), json.len());
        assert!(head.contains(&format!("content-length: {}", json.len())), "{head}");
    }
    let chunked = stage
        .say(
            "POST / HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-type: application/json\r\n\
             transfer-encoding: chunked\r\n\r\n9\r\n{\"userId\"\r\n7\r\n:\"ann\"}\r\n0\r\n\r\n",
        )
        .await;
    assert!(chunked.contains("{\"userId\":\"ann\"}"), "{chunked}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_field_beyond_the_prefix_is_no_key() {
    let stage = stage(|settings| {
        settings.keys = vec![source("json:userId")];
        settings.unkeyed = Unkeyed::Refuse;
        settings.prefix_bytes_max = 1000;
    })
    .await;
    let json = format!("{{\"padding\":\"{}\",\"userId\":\"ann\"}}", "x".repeat(1000));
    assert_eq!(status(&post(&stage, "application/json", &json).await), 401);
    assert_eq!(status(&post(&stage, "text/plain", "{\"userId\":\"ann\"}").await), 401, "no JSON");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sources_are_tried_in_their_order() {
    let stage =
        stage(|settings| settings.keys = vec![source("header:x-user-id"), source("path:/users/{user}")])
            .await;
    let requests = [
        ("/users/ann", "x-user-id: ben\r\n"),
        ("/users/ben", ""),
        ("/users/ann", ""),
        ("/users/cat", &format!("x-user-id: {}\r\n", "x".repeat(300))),
        ("/users/cat", ""),
    ];
    assert_eq!(statuses(&stage, requests).await, [200, 429, 200, 200, 429]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_without_a_key_share_a_bucket_or_pass_as_configured() {
    let sharing = stage(|settings| settings.keys = vec![source("header:x-user-id")]).await;
    assert_eq!(
        statuses(&sharing, [("/", ""), ("/other", ""), ("/", "x-user-id: ann\r\n")]).await,
        [200, 429, 200]
    );
    let passing = stage(|settings| {
        settings.keys = vec![source("header:x-user-id")];
        settings.unkeyed = Unkeyed::Pass;
    })
    .await;
    assert_eq!(statuses(&passing, [("/", ""), ("/", ""), ("/", "")]).await, [200, 200, 200]);
}
