//! The sidecar beside a bare hyper reverse proxy of some thirty lines: what the loop costs a request that passes.
//!
//! Both have one thread, the same service behind and the same client before them, and take turns in one run. The
//! closed loop gives the capacity; latencies are taken in an open loop at half the slower side's capacity, from the
//! intended send times. The sidecar runs as in production: recorder installed, events delivered to an edge.

mod bare;
mod requests;
mod sides;

use std::process::ExitCode;
use std::time::Duration;

use openclaw_benchkit::{Bench, Better, HttpClient, HttpLoad, Options, RUNS_MIN, Row, median};

use sides::{Proxy, Service};

/// Length of one measurement.
const RUN: Duration = Duration::from_millis(1500);
/// Connections of the client.
const CONNECTIONS: usize = 32;
/// What a request may take longer than through the bare proxy, in microseconds.
const BUDGET_US: f64 = 150.0;
const PEER: &str = "bare hyper reverse proxy";

fn main() -> ExitCode {
    let options = match Options::from_args(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => return error.report(),
    };
    let service = Service::start();
    let (sidecar, bare) = (Proxy::sidecar(&service), Proxy::bare(&service));
    let client = HttpClient::new();
    let mut bench = Bench::new("sidecar");
    for (request, what) in [(requests::get as fn(u64) -> _, ""), (requests::post, " of POST with 1 KiB")] {
        let loads = [&sidecar, &bare].map(|proxy| HttpLoad {
            address: proxy.address,
            connections: CONNECTIONS,
            length: RUN,
            request,
            expected: hyper::StatusCode::OK,
        });
        measure(&mut bench, &client, loads, what);
    }
    bench.finish(&options)
}

/// Adds the rows of one kind of request; `what` follows the name of each figure.
fn measure(bench: &mut Bench, client: &HttpClient, [sidecar, bare]: [HttpLoad; 2], what: &str) {
    let closed = |load| client.closed_loop(load);
    let (value, peer_value) = openclaw_benchkit::paired(RUNS_MIN, || closed(sidecar), || closed(bare));
    bench.row(Row {
        case: &format!("throughput{what}, {CONNECTIONS} connections"),
        unit: "requests/s",
        value,
        peer: PEER,
        peer_value,
        goal: Some(0.6),
        better: Better::Higher,
    });
    let half_per_s = value.min(peer_value) / 2.0;
    let (mut p50, mut p99) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for run in 0..RUNS_MIN {
        let order = if run % 2 == 0 { [0, 1] } else { [1, 0] };
        for side in order {
            let latencies = client.open_loop([sidecar, bare][side], half_per_s);
            p50[side].push(latencies.p50_us);
            p99[side].push(latencies.p99_us);
        }
    }
    let [value, peer_value] = p50.map(|mut runs| median(&mut runs));
    bench.row(Row {
        case: &format!("p50{what} at half load, beyond the bare proxy's"),
        unit: "us",
        value: (value - peer_value).max(0.0),
        peer: "budget",
        peer_value: BUDGET_US,
        goal: Some(1.0),
        better: Better::Lower,
    });
    let [tail, peer_tail] = p99.map(|mut runs| median(&mut runs));
    for (figure, value, peer_value) in [("p50", value, peer_value), ("p99", tail, peer_tail)] {
        let case = &format!("{figure}{what} at half load");
        bench.row(Row { case, unit: "us", value, peer: PEER, peer_value, goal: None, better: Better::Lower });
    }
}
