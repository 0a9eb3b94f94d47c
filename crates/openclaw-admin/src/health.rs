//! The admin listener's routes: is the process alive, may traffic come, what is going on, what was measured.
//!
//! Checks and status come as closures from their owners, so that this crate knows none of them. Liveness
//! never looks at a dependency: a service that its orchestrator restarts because a database is away only
//! makes the outage longer.

use std::collections::BTreeMap;
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
use openclaw_protocol::{Problem, ProblemKind};
use serde::Serialize;
use serde_json::Value;
use utoipa::{OpenApi, ToSchema};

use crate::access::{AccessPolicy, Role};
use crate::metrics::{Exporter, TEXT_FORMAT};
use crate::openapi::{self, AccessProblems, BearerByRole, InternalProblem, OriginProblems};
use crate::origin::{HostPolicy, check_host};
use crate::reply::{ProblemReply, with_problem_fallbacks};
use crate::shutdown::{Phase, Shutdown};

type Check = Box<dyn Fn() -> Result<(), String> + Send + Sync>;
type Provider = Box<dyn Fn() -> Value + Send + Sync>;

/// What the routes of this listener are, as OpenAPI.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "OpenClaw admin listener",
        description = "Health, status and metrics of an OpenClaw process. Every error is an RFC 9457 problem \
                       document; unknown paths are answered 404, known ones under a wrong method 405 with `Allow`. \
                       Requests whose `Host` or `Origin` is another's are refused."
    ),
    servers((url = "http://127.0.0.1:8000", description = "Default listener")),
    paths(healthz, readyz, metrics, status),
    components(schemas(Problem)),
    modifiers(&BearerByRole)
)]
struct AdminDocument;

/// The OpenAPI document of the admin listener's own routes.
///
/// # Errors
/// See [`openapi::to_json`].
pub fn openapi_json() -> Result<String, serde_json::Error> {
    openapi::to_json::<AdminDocument>()
}

/// Whether one condition for readiness holds.
#[derive(Serialize, ToSchema)]
struct CheckResult {
    ready: bool,
    /// Why not, for the operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// Whether traffic may come.
#[derive(Serialize, ToSchema)]
struct Readiness {
    /// Whether every check holds.
    ready: bool,
    /// The checks by name.
    checks: BTreeMap<&'static str, CheckResult>,
}

/// What is going on in this process.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ProcessStatus {
    /// The program's version.
    version: &'static str,
    /// Time since the process started, in ms.
    uptime_ms: u64,
    #[serde(flatten)]
    readiness: Readiness,
    /// What the services of this process tell of themselves, by name: `rating`, `collector`, `edge`.
    #[serde(flatten)]
    parts: BTreeMap<&'static str, Value>,
}

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
    fn readiness(&self) -> Readiness {
        let stopping = (self.shutdown.phase() != Phase::Running)
            .then(|| ("shutdown", Err("the process is shutting down".to_owned())));
        let results = self.checks.iter().map(|(name, check)| (*name, check())).chain(stopping);
        let checks: BTreeMap<_, _> = results
            .map(|(name, result)| (name, CheckResult { ready: result.is_ok(), reason: result.err() }))
            .collect();
        Readiness { ready: checks.values().all(|check| check.ready), checks }
    }
}

/// Whether the process is alive.
///
/// Looks at no dependency: restarting this process would not bring one back.
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "health",
    responses(
        (status = 200, description = "Alive", body = String, content_type = "text/plain", example = "alive\n"),
        OriginProblems
    )
)]
async fn healthz() -> Response {
    reply(StatusCode::OK, "text/plain; charset=utf-8", "alive\n".to_owned())
}

/// Whether traffic may come.
///
/// Not where a check fails, nor while the process shuts down.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "health",
    responses(
        (status = 200, description = "Ready", body = Readiness,
            example = json!({"ready": true, "checks": {"store": {"ready": true}}})),
        (status = 503, description = "Not ready, and why", body = Readiness,
            example = json!({"ready": false, "checks": {
                "shutdown": {"ready": false, "reason": "the process is shutting down"}, "store": {"ready": true}}})),
        OriginProblems
    )
)]
async fn readyz(State(surface): State<Arc<AdminSurface>>) -> Response {
    let readiness = surface.readiness();
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json_reply(status, &readiness)
}

/// The metrics of this process.
///
/// In the plain text form of Prometheus, version 0.0.4; the metrics reference lists them.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "metrics",
    security(("bearer" = ["reader"]), ()),
    responses(
        (status = 200, description = "Every metric", body = String, content_type = "text/plain"),
        AccessProblems
    )
)]
async fn metrics(State(surface): State<Arc<AdminSurface>>) -> Response {
    reply(StatusCode::OK, TEXT_FORMAT, surface.exporter.render())
}

/// What is going on in this process.
#[utoipa::path(
    get,
    path = "/api/v1/status",
    tag = "status",
    security(("bearer" = ["reader"]), ()),
    responses(
        (status = 200, description = "The state of the process and of its services", body = ProcessStatus),
        AccessProblems,
        InternalProblem
    )
)]
async fn status(State(surface): State<Arc<AdminSurface>>) -> Response {
    let status = ProcessStatus {
        version: surface.version,
        uptime_ms: u64::try_from(surface.started.elapsed().as_millis()).unwrap_or(u64::MAX),
        readiness: surface.readiness(),
        parts: surface.status.iter().map(|(name, provider)| (*name, provider())).collect(),
    };
    json_reply(StatusCode::OK, &status)
}

fn json_reply<T: Serialize>(status: StatusCode, body: &T) -> Response {
    match serde_json::to_string(body) {
        Ok(body) => reply(status, "application/json", body),
        Err(error) => {
            tracing::error!(%error, "an answer could not be written as JSON");
            ProblemReply::new(ProblemKind::Internal, "the answer could not be written").into_response()
        }
    }
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
