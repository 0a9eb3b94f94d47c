//! The stand-in dependency: a real HTTP server whose work is bounded like a database's.
//!
//! `POST /work` occupies one of the scenario's workers. Real sockets were preferred to a mock in process:
//! connections, timeouts and clients that leave are where overload control goes wrong. hyper is used
//! directly, for a router and extractors would cost more than the two routes do.
//!
//! | route | answers |
//! |---|---|
//! | `POST /work` | 200 with `openclaw-work-ms` (time in work, without the wait); 503 when the queue is full |
//! | `GET /state` | [`BackendState`] as JSON |
//!
//! Request headers: `openclaw-items` multiplies the work (a batch), `openclaw-class` names the request
//! class by its context, `deviceType=mobile;networkQuality=poor`. Where the scenario is instrumented and
//! has dependencies, `openclaw-dependency-ms` tells the time in each, `moderation=12.3`.

mod engine;
mod http;
mod stages;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use openclaw_scenario::Scenario;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use engine::Engine;
pub use stages::StageState;

/// How long open connections may take to end after a shutdown.
const DRAIN: Duration = Duration::from_secs(2);
/// Breath after a failed accept: out of file handles, retrying at once would only burn the processor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// Why a backend could not start.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// The address cannot be had.
    #[error("cannot listen on {address}: {source}; choose another address, or end the process that holds it")]
    Bind {
        /// Which address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
}

/// What a backend is doing at this instant.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BackendState {
    /// Seconds on the scenario's clock; 0 before it starts.
    pub clock_s: f64,
    /// The first stage.
    #[serde(flatten)]
    pub service: StageState,
    /// The scenario's dependencies, in order.
    pub dependencies: Vec<StageState>,
}

/// A backend that listens and is not served yet; call [`run`](Self::run).
#[derive(Debug)]
pub struct Backend {
    listener: TcpListener,
    local_addr: SocketAddr,
    engine: Arc<Engine>,
}

/// A view of a running backend.
#[derive(Clone, Debug)]
pub struct BackendHandle(Arc<Engine>);

impl BackendHandle {
    /// Sets the zero of the scenario's clock, once; later calls, and calls after the first request, change
    /// nothing and return `false`.
    pub fn start_clock(&self, zero: impl Into<Instant>) -> bool {
        self.0.start_clock(zero.into())
    }

    /// What the backend is doing.
    #[must_use]
    pub fn state(&self) -> BackendState {
        self.0.state()
    }
}

impl Backend {
    /// Binds `address` for the service that `scenario` describes.
    ///
    /// # Errors
    /// If the address cannot be had.
    pub async fn bind(address: SocketAddr, scenario: &Scenario) -> Result<Self, BackendError> {
        let bind_error = |source| BackendError::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(bind_error)?;
        let local_addr = listener.local_addr().map_err(bind_error)?;
        Ok(Self { listener, local_addr, engine: Arc::new(Engine::new(scenario)) })
    }

    /// The address it listens on, with the port that was chosen where 0 was asked for.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// A view that stays valid while the backend runs.
    #[must_use]
    pub fn handle(&self) -> BackendHandle {
        BackendHandle(Arc::clone(&self.engine))
    }

    /// Sets the zero of the scenario's clock; without it the first request does.
    pub fn start_clock(&self, zero: impl Into<Instant>) -> bool {
        self.engine.start_clock(zero.into())
    }

    /// Serves until `shutdown` completes, then lets open requests end for a moment.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let Self { listener, engine, .. } = self;
        let (closing, _) = watch::channel(false);
        let mut connections = JoinSet::new();
        let mut driver = JoinSet::new();
        driver.spawn(Arc::clone(&engine).drive());
        tokio::pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(serve(stream, Arc::clone(&engine), closing.subscribe()));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "the backend cannot accept a connection");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(_) = connections.join_next(), if !connections.is_empty() => {}
            }
        }
        drop(listener);
        closing.send_replace(true);
        let drained = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN, drained).await.is_err() {
            tracing::debug!(open = connections.len(), "backend connections ended by force");
        }
    }
}

async fn serve(stream: TcpStream, engine: Arc<Engine>, mut closing: watch::Receiver<bool>) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY is not to be had");
    }
    let service = service_fn(move |request| http::answer(Arc::clone(&engine), request));
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = async { while !*closing.borrow_and_update() && closing.changed().await.is_ok() {} } => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    // A client that leaves in the middle of an answer is part of the game.
    if let Err(error) = ended {
        tracing::trace!(%error, "backend connection ended");
    }
}

#[cfg(test)]
mod tests;
