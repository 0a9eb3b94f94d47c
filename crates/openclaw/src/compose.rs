//! Puts the parts together: configuration in, running services out.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use openclaw_admin::access::AccessPolicy;
use openclaw_admin::health::AdminSurface;
use openclaw_admin::listen::{Endpoint, bind, serve};
use openclaw_admin::metrics::Exporter;
use openclaw_admin::shutdown::Shutdown;
use openclaw_collector::{Collector, CollectorSettings, EdgeTarget};
use openclaw_controller::{AimdSettings, Bounds, GuardLaw, LoopSettings};
use openclaw_edge::{Edge, EdgeSettings};
use openclaw_protocol::{BucketPolicy, ContextVocabulary, RatingRules, ScoreRange};
use openclaw_rating::{Backend, RatingService, RatingSettings};
use openclaw_store::{ScoreScale, Store, StoreSettings};
use serde_json::json;
use tokio::task::JoinHandle;

use crate::config::Config;

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
    openclaw_store::describe_metrics();
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
        let edge = Edge::new(edge_settings(config));
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
        let backend = backend(config)?;
        let (folder, settings) = (config.store.folder.clone(), store_settings(config)?);
        let store = tokio::task::spawn_blocking(move || Store::open(&folder, settings)).await??;
        let collector = Collector::start(collector_settings(config, event_endpoint)?)
            .context("the collector's HTTP client cannot be built")?;
        let service =
            RatingService::new(rating_settings(config), store.clone(), collector.admission(), backend);
        let router = openclaw_rating::router(service.clone(), access);
        let limits = config.rating.serve_limits(config.shutdown.timeout);
        let task = tokio::spawn(serve(listener, router, limits, shutdown.clone()));
        Ok(Self { service, collector, store, address, scheme, shutdown, task })
    }

    pub(crate) fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// Finishes the requests in progress, delivers their events, closes the store.
    pub(crate) async fn stop(self) {
        self.shutdown.stop();
        ended(self.task, "rating").await;
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
        let collector = rating.collector.status_provider();
        self.surface = self
            .surface
            .check("store", move || ready.ready())
            .status("rating", move || json!(service.status()))
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

fn defaults(config: &Config) -> BucketPolicy {
    BucketPolicy { bucket_size: config.limits.bucket_size, refill_rate: config.limits.refill_rate }
}

fn bounds(config: &Config) -> Bounds {
    Bounds {
        bucket_size_min: config.limits.bucket_size_min,
        bucket_size_max: config.limits.bucket_size_max,
        refill_rate_min: config.limits.refill_rate_min,
        refill_rate_max: config.limits.refill_rate_max,
    }
}

fn scores(config: &Config) -> ScoreRange {
    ScoreRange { min: config.rating.score_min, max: config.rating.score_max }
}

fn edge_settings(config: &Config) -> EdgeSettings {
    EdgeSettings {
        controller: config.edge.controller,
        control: LoopSettings {
            slo_s: config.slo.latency.as_secs_f64(),
            tick_ns: nanoseconds(config.edge.tick),
            start_per_s: config.edge.start_per_s,
            defaults: defaults(config),
            bounds: bounds(config),
            users_max: config.edge.users_max,
            sources_max: config.edge.collectors_max,
            ttl_ns: nanoseconds(config.edge.ttl),
        },
        aimd: AimdSettings {
            start_per_s: config.edge.start_per_s,
            increase_fraction: config.aimd.increase_fraction,
            backoff_ratio: config.aimd.backoff_ratio,
            window_s: config.aimd.window.as_secs_f64(),
        },
        scores: scores(config),
        services_max: config.edge.services_max,
        body_bytes_max: config.edge.body_bytes_max,
        body_timeout: config.edge.body_timeout,
        metrics_users_max: config.metrics.users_max,
        ..EdgeSettings::default()
    }
}

fn collector_settings(config: &Config, endpoint: Option<String>) -> Result<CollectorSettings> {
    let token = config.collector.token.as_ref().map(|token| token.expose().to_owned());
    // A collector in the edge's own process needs no token of its own: any collector's will do.
    let token = token.or_else(|| {
        let own = config.access.collector_tokens.first();
        own.filter(|_| endpoint.is_some()).map(|token| token.expose().to_owned())
    });
    let endpoint = endpoint.or_else(|| config.collector.event_endpoint.as_ref().map(ToString::to_string));
    let edge = endpoint.map(|url| EdgeTarget::new(&url, token, config.collector.timeout)).transpose()?;
    Ok(CollectorSettings {
        service: config.collector.service.clone(),
        edge,
        slo: config.slo.latency,
        flush_interval: config.collector.flush_interval,
        batch_max: config.collector.batch_events_max,
        queue_max: config.collector.queue_events_max,
        users_max: config.collector.users_max.min(config.limits.users_max),
        defaults: defaults(config),
        bounds: bounds(config),
        start_per_s: config.edge.start_per_s,
        guard: config.guard.enabled,
        guard_law: GuardLaw { floor_in_time: config.guard.start_in_flight as f64, ..GuardLaw::default() },
        ttl: config.edge.ttl,
    })
}

fn rating_settings(config: &Config) -> RatingSettings {
    let vocabulary = ContextVocabulary {
        device_types: config.context.device_types.clone(),
        network_qualities: config.context.network_qualities.clone(),
        regions: config.context.regions.clone(),
    };
    let future_tolerance_ms = u64::try_from(config.rating.future_tolerance.as_millis()).unwrap_or(u64::MAX);
    RatingSettings {
        rules: RatingRules { scores: scores(config), vocabulary, future_tolerance_ms },
        region: config.rating.region.clone(),
        body_bytes_max: config.rating.body_bytes_max,
        body_timeout: config.rating.body_timeout,
        batch_max: config.rating.batch_ratings_max,
    }
}

fn store_settings(config: &Config) -> Result<StoreSettings> {
    let bins = StoreSettings::default().scale.bins();
    let bins = u16::try_from(bins).unwrap_or(u16::MAX);
    let scale = ScoreScale::new(config.rating.score_min, config.rating.score_max, bins)
        .map_err(anyhow::Error::msg)
        .context("rating.scoreMin and rating.scoreMax")?;
    Ok(StoreSettings {
        scale,
        prior_ratings: u32::try_from(config.store.prior_ratings).unwrap_or(u32::MAX),
        queue_ratings_max: config.store.queue_ratings_max,
        commit_ratings_max: config.store.commit_ratings_max,
        retry_interval: config.store.retry_interval,
        cache_bytes: config.store.cache_bytes,
        ..StoreSettings::default()
    })
}

fn backend(config: &Config) -> Result<Option<Backend>> {
    let url = config.rating.backend_url.as_ref();
    Ok(url.map(|url| Backend::new(&url.to_string(), config.rating.backend_timeout)).transpose()?)
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
