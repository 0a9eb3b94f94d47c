//! Puts the parts together: configuration in, running services out.

mod settings;
mod sidecar;
mod trust;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Instant;

use anyhow::Result;
use openclaw_admin::access::AccessPolicy;
use openclaw_admin::health::AdminSurface;
use openclaw_admin::listen::{Endpoint, bind, serve};
use openclaw_admin::metrics::Exporter;
use openclaw_admin::shutdown::Shutdown;
use openclaw_collector::Collector;
use openclaw_edge::Edge;
use openclaw_rating::RatingService;
use openclaw_store::Store;
use serde_json::json;
use tokio::task::JoinHandle;

use crate::config::Config;

pub(crate) use settings::rating_rules;
use settings::{backend, collector_settings, edge_settings, rating_settings, store_settings};

pub(crate) use sidecar::{ServeSidecar, sidecar_settings};
pub(crate) use trust::Authorities;

/// Which services a process runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parts {
    pub(crate) rating: bool,
    pub(crate) edge: bool,
}

/// Registers what every part measures.
pub(crate) fn describe_metrics() {
    openclaw_admin::access::describe_metrics();
    openclaw_admin::listen::describe_metrics();
    openclaw_collector::describe_metrics();
    openclaw_edge::describe_metrics();
    openclaw_rating::describe_metrics();
    openclaw_sidecar::describe_metrics();
    openclaw_store::describe_metrics();
}

/// Opens the store that the configuration names: the database where there is a URL, else the folder.
pub(crate) async fn open_store(config: &Config) -> Result<Store> {
    let settings = store_settings(config)?;
    if let Some(url) = &config.store.url {
        return Ok(Store::connect(url.expose(), settings).await?);
    }
    let folder = config.store.folder.clone();
    Ok(tokio::task::spawn_blocking(move || Store::open(&folder, settings)).await??)
}

/// A running edge service.
#[derive(Debug)]
pub(crate) struct ServeEdge {
    pub(crate) edge: Edge,
    address: SocketAddr,
    scheme: &'static str,
    shutdown: Shutdown,
    task: JoinHandle<()>,
}

impl ServeEdge {
    /// Binds and serves. The edge stops by [`stop`](Self::stop) alone: in one process with a rating service it
    /// must outlive that.
    pub(crate) async fn start(config: &Config, access: &AccessPolicy, exporter: &Exporter) -> Result<Self> {
        let settings = edge_settings(config)?;
        let edge = tokio::task::spawn_blocking(move || Edge::open(settings)).await??;
        edge.export(exporter);
        let endpoint = Endpoint { flag: Some("--listen"), ..config.edge_endpoint() };
        let listener = bind(&endpoint, &config.exposure(access.clone()))?;
        let (address, scheme) = (listener.address(), listener.scheme());
        let limits = config.edge.serve_limits(config.shutdown.timeout);
        let shutdown = Shutdown::new();
        let router = openclaw_edge::router(edge.clone(), access);
        let task = tokio::spawn(serve(listener, router, limits, shutdown.clone()));
        Ok(Self { edge, address, scheme, shutdown, task })
    }

    pub(crate) fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// The single-event URL for a collector in this process.
    pub(crate) fn event_endpoint(&self) -> String {
        format!("{}://{}/api/v1/event", self.scheme, reachable(self.address))
    }

    pub(crate) async fn stop(self) {
        self.shutdown.stop();
        ended(self.task, "edge").await;
    }
}

/// A running rating service with its collector.
#[derive(Debug)]
pub(crate) struct ServeRating {
    pub(crate) service: RatingService,
    pub(crate) collector: Collector,
    pub(crate) store: Store,
    address: SocketAddr,
    scheme: &'static str,
    shutdown: Shutdown,
    task: JoinHandle<()>,
}

impl ServeRating {
    /// Opens the store, binds and serves until `shutdown`. `event_endpoint` is the edge's event URL where it is not
    /// the configured one.
    pub(crate) async fn start(
        config: &Config,
        access: &AccessPolicy,
        event_endpoint: Option<String>,
        shutdown: Shutdown,
    ) -> Result<Self> {
        // Bound before the store is opened: a taken port is said at once, and no folder is made for nothing.
        let endpoint = Endpoint { flag: Some("--listen"), ..config.rating_endpoint() };
        let listener = bind(&endpoint, &config.exposure(access.clone()))?;
        let (address, scheme) = (listener.address(), listener.scheme());
        let authorities = Authorities::of(config);
        let backend = backend(config, &authorities)?;
        let store = open_store(config).await?;
        let collector = Collector::start(collector_settings(config, event_endpoint, &authorities)?)?;
        let service =
            RatingService::new(rating_settings(config), store.clone(), collector.admission(), backend);
        let router = openclaw_rating::router(service.clone(), access);
        let limits = config.rating.serve_limits(config.shutdown.timeout);
        let task = tokio::spawn(serve(listener, router, limits, shutdown.clone()));
        let (streaming, stopping) = (service.clone(), shutdown.clone());
        tokio::spawn(async move {
            stopping.stopping().await;
            streaming.end_streams();
        });
        Ok(Self { service, collector, store, address, scheme, shutdown, task })
    }

    pub(crate) fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// Finishes the requests in progress, delivers their events, closes the store.
    pub(crate) async fn stop(self) {
        self.shutdown.stop();
        ended(self.task, "rating").await;
        self.service.end_feed();
        self.collector.stop().await;
        self.store.close().await;
    }
}

async fn ended(task: JoinHandle<()>, name: &str) {
    if let Err(error) = task.await {
        tracing::error!(%error, listener = name, "a listener ended badly");
    }
}

/// The admin listener, being put together.
#[derive(Debug)]
pub(crate) struct Admin {
    surface: AdminSurface,
    access: AccessPolicy,
    shutdown: Shutdown,
}

impl Admin {
    pub(crate) fn new(
        started: Instant,
        exporter: Exporter,
        access: AccessPolicy,
        shutdown: Shutdown,
    ) -> Self {
        let version = env!("CARGO_PKG_VERSION");
        let surface = AdminSurface::new(version, started, exporter, access.clone(), shutdown.clone());
        Self { surface, access, shutdown }
    }

    pub(crate) fn with_edge(mut self, edge: &ServeEdge) -> Self {
        let edge = edge.edge.clone();
        self.surface = self.surface.status("edge", move || json!(edge.status()));
        self
    }

    pub(crate) fn with_rating(mut self, rating: &ServeRating) -> Self {
        let (service, ready) = (rating.service.clone(), rating.service.clone());
        let (collector, live) = (rating.collector.status_provider(), rating.collector.liveness_provider());
        self.surface = self
            .surface
            .check("store", move || ready.ready())
            .check("collector", live)
            .status("rating", move || json!(service.status()))
            .status("collector", move || json!(collector()));
        self
    }

    pub(crate) fn with_sidecar(mut self, serving: &ServeSidecar) -> Self {
        let sidecar = serving.sidecar.clone();
        let (collector, live) = (serving.collector.status_provider(), serving.collector.liveness_provider());
        self.surface = self
            .surface
            .check("collector", live)
            .status("sidecar", move || json!(sidecar.status()))
            .status("collector", move || json!(collector()));
        self
    }

    /// Binds and serves until the process stops. Returns the URL.
    pub(crate) fn start(self, config: &Config) -> Result<(String, JoinHandle<()>)> {
        let endpoint = Endpoint { flag: Some("--admin-listen"), ..config.admin_endpoint() };
        let listener = bind(&endpoint, &config.exposure(self.access))?;
        let url = format!("{}://{}", listener.scheme(), listener.address());
        let router = self.surface.router(listener.address(), config.admin.allowed_hosts.clone());
        let task = tokio::spawn(serve(listener, router, config.admin_serve_limits(), self.shutdown));
        Ok((url, task))
    }
}

/// Where a process reaches its own listener: loopback, where it listens on every address.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}
