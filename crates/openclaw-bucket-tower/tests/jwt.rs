//! Keys from verified tokens.

use std::sync::Arc;

use http::{Request, Response, StatusCode};
use jsonwebtoken::{DecodingKey, EncodingKey, Header, Validation, encode};
use openclaw_bucket::{BucketParams, HashSeed, KeyedBuckets, Settings};
use openclaw_bucket_tower::{JwtClaim, LimitLayer, Unkeyed};
use serde_json::json;
use tower::{ServiceBuilder, ServiceExt, service_fn};

const EXPIRES: u64 = 4_000_000_000;

fn token(secret: &[u8], claims: &serde_json::Value) -> String {
    encode(&Header::default(), claims, &EncodingKey::from_secret(secret)).expect("claims can be encoded")
}

async fn status(credentials: &str) -> StatusCode {
    let defaults = BucketParams::new(1.0, 0.0).expect("valid parameters");
    let buckets = Arc::new(KeyedBuckets::new(Settings::new(defaults, 10, HashSeed::new([1, 2]))));
    // So that only the user called `spent` is refused, and only if the key is found.
    assert!(buckets.try_acquire("spent", 1.0, 0).is_allowed());
    let claim = JwtClaim::new("sub", DecodingKey::from_secret(b"secret"), Validation::default());
    let limit = LimitLayer::new(buckets, claim).unkeyed(Unkeyed::Refuse).build();
    let echo = service_fn(|_: Request<()>| async {
        Ok::<_, std::convert::Infallible>(Response::new(String::new()))
    });
    let service = ServiceBuilder::new().layer(limit).service(echo);
    let request = Request::get("/").header("authorization", credentials).body(()).expect("a valid request");
    service.oneshot(request).await.expect("infallible").status()
}

#[tokio::test]
async fn the_claim_of_a_valid_token_is_the_key() {
    for (user, expected) in [("fresh", StatusCode::OK), ("spent", StatusCode::TOO_MANY_REQUESTS)] {
        let token = token(b"secret", &json!({ "sub": user, "exp": EXPIRES }));
        assert_eq!(status(&format!("Bearer {token}")).await, expected, "{user}");
    }
}

#[tokio::test]
async fn tokens_that_cannot_be_trusted_have_no_key() {
    let forged = token(b"guess", &json!({ "sub": "fresh", "exp": EXPIRES }));
    let expired = token(b"secret", &json!({ "sub": "fresh", "exp": 1 }));
    let nameless = token(b"secret", &json!({ "exp": EXPIRES }));
    for credentials in [
        format!("Bearer {forged}"),
        format!("Bearer {expired}"),
        format!("Bearer {nameless}"),
        "Basic eA==".to_owned(),
    ] {
        assert_eq!(status(&credentials).await, StatusCode::UNAUTHORIZED, "{credentials}");
    }
}
