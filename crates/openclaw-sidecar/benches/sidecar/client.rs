//! The load generator of this benchmark: keep-alive connections on one thread, hyper underneath.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::task::LocalSet;
use tokio::time::Instant;

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Load {
    /// A small request without a body.
    Get,
    /// A request with a body of 1 KiB.
    Post,
}

/// Users that take turns.
const USERS: u64 = 1000;
static BODY: [u8; 1024] = [b'x'; 1024];

impl Load {
    /// One of two names, by what is asked.
    pub(crate) fn named(self, get: &'static str, post: &'static str) -> &'static str {
        match self {
            Self::Get => get,
            Self::Post => post,
        }
    }

    fn request(self, turn: u64) -> Request<Full<Bytes>> {
        let (method, body) = match self {
            Self::Get => ("GET", Bytes::new()),
            Self::Post => ("POST", Bytes::from_static(&BODY)),
        };
        Request::builder()
            .method(method)
            .uri("/ratings/film-1?details=all")
            .header("host", "ratings.example")
            .header("user-agent", "bench")
            .header("accept", "application/json")
            .header("x-user-id", format!("user-{}", turn % USERS))
            .body(Full::new(body))
            .expect("a request")
    }
}

/// Drives one server at a time.
pub(crate) struct Client {
    runtime: Runtime,
    /// Counts requests over the whole benchmark, so that no two bodies are alike.
    turn: Rc<Cell<u64>>,
}

impl Client {
    pub(crate) fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a thread");
        Self { runtime, turn: Rc::default() }
    }

    /// Requests per second with every connection always waiting for an answer.
    pub(crate) fn closed_loop(
        &self,
        address: SocketAddr,
        connections: usize,
        length: Duration,
        load: Load,
    ) -> f64 {
        LocalSet::new().block_on(&self.runtime, async {
            let end = Instant::now() + length;
            let tasks: Vec<_> = (0..connections)
                .map(|_| {
                    let turn = Rc::clone(&self.turn);
                    tokio::task::spawn_local(async move {
                        let mut connection = connect(address).await;
                        let mut done = 0_u64;
                        while Instant::now() < end {
                            ask(&mut connection, load, next(&turn)).await;
                            done += 1;
                        }
                        done
                    })
                })
                .collect();
            let mut done = 0;
            for task in tasks {
                done += task.await.expect("a connection's task");
            }
            done as f64 / length.as_secs_f64()
        })
    }

    /// Median and 99th percentile in microseconds, from the intended send times, at `per_s` requests a second.
    pub(crate) fn open_loop(
        &self,
        address: SocketAddr,
        connections: usize,
        length: Duration,
        per_s: f64,
        load: Load,
    ) -> (f64, f64) {
        LocalSet::new().block_on(&self.runtime, async {
            let start = Instant::now() + Duration::from_millis(20);
            let latencies = Rc::new(RefCell::new(Vec::new()));
            let tasks: Vec<_> = (0..connections)
                .map(|index| {
                    let (turn, latencies) = (Rc::clone(&self.turn), Rc::clone(&latencies));
                    tokio::task::spawn_local(async move {
                        let mut connection = connect(address).await;
                        let interval_s = connections as f64 / per_s;
                        let mut at_s = interval_s * index as f64 / connections as f64;
                        while at_s < length.as_secs_f64() {
                            let intended = start + Duration::from_secs_f64(at_s);
                            wait_until(intended).await;
                            ask(&mut connection, load, next(&turn)).await;
                            latencies.borrow_mut().push(intended.elapsed().as_secs_f64() * 1e6);
                            at_s += interval_s;
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.expect("a connection's task");
            }
            let mut all = latencies.take();
            all.sort_by(f64::total_cmp);
            (all[all.len() / 2], all[all.len() * 99 / 100])
        })
    }
}

/// Tokio's timer rounds up to a millisecond; what is left of that is yielded away.
async fn wait_until(intended: Instant) {
    if let Some(early) = intended.checked_sub(Duration::from_millis(2)) {
        tokio::time::sleep_until(early).await;
    }
    while Instant::now() < intended {
        tokio::task::yield_now().await;
    }
}

fn next(turn: &Cell<u64>) -> u64 {
    turn.replace(turn.get() + 1)
}

async fn connect(address: SocketAddr) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(address).await.expect("a connection");
    stream.set_nodelay(true).expect("a socket option");
    let (sender, connection) = handshake(TokioIo::new(stream)).await.expect("a handshake");
    tokio::task::spawn_local(async move {
        // Ends with its sender.
        let _ = connection.await;
    });
    sender
}

async fn ask(connection: &mut SendRequest<Full<Bytes>>, load: Load, turn: u64) {
    let request = load.request(turn);
    connection.ready().await.expect("an open connection");
    let response = connection.send_request(request).await.expect("an answer");
    assert_eq!(response.status(), StatusCode::OK, "the benchmark measures successes only");
    response.into_body().collect().await.expect("a whole answer");
}
