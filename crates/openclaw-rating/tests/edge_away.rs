//! The edge is away for longer than memory lasts: with a spool every event arrives afterwards, without one every event
//! that does not is counted, and no rating fails for it either way.
//!
//! The reduced run is short and slow. `OPENCLAW_PROVE_EDGE_AWAY_S=60` takes the edge away for a minute at a thousand
//! ratings a second.

#![expect(clippy::unwrap_used, reason = "tests stop at the first surprise, their fixtures too")]

#[path = "edge_away/stage.rs"]
mod stage;

use std::time::{Duration, Instant};

use openclaw_collector::CollectorStatus;
use openclaw_harness::LoadReport;

use stage::{AwayEdge, Rating};

struct Size {
    per_s: f64,
    away: Duration,
    queue_max: usize,
}

fn size() -> Size {
    let asked = std::env::var("OPENCLAW_PROVE_EDGE_AWAY_S").ok();
    let asked: Option<u64> = asked.map(|text| text.parse().expect("OPENCLAW_PROVE_EDGE_AWAY_S is a number"));
    match asked {
        Some(seconds) => Size { per_s: 1000.0, away: Duration::from_secs(seconds), queue_max: 10_000 },
        None => Size { per_s: 200.0, away: Duration::from_secs(2), queue_max: 150 },
    }
}

/// What came of a run.
struct Course {
    report: LoadReport,
    status: CollectorStatus,
    /// Different events that the edge took, and how many of them more than once.
    taken: u64,
    repeated: u64,
    /// From the edge's return until nothing waited.
    caught_up: Duration,
}

/// Loads for a while with the edge, without it, and with it again.
fn play(size: &Size, spool: bool) -> Course {
    let mut edge = AwayEdge::new();
    let rating = Rating::start(&edge, size.queue_max, spool);
    let around = Duration::from_secs(1);
    let (report, returned) = std::thread::scope(|scope| {
        let load = scope.spawn(|| rating.load(size.per_s, around + size.away + around, Duration::ZERO));
        std::thread::sleep(around);
        edge.leave();
        std::thread::sleep(size.away);
        edge.come();
        let returned = Instant::now();
        (load.join().unwrap(), returned)
    });
    rating.catch_up();
    let caught_up = returned.elapsed();
    let status = rating.stop();
    let (taken, repeated) = edge.taken();
    Course { report, status, taken, repeated, caught_up }
}

fn expect_no_rating_failed(course: &Course) {
    let report = &course.report;
    assert_eq!((report.failed, report.throttled), (0, 0), "{:?}", report.failures);
    assert_eq!(report.accepted + report.timeouts, report.attempts);
    assert!(report.accepted > 0 && report.accepted <= course.status.totals.accepted);
}

#[test]
fn with_a_spool_every_event_of_the_time_without_the_edge_arrives_afterwards() {
    let size = size();
    let course = play(&size, true);
    expect_no_rating_failed(&course);
    let status = &course.status;
    println!(
        "with a spool: {} ratings, {} events at the edge ({} came more than once), {} dropped; \
         caught up {:.1} s after the edge's return",
        status.totals.accepted,
        course.taken,
        course.repeated,
        status.events_dropped,
        course.caught_up.as_secs_f64()
    );
    assert_eq!((status.events_dropped, status.events_rejected), (0, 0));
    assert_eq!(course.taken, status.totals.accepted, "every event, by its id");
    assert_eq!(status.events_delivered, status.totals.accepted, "and each was counted once here");
}

#[test]
fn without_one_every_event_that_does_not_arrive_is_counted() {
    let size = size();
    let course = play(&size, false);
    expect_no_rating_failed(&course);
    let status = &course.status;
    println!(
        "without: {} ratings, {} events at the edge, {} dropped",
        status.totals.accepted, course.taken, status.events_dropped
    );
    assert!(status.events_dropped > 0, "the edge was away for longer than memory lasts");
    assert_eq!(status.events_delivered + status.events_dropped, status.totals.accepted);
    // What the edge took but could no longer answer, in the moment of its end, counts as dropped here.
    let unanswered = course.taken - status.events_delivered;
    assert!(unanswered <= size.queue_max.min(1000) as u64, "{unanswered}");
}
