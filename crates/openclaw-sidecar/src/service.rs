//! The sidecar as a service: shared by all connections, reloaded as a whole, drained at the end.

use std::convert::Infallible;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::response::Response;
use http::Request;
use hyper::body::Incoming;
use openclaw_collector::Admission;
use parking_lot::RwLock;
use serde::Serialize;
use tower_service::Service;

use crate::metering::Meters;
use crate::proxy;
use crate::rules::{InvalidSettings, Rules};
use crate::settings::SidecarSettings;
use crate::tunnel::Tunnels;

/// A sidecar; clones share it. Served by [`openclaw_admin::listen::serve`] with
/// [`Protocols::Http1And2`](openclaw_admin::listen::Protocols::Http1And2) and peer addresses.
#[derive(Clone)]
pub struct Sidecar(Arc<Inner>);

pub(crate) struct Inner {
    rules: RwLock<Arc<Rules>>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) has_edge: bool,
    pub(crate) meters: Arc<Meters>,
    pub(crate) tunnels: Tunnels,
    scheme: &'static str,
}

/// A sidecar's state, for `status`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SidecarStatus {
    /// The service behind.
    pub upstream: String,
    /// Whether refusals are only foretold.
    pub shadow: bool,
    /// Exchanges with the service going on, upgraded connections among them.
    pub in_progress: usize,
    /// Upgraded connections open.
    pub tunnels: usize,
}

impl Sidecar {
    /// A sidecar whose requests `admission` admits. `scheme` is `http` or `https`, as its clients see it; `has_edge`
    /// says whether there is an edge that can be away.
    ///
    /// # Errors
    /// [`InvalidSettings`] where an upstream, a key or a name cannot be used.
    pub fn new(
        settings: SidecarSettings,
        admission: Arc<Admission>,
        has_edge: bool,
        scheme: &'static str,
    ) -> Result<Self, InvalidSettings> {
        let rules = Rules::new(settings, scheme, None)?;
        let meters = Arc::new(Meters::new());
        let tunnels = Tunnels::new(meters.tunnels.clone());
        let rules = RwLock::new(Arc::new(rules));
        Ok(Self(Arc::new(Inner { rules, admission, has_edge, meters, tunnels, scheme })))
    }

    /// Takes over other settings: from the next request on, also on connections that are open. Requests that have
    /// begun end under the settings that they began with.
    ///
    /// # Errors
    /// As [`Sidecar::new`]; the settings then stay as they were.
    pub fn reload(&self, settings: SidecarSettings) -> Result<(), InvalidSettings> {
        let before = self.0.rules();
        let rules = Rules::new(settings, self.0.scheme, Some(&before))?;
        *self.0.rules.write() = Arc::new(rules);
        self.0.meters.reloaded.increment(1);
        Ok(())
    }

    /// The sidecar's state.
    #[must_use]
    pub fn status(&self) -> SidecarStatus {
        let rules = self.0.rules();
        SidecarStatus {
            upstream: rules.settings.upstream.to_string(),
            shadow: rules.settings.shadow,
            in_progress: rules.upstream.in_progress(),
            tunnels: self.0.tunnels.open(),
        }
    }

    /// Waits for upgraded connections to end, `wait_max` at most, and closes the rest. The listener sees to
    /// everything else.
    pub async fn drain(&self, wait_max: Duration) {
        self.0.tunnels.drain(wait_max).await;
    }
}

impl std::fmt::Debug for Sidecar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sidecar").field("upstream", &self.0.rules().settings.upstream).finish_non_exhaustive()
    }
}

impl Inner {
    /// What holds for requests that begin now.
    pub(crate) fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.rules.read())
    }

    /// The peer of a request whose listener does not tell.
    pub(crate) fn nobody(&self) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0)
    }
}

impl Service<Request<Incoming>> for Sidecar {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let inner = Arc::clone(&self.0);
        Box::pin(async move { Ok(proxy::answer(&inner, request).await) })
    }
}
