//! The edge's event path beside a bare axum route that parses the same JSON and answers a constant.
//!
//! What the ratio shows is what signals, user table, water level and answer cost on top of HTTP and JSON. Each
//! side has one server thread; one client thread drives both in turn over the same number of connections. The
//! closed loop gives the capacity; latencies are taken in an open loop at half the slower side's capacity, from
//! the intended send times.

mod bodies;
mod sides;

use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use openclaw_benchkit::{Bench, Better, HttpClient, HttpLoad, Options, RUNS_MIN, Row, median};

use sides::Side;

/// Length of one measurement.
const RUN: Duration = Duration::from_millis(1500);
/// Connections of the client, for single events and for batches.
const CONNECTIONS: usize = 32;
const BATCH_CONNECTIONS: usize = 4;
const PEER: &str = "bare axum route";

fn main() -> ExitCode {
    let options = match Options::from_args(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => return error.report(),
    };
    let client = HttpClient::new();
    let (edge, bare) = (Side::edge(), Side::bare());
    let mut bench = Bench::new("event");

    let single = |side: &Side| client.closed_loop(load(side, CONNECTIONS, event));
    let (value, peer_value) = openclaw_benchkit::paired(RUNS_MIN, || single(&edge), || single(&bare));
    bench.row(Row {
        case: "single events, 32 connections",
        unit: "events/s",
        value,
        peer: PEER,
        peer_value,
        goal: None,
        better: Better::Higher,
    });

    let half_per_s = value.min(peer_value) / 2.0;
    let mut latencies = [Vec::new(), Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..RUNS_MIN {
        for (side, index) in [(&edge, 0), (&bare, 2)] {
            let met = client.open_loop(load(side, CONNECTIONS, event), half_per_s);
            latencies[index].push(met.p50_us);
            latencies[index + 1].push(met.p99_us);
        }
    }
    for (case, own, other) in [("p50 at half load", 0, 2), ("p99 at half load", 1, 3)] {
        bench.row(Row {
            case,
            unit: "us",
            value: median(&mut latencies[own].clone()),
            peer: PEER,
            peer_value: median(&mut latencies[other].clone()),
            goal: None,
            better: Better::Lower,
        });
    }

    let batches =
        |side: &Side| client.closed_loop(load(side, BATCH_CONNECTIONS, batch)) * bodies::BATCH_EVENTS as f64;
    let (value, peer_value) = openclaw_benchkit::paired(RUNS_MIN, || batches(&edge), || batches(&bare));
    bench.row(Row {
        case: "batches of 1,000 events of 200 users",
        unit: "events/s",
        value,
        peer: PEER,
        peer_value,
        goal: None,
        better: Better::Higher,
    });
    bench.finish(&options)
}

fn load(side: &Side, connections: usize, request: fn(u64) -> Request<Full<Bytes>>) -> HttpLoad {
    HttpLoad { address: side.address, connections, length: RUN, request, expected: StatusCode::OK }
}

fn event(number: u64) -> Request<Full<Bytes>> {
    post("/api/v1/event", bodies::event(number))
}

fn batch(number: u64) -> Request<Full<Bytes>> {
    post("/api/v1/events", bodies::batch(number))
}

fn post(path: &'static str, body: Bytes) -> Request<Full<Bytes>> {
    Request::post(path)
        .header("host", "127.0.0.1")
        .header("content-type", "application/json")
        .body(Full::new(body))
        .expect("a request")
}
