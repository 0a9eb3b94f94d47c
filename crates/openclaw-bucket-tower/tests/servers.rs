//! The layer before real servers on loopback sockets, asked over real connections.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::routing::get;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use openclaw_bucket::{BucketParams, Decision, HashSeed, KeyedBuckets, Settings};
use openclaw_bucket_tower::{Grpc, Header, LimitLayer, PeerAddress, Unkeyed, key_fn};

const SECOND: u64 = 1_000_000_000;

fn params(capacity: f64, refill_rate: f64) -> BucketParams {
    BucketParams::new(capacity, refill_rate).expect("valid parameters")
}

fn buckets(defaults: BucketParams) -> Arc<KeyedBuckets> {
    Arc::new(KeyedBuckets::new(Settings::new(defaults, 1000, HashSeed::new([1, 2]))))
}

fn user() -> Header {
    Header::new("x-user").expect("a valid name")
}

/// A clock the test moves, so that no outcome depends on how fast the machine is.
fn stopped_clock() -> (Arc<AtomicU64>, impl Fn() -> u64 + Send + Sync) {
    let now_ns = Arc::new(AtomicU64::new(SECOND));
    let read = Arc::clone(&now_ns);
    (now_ns, move || read.load(Ordering::Relaxed))
}

fn routes() -> Router {
    Router::new().route("/", get(|| async { "hello" })).route("/heavy", get(|| async { "done" }))
}

async fn serve(app: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound listener");
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    address
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn field(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("ASCII"))
    }
}

async fn ask(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::get(format!("http://{address}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let client = Client::builder(TokioExecutor::new()).build_http();
    let request = request.body(Empty::<bytes::Bytes>::new()).expect("a valid request");
    let response = client.request(request).await.expect("the server answers");
    let (head, body) = response.into_parts();
    let body = body.collect().await.expect("a whole body").to_bytes();
    Answer { status: head.status, headers: head.headers, body: String::from_utf8_lossy(&body).into_owned() }
}

#[tokio::test]
async fn each_user_has_a_bucket_and_the_fields_tell_of_it() {
    let (now_ns, clock) = stopped_clock();
    let limit = LimitLayer::new(buckets(params(2.0, 0.5)), user()).clock(clock).build();
    let address = serve(routes().layer(limit)).await;

    let first = ask(address, "/", &[("x-user", "a")]).await;
    assert_eq!((first.status, first.body.as_str()), (StatusCode::OK, "hello"));
    assert_eq!(first.field("ratelimit"), Some(r#""default";r=1;t=2"#));
    assert_eq!(first.field("ratelimit-policy"), Some(r#""default";q=2;w=4"#));

    assert_eq!(ask(address, "/", &[("x-user", "a")]).await.status, StatusCode::OK);
    let refused = ask(address, "/", &[("x-user", "a")]).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.field("retry-after"), Some("2"));
    assert_eq!(refused.field("ratelimit"), Some(r#""default";r=0;t=2"#));
    assert_eq!(refused.field("content-type"), Some("application/problem+json"));
    let problem: serde_json::Value = serde_json::from_str(&refused.body).expect("valid JSON");
    assert_eq!(problem["status"], 429);

    assert_eq!(ask(address, "/", &[("x-user", "b")]).await.status, StatusCode::OK);
    now_ns.fetch_add(2 * SECOND, Ordering::Relaxed);
    assert_eq!(ask(address, "/", &[("x-user", "a")]).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_limit_changed_while_serving_is_felt_by_the_next_request() {
    let (now_ns, clock) = stopped_clock();
    let buckets = buckets(params(1.0, 1.0));
    let limit = LimitLayer::new(Arc::clone(&buckets), user()).clock(clock).build();
    let address = serve(routes().layer(limit)).await;
    assert_eq!(ask(address, "/", &[("x-user", "a")]).await.status, StatusCode::OK);
    assert_eq!(ask(address, "/", &[("x-user", "a")]).await.status, StatusCode::TOO_MANY_REQUESTS);
    buckets.set_params("a", params(10.0, 10.0), SECOND).expect("room");
    now_ns.fetch_add(SECOND / 10, Ordering::Relaxed);
    let allowed = ask(address, "/", &[("x-user", "a")]).await;
    assert_eq!(allowed.status, StatusCode::OK);
    assert_eq!(allowed.field("ratelimit-policy"), Some(r#""default";q=10;w=1"#));
}

#[tokio::test]
async fn shadow_mode_reports_refusals_and_admits_everything() {
    let (_, clock) = stopped_clock();
    let refusals = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&refusals);
    let limit = LimitLayer::new(buckets(params(1.0, 0.0)), user())
        .clock(clock)
        .shadow(true)
        .on_decision(move |_, decision| {
            counter.fetch_add(usize::from(!decision.is_allowed()), Ordering::Relaxed);
        })
        .build();
    let address = serve(routes().layer(limit)).await;
    for _ in 0..4 {
        let answer = ask(address, "/", &[("x-user", "a")]).await;
        assert_eq!((answer.status, answer.field("ratelimit")), (StatusCode::OK, None));
    }
    assert_eq!(refusals.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn routes_have_their_own_cost_and_priorities_keep_a_reserve() {
    let (_, clock) = stopped_clock();
    let limit = LimitLayer::new(buckets(params(10.0, 0.0)), user())
        .clock(clock)
        .cost(|request| if request.uri.path() == "/heavy" { 4.0 } else { 1.0 })
        .reserve(|request| if request.headers.contains_key("x-important") { 0.0 } else { 0.5 })
        .build();
    let address = serve(routes().layer(limit)).await;
    let plain = [("x-user", "a")];
    let important = [("x-user", "a"), ("x-important", "yes")];
    assert_eq!(ask(address, "/heavy", &plain).await.field("ratelimit"), Some(r#""default";r=6"#));
    assert_eq!(ask(address, "/", &plain).await.status, StatusCode::OK);
    assert_eq!(ask(address, "/", &plain).await.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(ask(address, "/heavy", &important).await.status, StatusCode::OK);
    assert_eq!(ask(address, "/heavy", &important).await.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn requests_without_a_key_share_pass_or_are_refused_as_told() {
    for (unkeyed, expected) in [
        (Unkeyed::Share, [StatusCode::OK, StatusCode::TOO_MANY_REQUESTS]),
        (Unkeyed::Admit, [StatusCode::OK, StatusCode::OK]),
        (Unkeyed::Refuse, [StatusCode::UNAUTHORIZED, StatusCode::UNAUTHORIZED]),
    ] {
        let (_, clock) = stopped_clock();
        let limit = LimitLayer::new(buckets(params(1.0, 0.0)), user()).clock(clock).unkeyed(unkeyed).build();
        let address = serve(routes().layer(limit)).await;
        for status in expected {
            assert_eq!(ask(address, "/", &[]).await.status, status, "{unkeyed:?}");
        }
    }
}

#[tokio::test]
async fn the_peer_address_and_a_closure_find_keys() {
    let (_, clock) = stopped_clock();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let by_peer = LimitLayer::new(buckets(params(1.0, 0.0)), PeerAddress).clock(clock).name("peer").build();
    let by_path = LimitLayer::new(
        buckets(params(5.0, 0.0)),
        key_fn(move |request| {
            let path = request.uri.path().to_owned();
            log.lock().expect("no test thread panics").push(path.clone());
            Some(path)
        }),
    )
    .name("path")
    .build();
    let address = serve(routes().layer(by_path).layer(by_peer)).await;
    let answer = ask(address, "/heavy", &[]).await;
    let limits: Vec<_> = answer.headers.get_all("ratelimit").iter().collect();
    assert_eq!(limits, [r#""path";r=4"#, r#""peer";r=0"#], "two limits make a list");
    // From the same address, whatever the path.
    assert_eq!(ask(address, "/", &[]).await.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(*seen.lock().expect("no test thread panics"), ["/heavy"]);
}

#[tokio::test]
async fn grpc_clients_are_refused_in_their_own_terms() {
    let (_, clock) = stopped_clock();
    let limit = LimitLayer::new(buckets(params(0.0, 1.0)), user()).clock(clock).build_with(Grpc);
    let address = serve(routes().layer(limit)).await;
    let refused = ask(address, "/", &[("x-user", "a"), ("content-type", "application/grpc")]).await;
    assert_eq!((refused.status, refused.field("grpc-status")), (StatusCode::OK, Some("8")));
    assert_eq!(refused.field("content-type"), Some("application/grpc"));
    assert!(refused.field("grpc-message").is_some_and(|message| message.contains("rate limit")));
    assert_eq!(refused.field("retry-after"), None, "it will never be allowed");
}

#[tokio::test]
async fn handlers_find_the_decision_among_the_extensions() {
    let (_, clock) = stopped_clock();
    let limit = LimitLayer::new(buckets(params(3.0, 0.0)), user()).clock(clock).build();
    let show = |axum::Extension(decision): axum::Extension<Decision>| async move {
        decision.remaining().to_string()
    };
    let address = serve(Router::new().route("/", get(show)).layer(limit)).await;
    assert_eq!(ask(address, "/", &[("x-user", "a")]).await.body, "2");
}
