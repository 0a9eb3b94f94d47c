//! The admin listener's routes: is the process alive, may traffic come, what is going on, what was measured.
//!
//! Checks and status come as closures from their owners, so that this crate knows none of them. Liveness
//! never looks at a dependency: a service that its orchestrator restarts because a database is away only
//! makes the outage longer.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::State;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use serde_json::{Map, Value, json};

use crate::access::{AccessPolicy, Role};
use crate::metrics::{Exporter, TEXT_FORMAT};
use crate::origin::{HostPolicy, check_host};
use crate::reply::with_problem_fallbacks;
use crate::shutdown::{Phase, Shutdown};

type Check = Box<dyn Fn() -> Result<(), String> + Send + Sync>;
type Provider = Box<dyn Fn() -> Value + Send + Sync>;

/// What the admin listener answers; [`router`](Self::router) makes routes of it.
pub struct AdminSurface {
    exporter: Exporter,
    access: AccessPolicy,
    shutdown: Shutdown,
    started: Instant,
    version: &'static str,
    checks: Vec<(&'static str, Check)>,
    status: Vec<(&'static str, Provider)>,
    more: Router,
}

impl fmt::Debug for AdminSurface {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let checks: Vec<_> = self.checks.iter().map(|(name, _)| name).collect();
        let status: Vec<_> = self.status.iter().map(|(name, _)| name).collect();
        formatter
            .debug_struct("AdminSurface")
            .field("checks", &checks)
            .field("status", &status)
            .finish_non_exhaustive()
    }
}

impl AdminSurface {
    /// A surface without checks and status providers; `started` is when the process started.
    #[must_use]
    pub fn new(
        version: &'static str,
        started: Instant,
        exporter: Exporter,
        access: AccessPolicy,
        shutdown: Shutdown,
    ) -> Self {
        Self {
            exporter,
            access,
            shutdown,
            started,
            version,
            checks: Vec::new(),
            status: Vec::new(),
            more: Router::new(),
        }
    }

    /// Adds a condition for readiness; its error says, in a sentence for the operator, why it does not hold.
    /// It must not block.
    #[must_use]
    pub fn check(
        mut self,
        name: &'static str,
        check: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.checks.push((name, Box::new(check)));
        self
    }

    /// Adds a part of `/api/v1/status`. It must not block.
    #[must_use]
    pub fn status(
        mut self,
        name: &'static str,
        provider: impl Fn() -> Value + Send + Sync + 'static,
    ) -> Self {
        self.status.push((name, Box::new(provider)));
        self
    }

    /// Adds routes that share this listener and its checks of `Host` and `Origin`. They bring their own
    /// access layers.
    #[must_use]
    pub fn merge(mut self, routes: Router) -> Self {
        self.more = self.more.merge(routes);
        self
    }

    /// The routes: `/healthz` and `/readyz` for everybody, `/metrics` and `/api/v1/status` for readers.
    ///
    /// `address` is where they will be served and `allowed_hosts` the names that reverse proxies use for it.
    pub fn router(mut self, address: SocketAddr, allowed_hosts: impl IntoIterator<Item = String>) -> Router {
        let readers = self.access.require(Role::Reader);
        let more = std::mem::take(&mut self.more);
        let routes = Router::new()
            .route("/metrics", get(metrics))
            .route("/api/v1/status", get(status))
            .layer(readers)
            .route("/healthz", get(healthz))
            .route("/readyz", get(readyz))
            .with_state(Arc::new(self))
            .merge(more);
        let hosts = HostPolicy::new(address, allowed_hosts);
        with_problem_fallbacks(routes).layer(middleware::from_fn_with_state(hosts, check_host))
    }

    /// Every check's result, and whether all hold. A process on its way out is not ready, whatever they say.
    fn readiness(&self) -> (bool, Value) {
        let stopping = (self.shutdown.phase() != Phase::Running)
            .then(|| ("shutdown", Err("the process is shutting down".to_owned())));
        let results = self.checks.iter().map(|(name, check)| (*name, check())).chain(stopping);
        let mut ready = true;
        let mut checks = Map::new();
        for (name, result) in results {
            ready &= result.is_ok();
            let shown = match result {
                Ok(()) => json!({ "ready": true }),
                Err(reason) => json!({ "ready": false, "reason": reason }),
            };
            checks.insert(name.to_owned(), shown);
        }
        (ready, Value::Object(checks))
    }
}

async fn healthz() -> Response {
    reply(StatusCode::OK, "text/plain; charset=utf-8", "alive\n".to_owned())
}

async fn readyz(State(surface): State<Arc<AdminSurface>>) -> Response {
    let (ready, checks) = surface.readiness();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    reply(status, "application/json", json!({ "ready": ready, "checks": checks }).to_string())
}

async fn metrics(State(surface): State<Arc<AdminSurface>>) -> Response {
    reply(StatusCode::OK, TEXT_FORMAT, surface.exporter.render())
}

async fn status(State(surface): State<Arc<AdminSurface>>) -> Response {
    let (ready, checks) = surface.readiness();
    let uptime_ms = u64::try_from(surface.started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let mut all = Map::new();
    all.insert("version".to_owned(), surface.version.into());
    all.insert("uptimeMs".to_owned(), uptime_ms.into());
    all.insert("ready".to_owned(), ready.into());
    all.insert("checks".to_owned(), checks);
    for (name, provider) in &surface.status {
        all.insert((*name).to_owned(), provider());
    }
    reply(StatusCode::OK, "application/json", Value::Object(all).to_string())
}

fn reply(status: StatusCode, content_type: &'static str, body: String) -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(content_type)),
        // What was true a moment ago is of no use to a probe or a scraper.
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (status, headers, body).into_response()
}

#[cfg(test)]
mod tests;
