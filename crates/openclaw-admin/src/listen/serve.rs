//! Serving HTTP over a bound listener, within limits and until the process stops.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use http::Request;
use hyper::body::Incoming;
use metrics::{Counter, Gauge};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tower::Service;

use super::BoundListener;
use super::converse::converse;
use super::tls::Acceptor;
use crate::shutdown::{Phase, Shutdown};

/// How long to leave the kernel alone after it refused a connection, usually for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a listener speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocols {
    /// HTTP/1.1 without upgrades: all that a service whose answers are its own needs.
    #[default]
    Http1,
    /// HTTP/1.1 with upgrades (WebSocket), and HTTP/2: where the client begins with its preface, and over TLS where
    /// ALPN chooses it. For proxies, which must pass on what they do not know.
    Http1And2,
}

/// What one listener will bear.
#[derive(Clone, Debug)]
pub struct ServeLimits {
    /// Connections at once; further ones wait in the kernel's backlog.
    pub connections_max: usize,
    /// All header fields of a request together, in bytes; hyper answers 431 to more. Their number is
    /// bounded by hyper's default of 100, whose buffer, unlike a configured one, is on the stack.
    pub header_bytes_max: usize,
    /// How long a connection may take to send the header fields of a request, and so how long it may idle
    /// between two of them.
    pub header_timeout: Duration,
    /// How long a stop waits for requests that are being answered.
    pub stop_timeout: Duration,
    /// Whether requests carry their peer's address (`ConnectInfo<SocketAddr>`): one allocation each.
    pub peer_address: bool,
    /// What is spoken.
    pub protocols: Protocols,
}

impl Default for ServeLimits {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            header_bytes_max: 32 * 1024,
            header_timeout: Duration::from_secs(30),
            stop_timeout: Duration::from_secs(10),
            peer_address: false,
            protocols: Protocols::default(),
        }
    }
}

/// Serves `service` (an axum `Router`, or any tower service) on `listener` until `shutdown` asks to stop and
/// the requests in progress are answered, at most `stop_timeout` later.
///
/// A panicking handler is answered with a 500 problem. Nothing that a peer does ends the loop.
pub async fn serve<S>(listener: BoundListener, service: S, limits: ServeLimits, shutdown: Shutdown)
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    let name = listener.name;
    tracing::info!(listener = name, url = %format_args!("{}://{}", listener.scheme(), listener.address), "listening");
    let connections_max = u32::try_from(limits.connections_max).unwrap_or(u32::MAX).max(1);
    let permits = Arc::new(Semaphore::new(connections_max as usize));
    // This listener's own phase: it aborts its connections after `stop_timeout` also where the process waits.
    let phase = watch::Sender::new(Phase::Running);
    let tls = listener.tls.as_ref().map(|tls| tls.speaking(limits.protocols));
    let server = Server { service, limits, tls, phase: phase.clone(), meters: Meters::of(name) };
    let following = async {
        match &listener.tls {
            Some(tls) => tls.follow_files(name).await,
            None => std::future::pending().await,
        }
    };

    tokio::select! {
        () = server.accept_all(&listener, &permits) => {}
        () = following => {}
        () = shutdown.stopping() => {}
    }
    // The port is free, and new connections are refused, from here on.
    drop(listener);
    phase.send_replace(Phase::Stopping);
    tokio::select! {
        // Whoever holds all permits knows that no connection is left.
        _ = permits.acquire_many(connections_max) => tracing::info!(listener = name, "stopped"),
        () = tokio::time::sleep(server.limits.stop_timeout) => server.give_up(name, &permits),
        () = shutdown.aborting() => server.give_up(name, &permits),
    }
}

struct Server<S> {
    service: S,
    limits: ServeLimits,
    tls: Option<Acceptor>,
    phase: watch::Sender<Phase>,
    meters: Meters,
}

#[derive(Clone)]
struct Meters {
    open: Gauge,
    accepted: Counter,
    full: Counter,
    accept_failures: Counter,
    handshake_failures: Counter,
}

impl Meters {
    fn of(listener: &'static str) -> Self {
        Self {
            open: metrics::gauge!(super::CONNECTIONS, "listener" => listener),
            accepted: metrics::counter!(super::CONNECTIONS_TOTAL, "listener" => listener),
            full: metrics::counter!(super::FULL_TOTAL, "listener" => listener),
            accept_failures: metrics::counter!(super::ACCEPT_FAILURES_TOTAL, "listener" => listener),
            handshake_failures: metrics::counter!(super::HANDSHAKE_FAILURES_TOTAL, "listener" => listener),
        }
    }
}

impl<S> Server<S>
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    /// Accepts connections for ever.
    async fn accept_all(&self, listener: &BoundListener, permits: &Arc<Semaphore>) {
        let mut was_full = false;
        loop {
            let permit = match Arc::clone(permits).try_acquire_owned() {
                Ok(permit) => {
                    was_full = false;
                    permit
                }
                Err(_) => {
                    self.note_full(listener.name, was_full);
                    was_full = true;
                    // The semaphore is never closed.
                    let Ok(permit) = Arc::clone(permits).acquire_owned().await else { return };
                    permit
                }
            };
            match listener.listener.accept().await {
                Ok((stream, peer)) => self.start(stream, peer, permit),
                Err(error) if is_peers_fault(&error) => {}
                Err(error) => {
                    self.meters.accept_failures.increment(1);
                    tracing::error!(listener = listener.name, %error, "cannot accept a connection; trying again");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Logs once for each time that the listener fills up, however long it then stays full.
    fn note_full(&self, name: &str, was_full: bool) {
        self.meters.full.increment(1);
        if !was_full {
            let connections_max = self.limits.connections_max;
            tracing::warn!(listener = name, connections_max, "all connections are in use; new ones wait");
        }
    }

    fn start(&self, stream: TcpStream, peer: SocketAddr, permit: OwnedSemaphorePermit) {
        // Replies are small and whole: waiting to fill a segment would only add to their latency. A peer
        // that is gone already shows in the first read.
        let _ = stream.set_nodelay(true);
        self.meters.accepted.increment(1);
        let service = self.service.clone();
        let limits = self.limits.clone();
        let phases = self.phase.subscribe();
        let meters = self.meters.clone();
        let tls = self.tls.clone();
        tokio::spawn(async move {
            let _open = Open::new(meters.open.clone(), permit);
            let Some(tls) = tls else {
                return converse(stream, peer, service, &limits, phases).await;
            };
            match tls.accept(stream, limits.header_timeout).await {
                Ok(stream) => converse(stream, peer, service, &limits, phases).await,
                Err(error) => {
                    meters.handshake_failures.increment(1);
                    tracing::debug!(%peer, %error, "TLS handshake failed");
                }
            }
        });
    }

    fn give_up(&self, name: &str, permits: &Semaphore) {
        let unfinished = self.limits.connections_max.saturating_sub(permits.available_permits());
        tracing::warn!(listener = name, unfinished, "stopped with connections unfinished");
        self.phase.send_replace(Phase::Aborting);
    }
}

/// Counts a connection for as long as it lives, whichever way it ends.
struct Open {
    gauge: Gauge,
    _permit: OwnedSemaphorePermit,
}

impl Open {
    fn new(gauge: Gauge, permit: OwnedSemaphorePermit) -> Self {
        gauge.increment(1);
        Self { gauge, _permit: permit }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.gauge.decrement(1);
    }
}

/// Errors of the connection that was to be accepted, rather than of this process.
fn is_peers_fault(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
