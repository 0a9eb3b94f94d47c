//! One connection: its requests answered until it ends or the listener stops.
//!
//! Two protocols by two builders of hyper: HTTP/1.1 alone where a service's answers are its own, and hyper-util's
//! `auto` where a proxy must also take HTTP/2 and hand over upgraded connections. `auto` waits without a bound for
//! the bytes that tell the two apart, so here is a clock for that.

use std::convert::Infallible;
use std::fmt::Display;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll};

use axum::extract::ConnectInfo;
use axum::response::Response;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;
use tower::Service;

use super::serve::{Protocols, ServeLimits};
use crate::reply::catch_panic;
use crate::shutdown::Phase;

/// How an HTTP/2 connection begins (RFC 9113, section 3.4), and none of HTTP/1.1 does.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Requests at once on one HTTP/2 connection: what most browsers and proxies expect to have.
const STREAMS_MAX: u32 = 250;
/// hyper takes no smaller buffer.
const BUFFER_BYTES_MIN: usize = 8192;
/// Memory for what a peer may send on one HTTP/2 connection before it is read.
const CONNECTION_WINDOW_BYTES: u32 = 1 << 20;

/// Answers the requests of one connection until it ends or the listener stops.
pub(super) async fn converse<I, S>(
    stream: I,
    peer: SocketAddr,
    service: S,
    limits: &ServeLimits,
    phases: watch::Receiver<Phase>,
) where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    let peer_address = limits.peer_address;
    let answer = service_fn(move |mut request: Request<Incoming>| {
        let mut service = service.clone();
        async move {
            if peer_address {
                request.extensions_mut().insert(ConnectInfo(peer));
            }
            Ok::<_, Infallible>(catch_panic(call(&mut service, request)).await)
        }
    });
    match limits.protocols {
        Protocols::Http1 => {
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(limits.header_timeout)
                .max_header_size(limits.header_bytes_max)
                .serve_connection(TokioIo::new(stream), answer);
            drive(connection, |connection| connection.graceful_shutdown(), peer, phases).await;
        }
        Protocols::Http1And2 => {
            let (stream, known) = Beginning::watch(stream);
            let builder = auto_builder(limits);
            let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), answer);
            let too_late = async {
                tokio::time::sleep(limits.header_timeout).await;
                if known.load(Relaxed) {
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                biased;
                () = drive(connection, |connection| connection.graceful_shutdown(), peer, phases) => {}
                () = too_late => tracing::debug!(%peer, "a connection that said nothing was closed"),
            }
        }
    }
}

fn auto_builder(limits: &ServeLimits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        // The buffer that holds the fields; `auto` does not pass on hyper's own bound for them.
        .max_buf_size(limits.header_bytes_max.max(BUFFER_BYTES_MIN));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(limits.header_bytes_max).unwrap_or(u32::MAX))
        .max_concurrent_streams(STREAMS_MAX)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        // A peer that is gone without a word is noticed.
        .keep_alive_interval(limits.header_timeout)
        .keep_alive_timeout(limits.header_timeout);
    builder
}

/// Drives one connection to its end; `wind_up` makes it take no further request.
async fn drive<C, E>(
    connection: C,
    wind_up: impl Fn(Pin<&mut C>),
    peer: SocketAddr,
    mut phases: watch::Receiver<Phase>,
) where
    C: Future<Output = Result<(), E>>,
    E: Display,
{
    let mut connection = pin!(connection);
    // A connection accepted just as the listener stops must see that too.
    phases.mark_changed();
    loop {
        tokio::select! {
            biased;
            result = connection.as_mut() => {
                if let Err(error) = result {
                    tracing::debug!(%peer, %error, "connection ended");
                }
                return;
            }
            changed = phases.changed() => match (changed, *phases.borrow_and_update()) {
                (Ok(()), Phase::Running) => {}
                (Ok(()), Phase::Stopping) => wind_up(connection.as_mut()),
                (_, Phase::Aborting) | (Err(_), _) => return,
            }
        }
    }
}

async fn call<S>(service: &mut S, request: Request<Incoming>) -> Response
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible>,
{
    match poll_fn(|context| service.poll_ready(context)).await {
        Ok(()) => {}
        Err(never) => match never {},
    }
    service.call(request).await.unwrap_or_else(|never| match never {})
}

/// A stream that tells when its first bytes have shown which protocol it carries.
struct Beginning<I> {
    stream: I,
    matched: usize,
    known: Arc<AtomicBool>,
}

impl<I> Beginning<I> {
    fn watch(stream: I) -> (Self, Arc<AtomicBool>) {
        let known = Arc::new(AtomicBool::new(false));
        (Self { stream, matched: 0, known: Arc::clone(&known) }, known)
    }

    fn note(&mut self, read: &[u8]) {
        let rest = &PREFACE[self.matched..];
        let same = read.iter().zip(rest).take_while(|(read, preface)| read == preface).count();
        self.matched += same;
        if same < read.len() || self.matched == PREFACE.len() {
            self.matched = PREFACE.len();
            self.known.store(true, Relaxed);
        }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Beginning<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if self.matched < PREFACE.len() {
            self.note(&buffer.filled()[before..]);
        }
        polled
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Beginning<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
