//! Load over HTTP: keep-alive connections on one thread, hyper underneath.
//!
//! `openclaw-harness` plays whole courses, with retries and time-outs; here nothing stands between hyper and the clock,
//! and every answer must be the expected one. One thread drives one server at a time, so that both sides of a pair meet
//! the very same client. Whatever goes wrong panics: a benchmark stops at the first surprise.

mod timer;

use std::cell::Cell;
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

use timer::Timer;

/// How far ahead an open loop begins, so that every connection is there when its first request is due.
const HEAD_START: Duration = Duration::from_millis(20);

/// What is asked of whom, for how long.
#[derive(Clone, Copy, Debug)]
pub struct HttpLoad {
    /// The server.
    pub address: SocketAddr,
    /// Connections, made anew for each measurement.
    pub connections: usize,
    /// Length of a measurement.
    pub length: Duration,
    /// Makes a request, its `Host` field included. The number counts all requests of the client, so that no two
    /// bodies need be alike.
    pub request: fn(u64) -> Request<Full<Bytes>>,
    /// The status of every answer.
    pub expected: StatusCode,
}

/// What an open loop met, in microseconds from the intended send times.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Latencies {
    /// The median.
    pub p50_us: f64,
    /// The 99th percentile.
    pub p99_us: f64,
}

/// Drives one server at a time, from the thread that calls.
#[derive(Debug)]
pub struct HttpClient {
    runtime: Runtime,
    number: Rc<Cell<u64>>,
}

impl HttpClient {
    /// A client that has asked nothing yet.
    ///
    /// # Panics
    /// Where the system has no descriptor left to wait on.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "a default takes nothing of the system and cannot fail")]
    pub fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime on this thread");
        Self { runtime, number: Rc::default() }
    }

    /// Answers per second with every connection always waiting for one; the last ones are waited for.
    ///
    /// # Panics
    /// Where a connection breaks, or an answer is not the expected one.
    pub fn closed_loop(&self, load: HttpLoad) -> f64 {
        LocalSet::new().block_on(&self.runtime, async {
            let began = Instant::now();
            let answers: u64 = self
                .on_each_connection(load, async move |mut connection, _| {
                    let mut answers = 0;
                    while began.elapsed() < load.length {
                        connection.ask().await;
                        answers += 1;
                    }
                    answers
                })
                .await
                .into_iter()
                .sum();
            answers as f64 / began.elapsed().as_secs_f64()
        })
    }

    /// Latencies at `per_s` requests per second, spread evenly over time and connections. A connection whose answer is
    /// late sends its next request late, and that counts: latencies are those of the intended send times.
    ///
    /// # Panics
    /// As [`closed_loop`](Self::closed_loop) does, and where `length` is too short for a single request.
    pub fn open_loop(&self, load: HttpLoad, per_s: f64) -> Latencies {
        let interval_s = load.connections as f64 / per_s;
        LocalSet::new().block_on(&self.runtime, async {
            let start = Instant::now() + HEAD_START;
            let each = self.on_each_connection(load, async move |mut connection, index| {
                let (timer, mut latencies_us) = (Timer::new(), Vec::new());
                let mut at_s = index as f64 / per_s;
                while at_s < load.length.as_secs_f64() {
                    let intended = start + Duration::from_secs_f64(at_s);
                    timer.wait_until(intended).await;
                    connection.ask().await;
                    latencies_us.push(intended.elapsed().as_secs_f64() * 1e6);
                    at_s += interval_s;
                }
                latencies_us
            });
            Latencies::of(each.await.concat())
        })
    }

    /// Runs `work` on every connection at once and gives what came of each. Work has the connection's index.
    async fn on_each_connection<T: 'static>(
        &self,
        load: HttpLoad,
        work: impl AsyncFn(Connection, usize) -> T + 'static,
    ) -> Vec<T> {
        let work = Rc::new(work);
        let tasks: Vec<_> = (0..load.connections)
            .map(|index| {
                let (work, number) = (Rc::clone(&work), Rc::clone(&self.number));
                tokio::task::spawn_local(async move {
                    let connection = Connection { sender: connect(load.address).await, load, number };
                    work(connection, index).await
                })
            })
            .collect();
        let mut done = Vec::with_capacity(tasks.len());
        for task in tasks {
            done.push(task.await.expect("a connection's task"));
        }
        done
    }
}

impl Latencies {
    fn of(mut all_us: Vec<f64>) -> Self {
        assert!(!all_us.is_empty(), "no request, no latency");
        all_us.sort_by(f64::total_cmp);
        Self { p50_us: all_us[all_us.len() / 2], p99_us: all_us[all_us.len() * 99 / 100] }
    }
}

/// One connection of a measurement.
struct Connection {
    sender: SendRequest<Full<Bytes>>,
    load: HttpLoad,
    number: Rc<Cell<u64>>,
}

impl Connection {
    /// Sends the next request and reads its answer to the end.
    async fn ask(&mut self) {
        let request = (self.load.request)(self.number.replace(self.number.get() + 1));
        self.sender.ready().await.expect("an open connection");
        let response = self.sender.send_request(request).await.expect("an answer");
        assert_eq!(response.status(), self.load.expected, "no other answer is measured");
        response.into_body().collect().await.expect("a whole answer");
    }
}

async fn connect(address: SocketAddr) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(address).await.expect("a connection");
    stream.set_nodelay(true).expect("a socket option");
    let (sender, connection) = handshake(TokioIo::new(stream)).await.expect("a handshake");
    tokio::task::spawn_local(async move {
        // Ends with its sender, which tells of any error.
        let _ = connection.await;
    });
    sender
}

#[cfg(test)]
mod tests;
