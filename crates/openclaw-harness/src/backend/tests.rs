//! Routes, headers and leaving clients, over real sockets.

use std::net::{IpAddr, Ipv4Addr};

use super::*;
use ::http::{HeaderMap, Method, Request};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use openclaw_scenario::{Dependency, ServiceTime, demo};
use tokio::sync::oneshot;

/// One worker of 20 ms with room for one more, then a dependency that everybody calls.
fn scenario() -> Scenario {
    let mut scenario = demo();
    scenario.capacity.clear();
    scenario.service.workers = 1;
    scenario.service.service_time = ServiceTime::Lognormal { mean_ms: 20.0, cv: 0.0 };
    scenario.service.queue_max = 1;
    scenario.dependencies = vec![Dependency {
        name: "moderation".to_owned(),
        workers: 1,
        service_time: ServiceTime::Lognormal { mean_ms: 1.0, cv: 0.0 },
        call_fraction: 1.0,
        capacity: Vec::new(),
    }];
    scenario
}

struct Running {
    address: SocketAddr,
    handle: BackendHandle,
    /// Dropping it ends the backend.
    _stop: oneshot::Sender<()>,
}

async fn start(scenario: &Scenario) -> Running {
    let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
    let backend = Backend::bind(address, scenario).await.expect("a free loopback port");
    let (address, handle) = (backend.local_addr(), backend.handle());
    let (stop, stopped) = oneshot::channel::<()>();
    tokio::spawn(backend.run(async { drop(stopped.await) }));
    Running { address, handle, _stop: stop }
}

/// Sends one request on a connection of its own.
async fn send(
    address: SocketAddr,
    method: Method,
    path: &str,
    headers: &[(&'static str, &'static str)],
) -> (u16, HeaderMap, Bytes) {
    let stream = TcpStream::connect(address).await.expect("the backend listens");
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("a connection");
    tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(path).header("host", "backend");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::<Bytes>::default()).expect("a valid request");
    let (parts, body) = sender.send_request(request).await.expect("an answer").into_parts();
    (parts.status.as_u16(), parts.headers, body.collect().await.expect("a whole answer").to_bytes())
}

fn number(headers: &HeaderMap, name: &str) -> f64 {
    headers[name].to_str().unwrap_or_default().parse().expect("a number")
}

#[tokio::test]
async fn work_tells_its_time_without_the_wait() {
    let backend = start(&scenario()).await;
    let (status, headers, _) = send(backend.address, Method::POST, "/work", &[]).await;
    assert_eq!((status, number(&headers, "openclaw-work-ms")), (200, 20.0));
    let calls = headers["openclaw-dependency-ms"].to_str().unwrap();
    assert!(calls.starts_with("moderation="), "{calls}");
    let (_, headers, _) = send(backend.address, Method::POST, "/work", &[("openclaw-items", "3")]).await;
    assert_eq!(number(&headers, "openclaw-work-ms"), 60.0);
}

#[tokio::test]
async fn an_uninstrumented_backend_tells_no_times() {
    let backend = start(&Scenario { instrumented: false, ..scenario() }).await;
    let (status, headers, _) = send(backend.address, Method::POST, "/work", &[]).await;
    assert_eq!(status, 200);
    assert!(!headers.contains_key("openclaw-work-ms") && !headers.contains_key("openclaw-dependency-ms"));
}

#[tokio::test]
async fn a_full_queue_is_refused_with_a_problem() {
    let mut slow = scenario();
    slow.service.service_time = ServiceTime::Lognormal { mean_ms: 60_000.0, cv: 0.0 };
    let backend = start(&slow).await;
    let waiting = [0, 1].map(|_| tokio::spawn(send(backend.address, Method::POST, "/work", &[])));
    while backend.handle.state().service.queued < 1 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let (status, headers, body) = send(backend.address, Method::POST, "/work", &[]).await;
    assert_eq!((status, headers["content-type"].as_bytes()), (503, &b"application/problem+json"[..]));
    let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(problem["detail"], "the queue of service holds 1 requests and is full; try again later");
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn a_client_that_hangs_up_leaves_the_queue() {
    let mut slow = scenario();
    slow.service.service_time = ServiceTime::Lognormal { mean_ms: 60_000.0, cv: 0.0 };
    let backend = start(&slow).await;
    let tasks = [0, 1].map(|_| tokio::spawn(send(backend.address, Method::POST, "/work", &[])));
    while backend.handle.state().service.queued < 1 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // Aborting the request ends its connection: both clients go, and only work in progress stays.
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
    while backend.handle.state().service.queued > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(backend.handle.state().service.busy, 1);
}

#[tokio::test]
async fn the_state_is_json() {
    let backend = start(&scenario()).await;
    let (status, _, body) = send(backend.address, Method::GET, "/state", &[]).await;
    let state: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(status, 200);
    let expected = serde_json::json!({
        "clockS": 0.0, "name": "service", "busy": 0, "queued": 0, "served": 0, "capacityLevel": 1.0, "paused": false,
        "dependencies": [{"name": "moderation", "busy": 0, "queued": 0, "served": 0, "capacityLevel": 1.0, "paused": false}],
    });
    assert_eq!(state, expected);
}

#[tokio::test]
async fn bad_requests_are_explained() {
    let backend = start(&scenario()).await;
    for (method, path, headers, status) in [
        (Method::GET, "/work", &[][..], 405),
        (Method::GET, "/", &[], 404),
        (Method::POST, "/work", &[("openclaw-items", "0")], 400),
        (Method::POST, "/work", &[("openclaw-items", "many")], 400),
    ] {
        let (answered, headers, _) = send(backend.address, method, path, headers).await;
        assert_eq!(
            (answered, headers["content-type"].as_bytes()),
            (status, &b"application/problem+json"[..])
        );
    }
    assert_eq!(backend.handle.state().service.served, 0);
}

#[tokio::test]
async fn a_taken_port_says_what_to_do() {
    let backend = start(&scenario()).await;
    let error = Backend::bind(backend.address, &scenario()).await.unwrap_err().to_string();
    assert!(error.starts_with(&format!("cannot listen on {}: ", backend.address)), "{error}");
    assert!(error.ends_with("choose another address, or end the process that holds it"), "{error}");
}
