//! The service behind, and the two proxies before it, each with a thread of its own.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use openclaw_admin::access::Roles;
use openclaw_admin::listen::{Endpoint, Exposure, Protocols, ServeLimits, bind, serve};
use openclaw_admin::metrics::Exporter;
use openclaw_admin::shutdown::Shutdown;
use openclaw_collector::{Collector, CollectorSettings, EdgeTarget};
use openclaw_protocol::BucketPolicy;
use openclaw_sidecar::{Sidecar, SidecarSettings};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

use crate::bare;

/// What the edge answers to every batch: nobody is limited.
const ANSWER: &str = r#"{"policies":{},"defaults":{"bucketSize":1000000.0,"refillRate":1000000.0},"guardMs":10000.0,"ttlMs":5000,"policyVersion":"bench"}"#;

/// A service that reads what it is sent and answers a few bytes; it plays the edge as well.
pub(crate) struct Service {
    address: SocketAddr,
    _runtime: Runtime,
}

impl Service {
    pub(crate) fn start() -> Self {
        let runtime = one_thread();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let address = listener.local_addr().expect("its own address");
        runtime.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                stream.set_nodelay(true).expect("a socket option");
                tokio::spawn(
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)),
                );
            }
        });
        Self { address, _runtime: runtime }
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let is_edge = request.uri().path().starts_with("/api/v1/event");
    // A body that breaks off ends with its connection.
    let _ = request.into_body().collect().await;
    let body = if is_edge { ANSWER } else { "sixteen bytes ..." };
    Ok(Response::new(Full::new(Bytes::from_static(body.as_bytes()))))
}

/// A proxy with one thread.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    _runtime: Runtime,
    _collector: Option<Collector>,
}

impl Proxy {
    pub(crate) fn bare(service: &Service) -> Self {
        let runtime = one_thread();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let address = listener.local_addr().expect("its own address");
        runtime.spawn(bare::serve(listener, service.address));
        Self { address, _runtime: runtime, _collector: None }
    }

    pub(crate) fn sidecar(service: &Service) -> Self {
        let runtime = one_thread();
        let guard = runtime.enter();
        let exporter = Exporter::install().expect("the only recorder");
        runtime.spawn(exporter.upkeep(Shutdown::new()));
        let endpoint = Endpoint {
            name: "sidecar",
            address: ([127, 0, 0, 1], 0).into(),
            key: "sidecar.listen",
            flag: None,
            roles: Roles::default(),
        };
        let listener = bind(&endpoint, &Exposure::default()).expect("a free port");
        let address = listener.address();
        let events = format!("http://{}/api/v1/event", service.address);
        let edge = EdgeTarget::new(&events, None, Duration::from_secs(1)).expect("an endpoint");
        let plenty = BucketPolicy { bucket_size: 1e6, refill_rate: 1e6 };
        let mut settings = CollectorSettings {
            edge: Some(edge),
            defaults: plenty,
            start_per_s: 1e6,
            ..CollectorSettings::default()
        };
        // The guard works, and never refuses: a benchmark of an overloaded machine would measure refusals.
        settings.guard_law.floor = 1e4;
        settings.guard_law.floor_in_time = 1e4;
        settings.bounds.bucket_size_max = 1e6;
        settings.bounds.refill_rate_max = 1e6;
        let collector = Collector::start(settings).expect("a collector");
        let upstream = format!("http://{}", service.address).parse().expect("a URL");
        let sidecar = Sidecar::new(SidecarSettings::new(upstream), collector.admission(), true, "http");
        let limits =
            ServeLimits { peer_address: true, protocols: Protocols::Http1And2, ..ServeLimits::default() };
        runtime.spawn(serve(listener, sidecar.expect("good settings"), limits, Shutdown::new()));
        drop(guard);
        Self { address, _runtime: runtime, _collector: Some(collector) }
    }
}

fn one_thread() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a thread")
}
