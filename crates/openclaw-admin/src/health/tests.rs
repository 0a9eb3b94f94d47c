//! The admin routes as probes, scrapers and browsers see them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use axum::Router;
use axum::body::{Body, to_bytes};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{Request, StatusCode};
use serde_json::{Value, json};
use tower::Service;

use super::{AdminSurface, openapi_json};
use crate::access::{AccessPolicy, Role, Token};
use crate::metrics::Exporter;
use crate::shutdown::Shutdown;

fn surface(access: AccessPolicy, shutdown: &Shutdown) -> AdminSurface {
    let (exporter, _recorder) = Exporter::unattached().unwrap();
    AdminSurface::new("1.2.3", Instant::now(), exporter, access, shutdown.clone())
}

fn routes(surface: AdminSurface) -> Router {
    surface.router("127.0.0.1:8000".parse().unwrap(), [])
}

async fn get(routes: &mut Router, path: &str) -> (StatusCode, String) {
    let request = Request::get(path).header(HOST, "localhost:8000").body(Body::empty()).unwrap();
    let response = routes.call(request).await.unwrap();
    let status = response.status();
    let body = to_bytes(response.into_body(), 1_000_000).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn readiness_follows_its_checks_and_gives_reasons() {
    let edge_is_there = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&edge_is_there);
    let mut routes = routes(
        surface(AccessPolicy::default(), &Shutdown::new())
            .check("store", || Ok(()))
            .check("edge", move || {
                seen.load(Ordering::Relaxed).then_some(()).ok_or("no answer yet".to_owned())
            }),
    );
    let (status, body) = get(&mut routes, "/readyz").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    let expected = json!({"ready": false, "checks": {
        "store": {"ready": true}, "edge": {"ready": false, "reason": "no answer yet"}}});
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), expected);
    assert_eq!(get(&mut routes, "/healthz").await, (StatusCode::OK, "alive\n".to_owned()));

    edge_is_there.store(true, Ordering::Relaxed);
    assert_eq!(get(&mut routes, "/readyz").await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_stopping_process_is_alive_but_not_ready() {
    let shutdown = Shutdown::new();
    let mut routes = routes(surface(AccessPolicy::default(), &shutdown));
    assert_eq!(get(&mut routes, "/readyz").await.0, StatusCode::OK);
    shutdown.stop();
    let (status, body) = get(&mut routes, "/readyz").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(body.contains("the process is shutting down"), "{body}");
    assert_eq!(get(&mut routes, "/healthz").await.0, StatusCode::OK);
}

#[tokio::test]
async fn status_is_assembled_from_its_providers() {
    let mut routes = routes(
        surface(AccessPolicy::default(), &Shutdown::new()).status("collector", || json!({"queued": 3})),
    );
    let (status, body) = get(&mut routes, "/api/v1/status").await;
    assert_eq!(status, StatusCode::OK);
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["collector"], json!({"queued": 3}));
    assert_eq!((&body["version"], &body["ready"]), (&json!("1.2.3"), &json!(true)));
    assert!(body["uptimeMs"].is_u64());
}

#[tokio::test]
async fn metrics_and_status_are_for_readers_once_readers_have_a_token() {
    let access = AccessPolicy::new([(Role::Reader, Token::new("reader-token-0001").unwrap())]);
    let mut routes = routes(surface(access, &Shutdown::new()));
    for path in ["/metrics", "/api/v1/status"] {
        assert_eq!(get(&mut routes, path).await.0, StatusCode::UNAUTHORIZED, "{path}");
        let request = Request::get(path)
            .header(HOST, "localhost")
            .header(AUTHORIZATION, "Bearer reader-token-0001")
            .body(Body::empty())
            .unwrap();
        assert_eq!(routes.call(request).await.unwrap().status(), StatusCode::OK, "{path}");
    }
    for path in ["/healthz", "/readyz"] {
        assert_eq!(get(&mut routes, path).await.0, StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn foreign_hosts_are_refused_on_every_route_merged_ones_too() {
    let more = Router::new().route("/console", axum::routing::get(|| async { "console" }));
    let mut routes = routes(surface(AccessPolicy::default(), &Shutdown::new()).merge(more));
    for path in ["/healthz", "/readyz", "/metrics", "/api/v1/status", "/console", "/nowhere"] {
        let request = Request::get(path).header(HOST, "evil.example").body(Body::empty()).unwrap();
        let response = routes.call(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{path}");
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
    }
    assert_eq!(get(&mut routes, "/console").await, (StatusCode::OK, "console".to_owned()));
    assert_eq!(get(&mut routes, "/nowhere").await.0, StatusCode::NOT_FOUND);
}

#[test]
fn every_route_is_documented_and_every_documented_path_is_a_route() {
    let document: Value = serde_json::from_str(&openapi_json().unwrap()).unwrap();
    let documented: BTreeSet<_> = document["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    let declared = include_str!("../health.rs").split(".route(\"").skip(1);
    let routes: BTreeSet<_> = declared.filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(documented, routes);
}
