//! A rating service on a free loopback port, and a client of it.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use openclaw_admin::access::{AccessPolicy, Role, Roles};
use openclaw_admin::listen::{Endpoint, Exposure, ServeLimits, bind, serve};
use openclaw_admin::shutdown::Shutdown;
use openclaw_collector::{Collector, CollectorSettings};
use openclaw_protocol::BucketPolicy;
use openclaw_rating::{Backend, RatingService, RatingSettings, router};
use openclaw_store::{Store, StoreSettings};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// How long anything may take before a test gives up on it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How a service under test is set up.
pub(crate) struct Setup {
    pub(crate) settings: RatingSettings,
    pub(crate) limits: BucketPolicy,
    pub(crate) access: AccessPolicy,
    pub(crate) backend: Option<Backend>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            settings: RatingSettings::default(),
            limits: BucketPolicy { bucket_size: 1e6, refill_rate: 1e6 },
            access: AccessPolicy::default(),
            backend: None,
        }
    }
}

/// A running service.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) service: RatingService,
    pub(crate) collector: Collector,
    pub(crate) shutdown: Shutdown,
    pub(crate) task: JoinHandle<()>,
    client: reqwest::Client,
    _folder: tempfile::TempDir,
}

impl Server {
    pub(crate) async fn start(setup: Setup) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), StoreSettings::default()).unwrap();
        // On a machine with other things to do, latency must not lower the limits: these tests are about something else.
        let collector = CollectorSettings {
            defaults: setup.limits,
            slo: PATIENCE,
            guard: false,
            ..CollectorSettings::default()
        };
        let collector = Collector::start(collector).unwrap();
        let service = RatingService::new(setup.settings, store, collector.admission(), setup.backend);
        let endpoint = Endpoint {
            name: "rating",
            address: (Ipv4Addr::LOCALHOST, 0).into(),
            key: "rating.listen",
            flag: None,
            roles: Roles::from([Role::Client, Role::Reader]),
        };
        let listener = bind(&endpoint, &Exposure::default()).unwrap();
        let address = listener.address();
        let shutdown = Shutdown::new();
        let routes = router(service.clone(), &setup.access);
        let task = tokio::spawn(serve(listener, routes, ServeLimits::default(), shutdown.clone()));
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { address, service, collector, shutdown, task, client, _folder: folder }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.address))
    }

    /// Posts JSON.
    pub(crate) fn posting(&self, body: &Value) -> RequestBuilder {
        self.request(Method::POST, "/ratings")
            .header("content-type", "application/json")
            .body(body.to_string())
    }

    pub(crate) async fn post(&self, body: &Value) -> Response {
        self.posting(body).send().await.unwrap()
    }
}

/// A response's body as JSON.
pub(crate) async fn body(response: Response) -> Value {
    serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
}

/// What a problem says.
pub(crate) async fn detail(response: Response) -> String {
    assert_eq!(response.headers()["content-type"], "application/problem+json", "{response:?}");
    body(response).await["detail"].as_str().unwrap().to_owned()
}

pub(crate) fn rating(user: &str, item: &str, score: f64) -> Value {
    json!({"userId": user, "itemId": item, "score": score, "timestamp": 1000})
}

/// Looks again and again until `look` finds something.
///
/// # Panics
/// Where it finds nothing for as long as [`PATIENCE`] lasts.
pub(crate) async fn wait_for<T>(look: impl AsyncFn() -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, found).await.expect("found in time")
}
