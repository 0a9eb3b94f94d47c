//! The two servers: the edge as it runs, and the least that could stand in its place.

use std::net::SocketAddr;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::post;
use axum::serve::ListenerExt;
use bytes::Bytes;
use openclaw_admin::access::{AccessPolicy, Role, Roles};
use openclaw_admin::listen::{Endpoint, Exposure, ServeLimits, bind, serve};
use openclaw_admin::metrics::Exporter;
use openclaw_admin::shutdown::Shutdown;
use openclaw_edge::{Edge, EdgeSettings, router};
use openclaw_protocol::{EventBatch, RatingEvent};
use tokio::runtime::{Builder, Runtime};

/// A server with one thread of its own.
pub(crate) struct Side {
    pub(crate) address: SocketAddr,
    /// Ends with the side.
    _runtime: Runtime,
}

impl Side {
    /// The edge service behind its own listener.
    pub(crate) fn edge() -> Self {
        let runtime = one_thread();
        let guard = runtime.enter();
        let endpoint = Endpoint {
            name: "edge",
            address: ([127, 0, 0, 1], 0).into(),
            key: "edge.listen",
            flag: None,
            roles: Roles::from_iter([Role::Collector]),
        };
        let listener = bind(&endpoint, &Exposure::default()).expect("a free port");
        let address = listener.address();
        // As in production: recorder, gauges of users, upkeep.
        let exporter = Exporter::install().expect("the only recorder");
        let edge = Edge::new(EdgeSettings::default());
        edge.export(&exporter);
        runtime.spawn(exporter.upkeep(Shutdown::new()));
        let service = router(edge, &AccessPolicy::default());
        runtime.spawn(serve(listener, service, ServeLimits::default(), Shutdown::new()));
        drop(guard);
        Self { address, _runtime: runtime }
    }

    /// Routes that parse the same JSON into the same types and answer a constant.
    pub(crate) fn bare() -> Self {
        let runtime = one_thread();
        let listener =
            runtime.block_on(tokio::net::TcpListener::bind(("127.0.0.1", 0))).expect("a free port");
        let address = listener.local_addr().expect("its own address");
        let routes =
            Router::new().route("/api/v1/event", post(bare_event)).route("/api/v1/events", post(bare_batch));
        // Like the edge's listener; without it the kernel would hold back the ends of answers.
        let listener = listener.tap_io(|stream| stream.set_nodelay(true).expect("a socket option"));
        runtime.spawn(async move { axum::serve(listener, routes).await });
        Self { address, _runtime: runtime }
    }
}

async fn bare_event(body: Bytes) -> impl IntoResponse {
    let constant = r#"{"bucketSize":20.0,"refillRate":10.0}"#;
    match serde_json::from_slice::<RatingEvent>(&body) {
        Ok(_) => (StatusCode::OK, [(header::CONTENT_TYPE, "application/json")], constant),
        Err(_) => (StatusCode::BAD_REQUEST, [(header::CONTENT_TYPE, "text/plain")], "bad"),
    }
}

async fn bare_batch(body: Bytes) -> impl IntoResponse {
    match serde_json::from_slice::<EventBatch>(&body) {
        Ok(_) => (StatusCode::OK, [(header::CONTENT_TYPE, "application/json")], "{}"),
        Err(_) => (StatusCode::BAD_REQUEST, [(header::CONTENT_TYPE, "text/plain")], "bad"),
    }
}

fn one_thread() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a thread")
}
