//! What the edge's absence costs a rating: the latency of posts to a rating service whose edge is away, beside the same
//! service with its edge there, turn by turn.
//!
//! Open loop at a thousand ratings a second, from the intended send times; the spool is on, so that the disk is
//! written to for events while ratings wait for the same disk. A turn is short, so that seven pairs take two minutes.

#![expect(clippy::unwrap_used, reason = "a benchmark stops at the first surprise")]

#[path = "../tests/edge_away/stage.rs"]
#[expect(dead_code, reason = "the proof uses more of it")]
mod stage;

use std::process::ExitCode;
use std::time::Duration;

use openclaw_benchkit::{Bench, Better, Options, RUNS_MIN, Row, median};

use stage::{AwayEdge, Rating};

const PER_S: f64 = 1000.0;
/// Length of one turn, and what of it is not measured: until leases and back-off have settled.
const TURN: Duration = Duration::from_secs(8);
const WARM_UP: Duration = Duration::from_secs(2);
const QUEUE_MAX: usize = 10_000;
const PEER: &str = "with its edge";

fn main() -> ExitCode {
    let options = match Options::from_args(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => return error.report(),
    };
    let mut edge = AwayEdge::new();
    let rating = Rating::start(&edge, QUEUE_MAX, true);
    rating.load(PER_S, Duration::from_secs(2), Duration::ZERO);
    let mut figures: [Vec<f64>; 4] = Default::default();
    let turn = |away: bool, figures: &mut [Vec<f64>; 4]| {
        let report = rating.load(PER_S, TURN, WARM_UP);
        assert_eq!((report.failed, report.throttled, report.timeouts), (0, 0, 0), "{:?}", report.failures);
        figures[usize::from(away)].push(report.p99_ms.unwrap());
        figures[2 + usize::from(away)].push(report.p50_ms.unwrap());
    };
    for _ in 0..RUNS_MIN {
        turn(false, &mut figures);
        edge.leave();
        turn(true, &mut figures);
        edge.come();
        // What was kept is delivered before the next turn: the peer's figures are those of an ordinary day.
        while rating.status().events_spooled > 0 {
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    let status = rating.stop();
    assert_eq!(status.events_dropped, 0);
    let mut bench = Bench::new("edge-away");
    let [mut p99, mut p99_away, mut p50, mut p50_away] = figures;
    let rows = [
        ("p99 of a rating, edge away, 6 s turns at 1,000/s", &mut p99_away, &mut p99, Some(1.25)),
        ("p50 of a rating, edge away, 6 s turns at 1,000/s", &mut p50_away, &mut p50, None),
    ];
    for (case, value, peer_value, goal) in rows {
        let (value, peer_value) = (median(value), median(peer_value));
        bench.row(Row { case, unit: "ms", value, peer: PEER, peer_value, goal, better: Better::Lower });
    }
    bench.finish(&options)
}
