//! The edge dies under overload: no rating fails for it, the local controller holds the objective in its place,
//! and the loop closes again by itself when the edge is back.
//!
//! Backend, edge and rating service are processes of their own. The reduced run claims nothing about time and
//! keeps the load small, so that it means the same on a slow machine. `OPENCLAW_PROVE_EDGE_LOSS_S=60` plays
//! the full load, leaves the rating service alone for a minute, and holds it to the objective meanwhile.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "tests stop at the first surprise, their fixtures too")]

#[path = "edge_loss/stage.rs"]
mod stage;
#[expect(dead_code, reason = "every test program uses its own part of it")]
mod support;

use std::time::{Duration, Instant};

use openclaw_harness::LoadReport;
use stage::{Size, Stage};
use support::number_from;

/// How long the local controller is on its own in the reduced run, in seconds.
const ALONE_S_DEFAULT: u64 = 3;
/// The part of the 1 s windows without edge that must hold the objective.
const WINDOWS_IN_SLO_MIN: f64 = 0.9;
const SLO_MS: f64 = 200.0;

/// Figures of one run; seconds count from the load's first intended attempt.
struct Course {
    report: LoadReport,
    /// From the edge's end to the local controller.
    took_over_s: f64,
    /// From the edge's start to the edge's answers holding again.
    closed_again_s: f64,
    /// Seconds in which the local controller alone decided.
    alone_s: (f64, f64),
    delivered_before: u64,
    delivered_after: u64,
}

#[test]
fn the_loop_survives_its_edge_and_closes_again_when_it_returns() {
    let proving = std::env::var_os("OPENCLAW_PROVE_EDGE_LOSS_S").is_some();
    let alone = Duration::from_secs(number_from("OPENCLAW_PROVE_EDGE_LOSS_S", ALONE_S_DEFAULT));
    let mut stage = Stage::set(if proving { Size::Full } else { Size::Reduced });
    let course = play(&mut stage, alone);

    let report = &course.report;
    assert_eq!((report.failed, report.overflowed), (0, 0), "{:?}", report.failures);
    assert!(report.accepted > 0 && report.throttled > 0, "this is an overload: {report:?}");
    assert_eq!(report.attempts, report.accepted + report.throttled + report.timeouts);
    assert!(course.delivered_after > course.delivered_before, "events flow again");
    stage.assert_every_event_accounted_for(report);

    let windows = p95s_while_alone(&course);
    let held = windows.iter().filter(|p95_ms| **p95_ms <= SLO_MS).count();
    println!(
        "{} attempts, {} accepted, {} throttled, {} timed out, 0 failed; local control after {:.1} s; \
         {held} of {} windows without edge within {SLO_MS} ms; edge in control {:.1} s after its return",
        report.attempts,
        report.accepted,
        report.throttled,
        report.timeouts,
        course.took_over_s,
        windows.len(),
        course.closed_again_s,
    );
    println!("p95 of these windows in ms: {windows:.0?}");
    if proving {
        let ttl_s = stage::TTL.as_secs_f64();
        assert!(course.took_over_s <= ttl_s + 0.5, "leases of {ttl_s} s held {:.1} s", course.took_over_s);
        assert!(!windows.is_empty());
        assert!(held as f64 >= WINDOWS_IN_SLO_MIN * windows.len() as f64, "{held} of {}", windows.len());
    }
}

fn play(stage: &mut Stage, alone: Duration) -> Course {
    let load = stage.begin_load();
    stage.wait_for_control_by("edge");
    stage.wait_for_deliveries_beyond(0);
    std::thread::sleep(stage::WITH_EDGE);

    stage.kill_edge();
    let killed = Instant::now();
    stage.wait_for_control_by("local");
    let took_over_s = killed.elapsed().as_secs_f64();
    let alone_from_s = load.elapsed_s();
    std::thread::sleep(alone);
    let alone_until_s = load.elapsed_s();
    assert_eq!(stage.collector()["controlledBy"], "local", "nobody else may decide without an edge");
    let delivered_before = stage.delivered();

    stage.start_edge();
    let started = Instant::now();
    stage.wait_for_control_by("edge");
    let closed_again_s = started.elapsed().as_secs_f64();
    stage.wait_for_deliveries_beyond(delivered_before);
    std::thread::sleep(stage::WITH_EDGE);
    let report = load.end();
    Course {
        report,
        took_over_s,
        closed_again_s,
        alone_s: (alone_from_s, alone_until_s),
        delivered_before,
        delivered_after: stage.delivered(),
    }
}

/// The p95 of every whole second in which the local controller decided and anything was admitted.
fn p95s_while_alone(course: &Course) -> Vec<f64> {
    let (from_s, until_s) = course.alone_s;
    let seconds = course.report.seconds.iter();
    let whole = seconds.filter(|second| second.start_s >= from_s && second.start_s + 1.0 <= until_s);
    whole.filter_map(|second| second.p95_ms).collect()
}
