//! The edge's event path beside a bare axum route that parses the same JSON and answers a constant.
//!
//! What the ratio shows is what signals, user table, water level and answer cost on top of HTTP and JSON. Each
//! side has one server thread; one client thread drives both in turn over the same number of connections. The
//! closed loop gives the capacity; latencies are taken in an open loop at half the slower side's capacity, from
//! the intended send times.

mod bodies;
mod client;
mod sides;

use std::process::ExitCode;
use std::time::Duration;

use openclaw_benchkit::{Bench, Better, Options, RUNS_MIN, Row, median};

use client::Client;
use sides::Side;

/// Length of one measurement.
const RUN: Duration = Duration::from_millis(1500);
/// Connections of the client.
const CONNECTIONS: usize = 32;
const PEER: &str = "bare axum route";

fn main() -> ExitCode {
    let options = match Options::from_args(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => return error.report(),
    };
    let client = Client::new();
    let (edge, bare) = (Side::edge(), Side::bare());
    let mut bench = Bench::new("event");

    let single = |side: &Side| client.closed_loop(side.event_url(), CONNECTIONS, RUN, bodies::event);
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
            let (p50_us, p99_us) =
                client.open_loop(side.event_url(), CONNECTIONS, RUN, half_per_s, bodies::event);
            latencies[index].push(p50_us);
            latencies[index + 1].push(p99_us);
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

    let batch = |side: &Side| {
        client.closed_loop(side.batch_url(), 4, RUN, bodies::batch) * bodies::BATCH_EVENTS as f64
    };
    let (value, peer_value) = openclaw_benchkit::paired(RUNS_MIN, || batch(&edge), || batch(&bare));
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
