//! What is asked: a thousand users take turns.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Request};

const USERS: u64 = 1000;
static BODY: [u8; 1024] = [b'x'; 1024];

/// A small request without a body.
pub(crate) fn get(number: u64) -> Request<Full<Bytes>> {
    request(Method::GET, number, Bytes::new())
}

/// A request with a body of 1 KiB.
pub(crate) fn post(number: u64) -> Request<Full<Bytes>> {
    request(Method::POST, number, Bytes::from_static(&BODY))
}

fn request(method: Method, number: u64, body: Bytes) -> Request<Full<Bytes>> {
    Request::builder()
        .method(method)
        .uri("/ratings/film-1?details=all")
        .header("host", "ratings.example")
        .header("user-agent", "bench")
        .header("accept", "application/json")
        .header("x-user-id", format!("user-{}", number % USERS))
        .body(Full::new(body))
        .expect("a request")
}
