//! A sidecar over real sockets before a service over real sockets, in one process.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use openclaw_admin::access::AccessPolicy;
use openclaw_admin::listen::{Endpoint, Exposure, Protocols, ServeLimits, bind, serve};
use openclaw_admin::shutdown::Shutdown;
use openclaw_collector::{Collector, CollectorSettings};
use openclaw_protocol::BucketPolicy;
use openclaw_sidecar::{Sidecar, SidecarSettings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// A running sidecar.
pub(crate) struct Stage {
    pub(crate) address: SocketAddr,
    pub(crate) sidecar: Sidecar,
    pub(crate) settings: SidecarSettings,
    pub(crate) collector: Collector,
    pub(crate) shutdown: Shutdown,
    pub(crate) task: JoinHandle<()>,
}

/// How a stage differs from the usual one.
pub(crate) struct Setup {
    pub(crate) sidecar: SidecarSettings,
    pub(crate) collector: CollectorSettings,
    pub(crate) limits: ServeLimits,
}

impl Stage {
    /// A sidecar before the service at `upstream`, with buckets that never run dry.
    pub(crate) async fn before(upstream: SocketAddr) -> Self {
        Self::with(upstream, |_| {}).await
    }

    pub(crate) async fn with(upstream: SocketAddr, change: impl FnOnce(&mut Setup)) -> Self {
        let plenty = BucketPolicy { bucket_size: 1e5, refill_rate: 1e5 };
        let mut setup = Setup {
            sidecar: SidecarSettings::new(format!("http://{upstream}").parse().unwrap()),
            collector: CollectorSettings {
                service: "sidecar-test".to_owned(),
                defaults: plenty,
                start_per_s: 1e6,
                guard: false,
                ..CollectorSettings::default()
            },
            limits: ServeLimits {
                protocols: Protocols::Http1And2,
                peer_address: true,
                stop_timeout: Duration::from_secs(5),
                ..ServeLimits::default()
            },
        };
        setup.collector.bounds.bucket_size_max = 1e6;
        setup.collector.bounds.refill_rate_max = 1e6;
        change(&mut setup);
        let has_edge = setup.collector.edge.is_some();
        let collector = Collector::start(setup.collector).unwrap();
        let sidecar = Sidecar::new(setup.sidecar.clone(), collector.admission(), has_edge, "http").unwrap();
        let endpoint = Endpoint {
            name: "sidecar",
            address: "127.0.0.1:0".parse().unwrap(),
            key: "sidecar.listen",
            flag: None,
            roles: openclaw_admin::access::Roles::default(),
        };
        let exposure = Exposure { access: AccessPolicy::default(), ..Exposure::default() };
        let listener = bind(&endpoint, &exposure).unwrap();
        let address = listener.address();
        let shutdown = Shutdown::new();
        let task = tokio::spawn(serve(listener, sidecar.clone(), setup.limits, shutdown.clone()));
        Self { address, sidecar, settings: setup.sidecar, collector, shutdown, task }
    }

    /// Sends `request` as it stands on a connection of its own and returns all that comes back.
    pub(crate) async fn say(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// A GET by `fields` (each with its line end) on a connection of its own.
    pub(crate) async fn get(&self, path: &str, fields: &str) -> String {
        self.say(&format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n{fields}\r\n")).await
    }
}

/// The status of an answer.
pub(crate) fn status(answer: &str) -> u16 {
    answer
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .unwrap_or_else(|| panic!("no status: {answer:?}"))
}

/// The value of a header field of an answer.
pub(crate) fn field<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let head = answer.split("\r\n\r\n").next()?;
    let mut fields = head.lines().filter_map(|line| line.split_once(": "));
    fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// What follows the head of an answer.
pub(crate) fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

/// A service that answers by `answer`, HTTP/1.1 and HTTP/2 alike.
pub(crate) async fn service<F, A>(answer: F) -> SocketAddr
where
    F: Fn(Request<Incoming>) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Response<Body>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request| {
                    let answer = answer(request);
                    async move { Ok::<_, Infallible>(answer.await) }
                });
                let builder = auto::Builder::new(TokioExecutor::new());
                // A client that is gone is no news.
                let _ = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
            });
        }
    });
    address
}

/// A service that does with each connection what `converse` does.
pub(crate) async fn raw_service<F, A>(converse: F) -> SocketAddr
where
    F: Fn(TcpStream) -> A + Send + Sync + 'static,
    A: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(converse(stream));
        }
    });
    address
}

/// A service that answers 200 with what it was asked: request line, header fields, body.
pub(crate) async fn echo() -> SocketAddr {
    service(|request| async {
        let (head, body) = request.into_parts();
        let mut text = format!("{} {}\n", head.method, head.uri);
        for (name, value) in &head.headers {
            text.push_str(&format!("{name}: {}\n", value.to_str().unwrap_or("?")));
        }
        let bytes = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        text.push('\n');
        text.push_str(&String::from_utf8_lossy(&bytes));
        Response::new(Body::from(text))
    })
    .await
}

/// A service that answers 200 at once.
pub(crate) async fn fine() -> SocketAddr {
    service(|_| async { Response::new(Body::from("fine")) }).await
}

/// An answer with a status and no body.
pub(crate) fn empty(status: u16) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

/// Reads until the bytes so far satisfy `done`.
pub(crate) async fn read_until(stream: &mut TcpStream, done: impl Fn(&str) -> bool) -> String {
    let mut all = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&all).into_owned();
        if done(&text) {
            return text;
        }
        let read = stream.read(&mut piece).await.unwrap();
        assert!(read > 0, "the connection ended after {text:?}");
        all.extend_from_slice(&piece[..read]);
    }
}

/// Waits until `done`, at most a long time.
pub(crate) async fn eventually(what: &str, done: impl Fn() -> bool) {
    for _ in 0..1000 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never came about: {what}");
}

/// A body whose frames come through a channel, and which ends with it.
pub(crate) struct Fed(pub(crate) mpsc::Receiver<Frame<Bytes>>);

impl http_body::Body for Fed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|frame| frame.map(Ok))
    }
}

/// Such a body and what feeds it.
pub(crate) fn fed() -> (mpsc::Sender<Frame<Bytes>>, Fed) {
    let (send, receive) = mpsc::channel(1);
    (send, Fed(receive))
}

pub(crate) fn data(bytes: &'static str) -> Frame<Bytes> {
    Frame::data(Bytes::from_static(bytes.as_bytes()))
}

/// A body that is whole.
pub(crate) fn full(bytes: &'static str) -> Body {
    Body::from(bytes)
}
