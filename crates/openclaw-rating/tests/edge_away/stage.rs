//! A rating service with its collector, an edge that can go away and come back at the same address, and a load.
//!
//! Each has threads of its own, so that the edge's end takes its connections with it as a process's end would.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::post;
use openclaw_admin::access::AccessPolicy;
use openclaw_collector::{Collector, CollectorSettings, CollectorStatus, EdgeTarget, SpoolSettings};
use openclaw_controller::{Bounds, LoopSettings};
use openclaw_edge::{Edge, EdgeSettings};
use openclaw_harness::load::{Pace, Traffic};
use openclaw_harness::{Load, LoadReport, LoadSettings, RatingsSource};
use openclaw_protocol::{BucketPolicy, EventBatch};
use openclaw_rating::{RatingService, RatingSettings};
use openclaw_store::{Store, StoreSettings};
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt;

/// Nobody is throttled: what is looked at is the way of the events.
const GENEROUS: BucketPolicy = BucketPolicy { bucket_size: 1e6, refill_rate: 1e6 };
/// Nor by the local loop, which decides once the edge's leases have lapsed: the shipped ratings are years of people's
/// evenings in a minute, and it would hold back whoever rates fifty films in a blink.
const NEVER_LESS: Bounds = Bounds {
    bucket_size_min: GENEROUS.bucket_size,
    bucket_size_max: GENEROUS.bucket_size,
    refill_rate_min: GENEROUS.refill_rate,
    refill_rate_max: GENEROUS.refill_rate,
};
/// How long catching up may take before it is given up.
const PATIENCE: Duration = Duration::from_secs(240);
/// Longest batch that the edge here takes, in bytes.
const BODY_BYTES_MAX: usize = 16 << 20;

/// How often each event id came with a batch that the edge took.
type Ids = Arc<Mutex<HashMap<String, u32>>>;

fn threads(name: &str) -> Runtime {
    Builder::new_multi_thread().worker_threads(1).thread_name(name).enable_all().build().unwrap()
}

/// An edge that keeps the ids of what it took, also while it is away.
pub(crate) struct AwayEdge {
    address: SocketAddr,
    running: Option<Runtime>,
    ids: Ids,
}

impl AwayEdge {
    /// An edge that is there.
    pub(crate) fn new() -> Self {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let mut edge = Self { address, running: None, ids: Ids::default() };
        edge.come();
        edge
    }

    /// A new one, which knows nothing of the one before, at the same address.
    pub(crate) fn come(&mut self) {
        let running = threads("edge");
        let control = LoopSettings { defaults: GENEROUS, start_per_s: 1e6, ..LoopSettings::default() };
        // Never a limit: the static controller gives everyone the defaults.
        let controller = openclaw_edge::ControllerKind::Static;
        let edge = Edge::new(EdgeSettings { control, controller, ..EdgeSettings::default() });
        let inner = openclaw_edge::router(edge, &AccessPolicy::default());
        let router =
            Router::new().route("/api/v1/events", post(take)).with_state((inner, Arc::clone(&self.ids)));
        let listener = running.block_on(TcpListener::bind(self.address)).unwrap();
        running.spawn(async move { axum::serve(listener, router).await });
        self.running = Some(running);
    }

    /// Ends it at once, connections and all.
    pub(crate) fn leave(&mut self) {
        if let Some(running) = self.running.take() {
            running.shutdown_background();
        }
    }

    /// Different event ids that it took, and how many came more than once.
    pub(crate) fn taken(&self) -> (u64, u64) {
        let ids = self.ids.lock();
        (ids.len() as u64, ids.values().filter(|times| **times > 1).count() as u64)
    }
}

impl Drop for AwayEdge {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Notes the ids of a batch, where the edge takes it.
async fn take(State((edge, ids)): State<(Router, Ids)>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body: Bytes = axum::body::to_bytes(body, BODY_BYTES_MAX).await.unwrap();
    let batch: EventBatch = serde_json::from_slice(&body).unwrap();
    let response = edge.oneshot(Request::from_parts(head, Body::from(body))).await.unwrap();
    if response.status().is_success() {
        let mut ids = ids.lock();
        for event in &batch.events {
            let id = event.event_id.as_ref().expect("a collector names every event");
            *ids.entry(id.to_string()).or_default() += 1;
        }
    }
    response
}

/// A rating service whose collector delivers to an edge.
pub(crate) struct Rating {
    running: Runtime,
    collector: Option<Collector>,
    store: Store,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Rating {
    /// With so many events in memory at most, and a spool of its own where one is wanted.
    pub(crate) fn start(edge: &AwayEdge, queue_max: usize, spool: bool) -> Self {
        let running = threads("rating");
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("ratings"), StoreSettings::default()).unwrap();
        let endpoint = format!("http://{}/api/v1/event", edge.address);
        let spool = spool.then(|| SpoolSettings {
            folder: folder.path().join("spool"),
            bytes_max: 1 << 30,
            sync: Duration::from_secs(1),
        });
        let settings = CollectorSettings {
            edge: Some(EdgeTarget::new(&endpoint, None, Duration::from_secs(1)).unwrap()),
            defaults: GENEROUS,
            bounds: NEVER_LESS,
            guard: false,
            queue_max,
            batch_max: queue_max.min(1000),
            spool,
            ..CollectorSettings::default()
        };
        let _inside = running.enter();
        let collector = Collector::start(settings).unwrap();
        let service =
            RatingService::new(RatingSettings::default(), store.clone(), collector.admission(), None);
        let router = openclaw_rating::router(service, &AccessPolicy::default());
        let listener = running.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let address = listener.local_addr().unwrap();
        running.spawn(async move { axum::serve(listener, router).await });
        drop(_inside);
        Self { running, collector: Some(collector), store, address, _folder: folder }
    }

    pub(crate) fn status(&self) -> CollectorStatus {
        self.collector.as_ref().unwrap().status()
    }

    /// Waits until no event waits for the edge, in memory or on disk.
    pub(crate) fn catch_up(&self) {
        let began = Instant::now();
        loop {
            let status = self.status();
            if status.events_waiting == 0 && status.events_spooled == 0 {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "events still wait for the edge: {status:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Posts the shipped ratings, one a request, evenly; what comes within `warm_up` is not measured.
    pub(crate) fn load(&self, per_s: f64, duration: Duration, warm_up: Duration) -> LoadReport {
        let traffic = Traffic::Ratings {
            ratings: RatingsSource::Shipped,
            pace: Pace::PerSecond(per_s),
            duration_s: duration.as_secs_f64(),
        };
        let mut settings = LoadSettings::new(vec![format!("http://{}", self.address)], traffic);
        settings.timeout = Duration::from_secs(10);
        settings.warm_up = warm_up;
        let load = Load::new(settings).unwrap();
        threads("load").block_on(load.run(|_| {}, std::future::pending())).unwrap()
    }

    /// Ends the collector, then the rest. Returns what came of its events.
    pub(crate) fn stop(mut self) -> CollectorStatus {
        let collector = self.collector.take().unwrap();
        let status = collector.status_provider();
        self.running.block_on(async {
            collector.stop().await;
            self.store.close().await;
        });
        let status = status();
        self.running.shutdown_background();
        status
    }
}
