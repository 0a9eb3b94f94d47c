//! What the edge's absence costs a rating: the latency of posts to a rating service whose edge is away, beside the same
//! service with its edge there, turn by turn.
//!
//! Open loop at a thousand ratings a second, from the intended send times; the spool is on, so that the disk is
//! written to for events while ratings wait for the same disk. A turn without the edge takes a minute and holds all of
//! it: the end of the connections, the leases' lapse, the local loop. In a turn with it nothing comes late, so it is
//! shorter, and seven pairs take ten minutes.

#![expect(clippy::unwrap_used, reason = "a benchmark stops at the first surprise")]

#[path = "../tests/edge_away/stage.rs"]
#[expect(dead_code, reason = "the proof uses more of it")]
mod stage;

use std::process::ExitCode;
use std::time::Duration;

use openclaw_benchkit::{Bench, Better, Options, RUNS_MIN, Row, median};
use openclaw_harness::LoadReport;

use stage::{AwayEdge, Rating};

const PER_S: f64 = 1000.0;
/// What is measured of a turn without the edge, and of one with it.
const AWAY: Duration = Duration::from_secs(60);
const THERE: Duration = Duration::from_secs(15);
/// Load before that, with the edge.
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
    let mut figures: [Vec<f64>; 4] = Default::default();
    for _ in 0..RUNS_MIN {
        for (away, length) in [(false, THERE), (true, AWAY)] {
            let report = turn(&rating, length, || {
                if away {
                    edge.leave();
                }
            });
            figures[usize::from(away)].push(report.p99_ms.unwrap());
            figures[2 + usize::from(away)].push(report.p50_ms.unwrap());
        }
        edge.come();
        // What was kept is delivered before the next turn: the peer's figures are those of an ordinary day.
        rating.catch_up();
    }
    let status = rating.stop();
    assert_eq!(status.events_dropped, 0);
    let mut bench = Bench::new("edge-away");
    let [mut p99, mut p99_away, mut p50, mut p50_away] = figures;
    let rows = [
        ("p99 of a rating, edge away for 60 s, at 1,000/s", &mut p99_away, &mut p99, Some(1.25)),
        ("p50 of a rating, edge away for 60 s, at 1,000/s", &mut p50_away, &mut p50, None),
    ];
    for (case, value, peer_value, goal) in rows {
        let (value, peer_value) = (median(value), median(peer_value));
        bench.row(Row { case, unit: "ms", value, peer: PEER, peer_value, goal, better: Better::Lower });
    }
    bench.finish(&options)
}

/// One turn of the load; `begin` is called as the measured part begins.
fn turn(rating: &Rating, length: Duration, begin: impl FnOnce()) -> LoadReport {
    let report = std::thread::scope(|scope| {
        let load = scope.spawn(|| rating.load(PER_S, WARM_UP + length, WARM_UP));
        std::thread::sleep(WARM_UP);
        begin();
        load.join().unwrap()
    });
    assert_eq!((report.failed, report.throttled, report.timeouts), (0, 0, 0), "{:?}", report.failures);
    report
}
