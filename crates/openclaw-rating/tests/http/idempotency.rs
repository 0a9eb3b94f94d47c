//! `Idempotency-Key`: who sends a request again is answered again, and nothing happens twice.

use std::time::Duration;

use openclaw_admin::access::{AccessPolicy, Role, Token};
use openclaw_protocol::BucketPolicy;
use openclaw_rating::Backend;
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::server::{PATIENCE, Server, Setup, body, detail, rating, wait_for};

const REPLAYED: &str = "idempotent-replayed";

fn keyed(server: &Server, key: &str, body: &Value) -> RequestBuilder {
    server.posting(body).header("idempotency-key", key)
}

async fn send(server: &Server, key: &str, body: &Value) -> Response {
    keyed(server, key, body).send().await.unwrap()
}

fn is_replayed(response: &Response) -> bool {
    response.headers().get(REPLAYED).is_some_and(|value| value == "true")
}

/// A backend whose calls the test answers itself, one connection each.
struct HeldBackend {
    listener: TcpListener,
}

impl HeldBackend {
    async fn new() -> (Self, Backend) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/work", listener.local_addr().unwrap());
        (Self { listener }, Backend::new(&url, PATIENCE, None).unwrap())
    }

    /// Waits for the service's next call.
    async fn called(&self) -> TcpStream {
        let (mut call, _) = self.listener.accept().await.unwrap();
        assert!(call.read(&mut [0; 4096]).await.unwrap() > 0);
        call
    }
}

async fn answer(mut call: TcpStream, status: &str) {
    let answer = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    call.write_all(answer.as_bytes()).await.unwrap();
}

#[tokio::test]
async fn a_repeated_request_is_answered_alike_and_takes_no_token_and_tells_nobody() {
    let limits = BucketPolicy { bucket_size: 2.0, refill_rate: 0.001 };
    let server = Server::start(Setup { limits, ..Setup::default() }).await;
    // Without a timestamp: the first arrival's is the answer's.
    let request = json!({"userId": "ann", "itemId": "film", "score": 8});
    let first = send(&server, "k1", &request).await;
    assert_eq!((first.status().as_u16(), is_replayed(&first)), (201, false));
    assert!(first.headers().contains_key("ratelimit"));
    let first = body(first).await;
    for _ in 0..5 {
        let again = send(&server, "\"k1\"", &request).await;
        assert_eq!((again.status().as_u16(), is_replayed(&again)), (201, true));
        assert_eq!(again.headers()["content-type"], "application/json");
        assert!(!again.headers().contains_key("ratelimit"), "what was left then is not what is left now");
        assert_eq!(body(again).await, first);
    }
    let totals = server.collector.status().totals;
    assert_eq!((totals.attempts, totals.completed), (1, 1));
    assert_eq!(
        server.post(&rating("ann", "other", 1.0)).await.status(),
        201,
        "the second token is still there"
    );
    assert_eq!(server.post(&rating("ann", "third", 1.0)).await.status(), 429);
}

#[tokio::test]
async fn a_batch_is_answered_again_item_by_item() {
    let server = Server::start(Setup::default()).await;
    let batch = json!([rating("ann", "a", 1.0), rating("ann", "b", 11.0)]);
    let first = send(&server, "k1", &batch).await;
    assert_eq!(first.status(), 207);
    let again = send(&server, "k1", &batch).await;
    assert_eq!((again.status().as_u16(), is_replayed(&again)), (207, true));
    assert_eq!(body(first).await, body(again).await);
    assert_eq!(server.collector.status().totals.attempts, 1);
}

#[tokio::test]
async fn a_key_with_another_body_is_refused() {
    let server = Server::start(Setup::default()).await;
    assert_eq!(send(&server, "k1", &rating("ann", "film", 8.0)).await.status(), 201);
    let other = send(&server, "k1", &rating("ann", "film", 9.0)).await;
    assert_eq!(other.status(), 422);
    assert!(detail(other).await.contains("used for a request with another body"));
    assert_eq!(send(&server, "k2", &rating("ann", "film", 9.0)).await.status(), 201);
}

#[tokio::test]
async fn while_the_first_is_in_progress_the_second_is_told_to_wait() {
    let (backend, client) = HeldBackend::new().await;
    let server = Server::start(Setup { backend: Some(client), ..Setup::default() }).await;
    let request = rating("ann", "film", 8.0);
    let first = tokio::spawn(keyed(&server, "k1", &request).send());
    let call = backend.called().await;
    let second = send(&server, "k1", &request).await;
    assert_eq!((second.status().as_u16(), &second.headers()["retry-after"]), (409, &"1".parse().unwrap()));
    assert!(detail(second).await.contains("in progress"));
    answer(call, "200 OK").await;
    assert_eq!(first.await.unwrap().unwrap().status(), 201);
    assert!(is_replayed(&send(&server, "k1", &request).await));
}

/// The case that keys are for: the client has lost its answer, not the service the request.
#[tokio::test]
async fn a_client_that_left_finds_its_answer_when_it_returns() {
    let (backend, client) = HeldBackend::new().await;
    let server = Server::start(Setup { backend: Some(client), ..Setup::default() }).await;
    let request = rating("ann", "film", 8.0);
    let lost = keyed(&server, "k1", &request).timeout(Duration::from_millis(300)).send();
    let (call, lost) = tokio::join!(backend.called(), lost);
    assert!(lost.unwrap_err().is_timeout());
    answer(call, "200 OK").await;
    let again = wait_for(async || {
        let again = send(&server, "k1", &request).await;
        (again.status() != 409).then_some(again)
    })
    .await;
    assert_eq!((again.status().as_u16(), is_replayed(&again)), (201, true));
    let totals = server.collector.status().totals;
    assert_eq!(
        (totals.attempts, totals.completed, totals.failed),
        (1, 0, 1),
        "a client that left is a timeout"
    );
}

#[tokio::test]
async fn refusals_and_failures_are_not_remembered() {
    let (backend, client) = HeldBackend::new().await;
    let limits = BucketPolicy { bucket_size: 2.0, refill_rate: 0.001 };
    let server = Server::start(Setup { backend: Some(client), limits, ..Setup::default() }).await;
    let request = rating("ann", "film", 8.0);
    let attempt = async |status: &str| {
        let sent = tokio::spawn(keyed(&server, "k1", &request).send());
        answer(backend.called().await, status).await;
        let reply = sent.await.unwrap().unwrap();
        (reply.status().as_u16(), is_replayed(&reply))
    };
    assert_eq!(attempt("500 Out Of Order").await, (502, false));
    assert_eq!(attempt("200 OK").await, (201, false), "the same key may try again");
    for _ in 0..2 {
        let refused = send(&server, "k2", &request).await;
        assert_eq!((refused.status().as_u16(), is_replayed(&refused)), (429, false));
    }
    assert_eq!(server.collector.status().totals.throttled, 2, "each of them was a new attempt");
}

#[tokio::test]
async fn what_is_no_key_is_refused_before_anything_happens() {
    let server = Server::start(Setup::default()).await;
    for (key, part) in [("", "is empty"), ("a b", "neither"), (&"k".repeat(256), "256 bytes")] {
        let refused = send(&server, key, &rating("ann", "film", 8.0)).await;
        assert_eq!(refused.status(), 400, "{key}");
        let detail = detail(refused).await;
        assert!(detail.contains(part), "{detail}");
    }
    let twice =
        keyed(&server, "a", &rating("ann", "film", 8.0)).header("idempotency-key", "b").send().await.unwrap();
    assert_eq!(twice.status(), 400);
    assert_eq!(server.collector.status().totals.attempts, 0);
}

#[tokio::test]
async fn nobody_meets_anothers_key() {
    let open = Server::start(Setup::default()).await;
    assert_eq!(send(&open, "k1", &rating("ann", "film", 8.0)).await.status(), 201);
    let other_user = send(&open, "k1", &rating("bob", "film", 8.0)).await;
    assert_eq!((other_user.status().as_u16(), is_replayed(&other_user)), (201, false));

    let tokens = ["client-token-0001", "client-token-0002"];
    let access = AccessPolicy::new(tokens.map(|token| (Role::Client, Token::new(token).unwrap())));
    let server = Server::start(Setup { access, ..Setup::default() }).await;
    let post = async |token: &str, request: &Value| {
        let reply = keyed(&server, "k1", request).bearer_auth(token).send().await.unwrap();
        (reply.status().as_u16(), is_replayed(&reply))
    };
    let request = rating("ann", "film", 8.0);
    assert_eq!(post(tokens[0], &request).await, (201, false));
    assert_eq!(post(tokens[1], &request).await, (201, false));
    assert_eq!(post(tokens[0], &request).await, (201, true));
    assert_eq!(
        post(tokens[0], &rating("bob", "film", 8.0)).await,
        (422, false),
        "one token, one set of keys"
    );
}
