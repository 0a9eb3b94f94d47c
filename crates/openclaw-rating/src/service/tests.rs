//! The contract as a client sees it, over a real store.

use std::collections::BTreeSet;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use axum::body::Body;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::BodyExt;
use openclaw_admin::access::Token;
use openclaw_collector::{Collector, CollectorSettings};
use openclaw_protocol::{BucketPolicy, Context, ItemId, Rating, UserId};
use openclaw_store::StoreSettings;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::admitted::Admitted;
use crate::idempotency::Patience;

const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";

struct Bench {
    service: RatingService,
    collector: Collector,
    access: AccessPolicy,
    _folder: tempfile::TempDir,
}

fn bench() -> Bench {
    bench_with(CollectorSettings {
        defaults: BucketPolicy { bucket_size: 1e4, refill_rate: 1e4 },
        ..CollectorSettings::default()
    })
}

fn bench_with(settings: CollectorSettings) -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), StoreSettings::default()).unwrap();
    let collector = Collector::start(settings).unwrap();
    let service = RatingService::new(RatingSettings::default(), store, collector.admission(), None);
    Bench { service, collector, access: AccessPolicy::default(), _folder: folder }
}

impl Bench {
    async fn call(&self, method: Method, path: &str, kind: &str, body: impl Into<Body>) -> Reply {
        let request = http::Request::builder().method(method).uri(path).header(CONTENT_TYPE, kind);
        self.send(request.body(body.into()).unwrap()).await
    }

    async fn send(&self, request: http::Request<Body>) -> Reply {
        let response = router(self.service.clone(), &self.access).oneshot(request).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        Reply { status, headers, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null) }
    }

    async fn post(&self, body: impl Into<Body>) -> Reply {
        self.call(Method::POST, "/ratings", JSON, body).await
    }

    async fn get(&self, path: &str) -> Reply {
        self.call(Method::GET, path, JSON, "").await
    }
}

#[derive(Debug)]
struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl Reply {
    fn detail(&self) -> &str {
        assert_eq!(self.headers[CONTENT_TYPE], "application/problem+json", "{self:?}");
        self.body["detail"].as_str().unwrap()
    }
}

fn rating(user: &str, item: &str, score: f64, timestamp: u64) -> Value {
    json!({"userId": user, "itemId": item, "score": score, "timestamp": timestamp})
}

#[tokio::test]
async fn a_rating_is_created_and_shows_in_its_item_and_its_user() {
    let bench = bench();
    let reply = bench.post(rating("ann", "film", 8.0, 1000).to_string()).await;
    assert_eq!(reply.status, StatusCode::CREATED);
    assert_eq!(reply.body["userId"], "ann");
    assert!(reply.headers["ratelimit"].to_str().unwrap().starts_with("\"user\";r="), "{:?}", reply.headers);
    bench.post(rating("bob", "film", 5.0, 1000).to_string()).await;
    let item = bench.get("/items/film").await.body;
    assert_eq!((item["count"].as_u64(), item["mean"].as_f64()), (Some(2), Some(6.5)));
    assert_eq!(item["histogram"][8], 1);
    let user = bench.get("/users/ann/ratings").await.body;
    assert_eq!(user["ratings"][0]["score"], 8.0);
    assert_eq!(bench.get("/items/unheard-of").await.status, StatusCode::NOT_FOUND);
}

/// A backend that notes the class of each request and answers with these header fields.
async fn backend_double(fields: &'static str) -> (Backend, tokio::task::JoinHandle<String>) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/work", listener.local_addr().unwrap());
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n{fields}\r\n");
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(head).unwrap()
    });
    (Backend::new(&url, Duration::from_secs(10), None).unwrap(), served)
}

#[tokio::test]
async fn the_backend_is_told_the_context_and_its_calls_are_counted() {
    let settings =
        CollectorSettings { dependencies: vec![crate::BACKEND.to_owned()], ..CollectorSettings::default() };
    let mut bench = bench_with(settings);
    let (backend, served) = backend_double("openclaw-work-ms: 12.5\r\n").await;
    bench.service.backend = Some(backend);
    let mut body = rating("ann", "film", 8.0, 1000);
    body["context"] = json!({"deviceType": "tv", "networkQuality": "poor"});
    assert_eq!(bench.post(body.to_string()).await.status, StatusCode::CREATED);
    let head = served.await.unwrap();
    assert!(head.contains("openclaw-class: deviceType=tv;networkQuality=poor\r\n"), "{head}");
    let gauge = &bench.collector.status().dependencies[0];
    assert_eq!((gauge.name.as_str(), gauge.in_flight, gauge.completed), ("backend", 0, 1));
}

#[tokio::test]
async fn the_newest_timestamp_wins_and_an_older_one_is_acknowledged_as_superseded() {
    let bench = bench();
    bench.post(rating("ann", "film", 8.0, 2000).to_string()).await;
    let late = bench.post(rating("ann", "film", 1.0, 1000).to_string()).await;
    assert_eq!((late.status, late.body["superseded"].as_bool()), (StatusCode::CREATED, Some(true)));
    bench.post(rating("ann", "film", 9.0, 2000).to_string()).await;
    let item = bench.get("/items/film").await.body;
    assert_eq!((item["count"].as_u64(), item["mean"].as_f64()), (Some(1), Some(9.0)));
}

#[tokio::test]
async fn a_batch_answers_per_item_and_stores_the_good_ones() {
    let bench = bench();
    let batch = json!([rating("ann", "a", 1.0, 1), rating("ann", "b", 11.0, 1), {"userId": "x"}, rating("ann", "c", 3.0, 1)]);
    let reply = bench.post(batch.to_string()).await;
    assert_eq!(reply.status, StatusCode::MULTI_STATUS);
    let statuses: Vec<_> =
        reply.body["results"].as_array().unwrap().iter().map(|item| item["status"].clone()).collect();
    assert_eq!(statuses, [201, 400, 400, 201]);
    assert_eq!(reply.body["stored"], 2);
    assert!(reply.body["results"][1]["problem"]["detail"].as_str().unwrap().contains("score is 11"));
    assert_eq!(bench.get("/users/ann/ratings").await.body["ratings"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn ndjson_is_a_batch_of_lines() {
    let bench = bench();
    let lines = format!("{}\n{}\n", rating("ann", "a", 1.0, 1), rating("bob", "a", 3.0, 1));
    let reply = bench.call(Method::POST, "/ratings", NDJSON, lines).await;
    assert_eq!((reply.status, reply.body["stored"].as_u64()), (StatusCode::CREATED, Some(2)));
}

#[tokio::test]
async fn bad_bodies_are_problems_and_the_service_lives_on() {
    let bench = bench();
    for (body, part) in [
        (&b"{"[..], "EOF"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[]", "the batch is empty"),
        (br#"{"userId":"u","itemId":"i","score":NaN}"#, "expected"),
        (br#"{"userId":"u","itemId":"i","score":1e999}"#, "out of range"),
        (
            br#"{"userId":"u","itemId":"i","score":1,"timestamp":99999999999999}"#,
            "later than this service's clock",
        ),
        (br#"{"userId":"u","itemId":"i","score":1,"context":{"deviceType":"toaster"}}"#, "allowed are"),
    ] {
        let reply = bench.post(body).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{}", String::from_utf8_lossy(body));
        assert!(reply.detail().contains(part), "{}", reply.detail());
    }
    assert_eq!(bench.post("[".repeat(200_000)).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(bench.post("x".repeat(2 << 20)).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(bench.call(Method::POST, "/ratings", "text/plain", "x").await.status.as_u16(), 415);
    assert_eq!(bench.get("/ratings").await.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(bench.get("/nowhere").await.status, StatusCode::NOT_FOUND);
    assert_eq!(bench.post(rating("ann", "film", 8.0, 1).to_string()).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn an_empty_bucket_is_429_with_fields_that_say_when_to_return() {
    let bench = bench_with(CollectorSettings {
        defaults: BucketPolicy { bucket_size: 2.0, refill_rate: 0.5 },
        ..CollectorSettings::default()
    });
    let body = || rating("ann", "film", 8.0, 1).to_string();
    assert_eq!(bench.post(body()).await.status, StatusCode::CREATED);
    assert_eq!(bench.post(body()).await.status, StatusCode::CREATED);
    let reply = bench.post(body()).await;
    assert_eq!(reply.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(reply.body["type"].as_str().unwrap().ends_with("#quota-exceeded"), "{}", reply.body);
    assert!((1..=2).contains(&reply.headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap()));
    assert_eq!(reply.headers["ratelimit-policy"], "\"user\";q=2;w=4");
    assert_eq!(bench.post(rating("bob", "film", 8.0, 1).to_string()).await.status, StatusCode::CREATED);
    let batch = bench.post(json!([rating("ann", "a", 8.0, 1), rating("ann", "b", 8.0, 1)]).to_string()).await;
    assert_eq!(batch.status, StatusCode::TOO_MANY_REQUESTS, "every item of the batch was refused");
    assert!(batch.headers.contains_key("retry-after"), "{:?}", batch.headers);
    let status = bench.collector.status();
    assert_eq!((status.totals.attempts, status.totals.accepted, status.totals.throttled), (6, 3, 3));
}

#[tokio::test]
async fn pages_are_walked_by_cursor() {
    let bench = bench();
    let batch: Vec<_> = (0..5).map(|n| rating("ann", &format!("item-{n}"), 5.0, 1)).collect();
    bench.post(json!(batch).to_string()).await;
    let (mut seen, mut path) = (Vec::new(), "/users/ann/ratings?limit=2".to_owned());
    loop {
        let page = bench.get(&path).await.body;
        seen.extend(
            page["ratings"]
                .as_array()
                .unwrap()
                .iter()
                .map(|rating| rating["itemId"].as_str().unwrap().to_owned()),
        );
        match page["cursor"].as_str() {
            Some(cursor) => path = format!("/users/ann/ratings?limit=2&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen, ["item-0", "item-1", "item-2", "item-3", "item-4"]);
    assert_eq!(bench.get("/users/ann/ratings?limit=0").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(bench.get("/users/ann/ratings?cursor=nonsense").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_closed_store_refuses_and_is_not_ready() {
    let bench = bench();
    bench.service.store.close().await;
    let reply = bench.post(rating("ann", "film", 8.0, 1).to_string()).await;
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(reply.headers["retry-after"], "1");
    assert!(bench.service.ready().is_err());
    assert_eq!(bench.collector.status().totals.failed, 1);
    assert_eq!(bench.collector.status().in_flight, 0, "whoever fails leaves the guard");
}

#[tokio::test]
async fn tokens_are_asked_for_by_role() {
    let mut bench = bench();
    bench.access = bench.access.with(Role::Client, Token::new("client-token-1234").unwrap());
    let post = async |token: Option<&str>| {
        let mut request =
            http::Request::builder().method(Method::POST).uri("/ratings").header(CONTENT_TYPE, JSON);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        bench
            .send(request.body(rating("ann", "film", 8.0, 1).to_string().into()).unwrap())
            .await
            .status
            .as_u16()
    };
    assert_eq!((post(None).await, post(Some("client-token-1234")).await), (401, 201));
}

#[tokio::test]
async fn what_is_stored_is_published_though_its_client_has_left() {
    let bench = bench();
    let mut feed = bench.service.ratings();
    let rating = Rating {
        user_id: UserId::new("ann").unwrap(),
        item_id: ItemId::new("film").unwrap(),
        score: 5.0,
        timestamp: 1,
        context: Context::default(),
    };
    let in_flight = bench.service.admission.enter(&rating.user_id, &rating.context).unwrap();
    let mut admitted = Admitted::new(&bench.service, Instant::now(), in_flight, Patience::default());
    admitted.add(rating);
    {
        let mut storing = pin!(admitted.store(&bench.service.store));
        // Polled once: the store has it, and nobody waits for the answer.
        let _ = poll_fn(|context| Poll::Ready(storing.as_mut().poll(context).is_ready())).await;
    }
    drop(admitted);
    let told = tokio::time::timeout(Duration::from_secs(60), feed.next()).await.unwrap();
    assert!(matches!(told, Some(FeedEvent::Rating { rating, .. }) if &*rating.item_id == "film"));
    let totals = bench.collector.status().totals;
    assert_eq!((totals.completed, totals.failed), (0, 1), "for its client it is a timeout");
}

#[test]
fn every_route_is_documented_and_every_documented_path_is_a_route() {
    let document: Value = serde_json::from_str(&openapi_json().unwrap()).unwrap();
    let documented: BTreeSet<_> = document["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    let declared = include_str!("../service.rs").split(".route(\"").skip(1);
    let routes: BTreeSet<_> = declared.filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(documented, routes);
}
