//! The load on our side: keep-alive connections on one thread, each always waiting for an acknowledgement.

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

use crate::body;

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

    /// Acknowledged ratings per second.
    pub(crate) fn ratings_per_s(
        &self,
        address: SocketAddr,
        connections: usize,
        size: usize,
        length: Duration,
    ) -> f64 {
        LocalSet::new().block_on(&self.runtime, async {
            let began = Instant::now();
            let tasks: Vec<_> = (0..connections)
                .map(|_| {
                    let turn = Rc::clone(&self.turn);
                    tokio::task::spawn_local(async move {
                        let mut connection = connect(address).await;
                        let mut requests = 0_usize;
                        while began.elapsed() < length {
                            let number = turn.replace(turn.get() + 1);
                            post(&mut connection, address, body(number, size)).await;
                            requests += 1;
                        }
                        requests
                    })
                })
                .collect();
            let mut requests = 0;
            for task in tasks {
                requests += task.await.expect("a connection's task");
            }
            (requests * size) as f64 / began.elapsed().as_secs_f64()
        })
    }
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

async fn post(connection: &mut SendRequest<Full<Bytes>>, address: SocketAddr, body: String) {
    let request = Request::post("/ratings")
        .header("host", address.to_string())
        .header("content-type", "application/x-ndjson")
        .body(Full::new(Bytes::from(body)))
        .expect("a request");
    connection.ready().await.expect("an open connection");
    let response = connection.send_request(request).await.expect("an answer");
    assert_eq!(response.status(), StatusCode::CREATED, "the benchmark measures acknowledgements only");
    response.into_body().collect().await.expect("a whole answer");
}
