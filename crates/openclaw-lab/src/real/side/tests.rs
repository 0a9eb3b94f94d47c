//! Scores from recorded windows, and from a simulated course.

use std::collections::BTreeMap;

use openclaw_harness::WorkReport;
use openclaw_sim::Figures;

use super::*;

/// An oracle that gets so much of everything.
fn oracle(work: f64) -> Run {
    let figures =
        Figures { good_work: work, good_work_in_slo: work, fair_work_in_slo: work, ..Figures::default() };
    Run {
        scenario: "hand-made".into(),
        seed: 1,
        controller: "oracle".into(),
        figures,
        whole: figures,
        windows: 20,
        windows_over_slo: 0,
        p50_ms: Some(20.0),
        p95_ms: Some(90.0),
        p99_ms: None,
        jain: 1.0,
        recovery_s: None,
        oscillation: 0.0,
        decisions: 0,
        timeline: Vec::new(),
    }
}

/// A second in which 10 were offered, one of them refused, one given up, and `good` of the 8 accepted were in time.
fn second(start_s: f64, good: u64, p95_ms: f64) -> SecondReport {
    SecondReport {
        start_s,
        offered: 10,
        first_attempts: 9,
        accepted: 8,
        good,
        throttled: 1,
        failed: 0,
        timeouts: 1,
        p50_ms: Some(20.0),
        p95_ms: Some(p95_ms),
        capacity: Some(9.0),
    }
}

fn report(work: Option<WorkReport>) -> LoadReport {
    LoadReport {
        duration_s: 2.0,
        ended_early: false,
        slo_ms: 200.0,
        timeout_ms: 1000.0,
        attempts: 20,
        first_attempts: 18,
        accepted: 16,
        throttled: 2,
        throttled_by_bucket: 1,
        throttled_by_guard: 1,
        failed: 0,
        timeouts: 2,
        overflowed: 0,
        failures: BTreeMap::new(),
        offered_per_s: 10.0,
        first_attempts_per_s: 9.0,
        accepted_per_s: 8.0,
        goodput_per_s: 6.5,
        goodput_in_slo_windows_per_s: 4.0,
        entitled_goodput_in_slo_windows_per_s: Some(3.0),
        p50_ms: Some(20.0),
        p95_ms: Some(1000.0),
        p99_ms: Some(1000.0),
        windows_over_slo: 0.5,
        throttled_fraction: 0.1,
        well_behaved_throttled_fraction: Some(0.05),
        work,
        send_lag_p99_ms: 1.0,
        seconds: vec![second(0.0, 8, 150.0), second(1.0, 5, 400.0)],
    }
}

#[test]
fn played_work_is_scored_by_the_simulated_oracle() {
    let work = WorkReport { good: 30.0, good_in_slo_windows: 20.0, entitled_in_slo_windows: 15.0 };
    let side = Side::played(&report(Some(work)), &oracle(40.0));
    assert_eq!((side.g, side.j, side.jf), (0.75, 0.5, 0.375));
    assert_eq!(side.offered, side.accepted + side.throttled + side.failed + side.timeouts);
    assert_eq!((side.windows_over_slo, side.well_behaved_throttled), (0.5, 0.05));
}

#[test]
fn a_machine_that_outruns_the_oracle_is_capped_like_luck_in_the_simulator() {
    let work = WorkReport { good: 90.0, good_in_slo_windows: 44.0, entitled_in_slo_windows: 0.0 };
    let side = Side::played(&report(Some(work)), &oracle(40.0));
    assert_eq!((side.g, side.j, side.jf), (1.2, 1.1, 0.0));
}

#[test]
fn traffic_without_users_scores_nothing() {
    let side = Side::played(&report(None), &oracle(40.0));
    assert_eq!((side.g, side.j, side.jf), (0.0, 0.0, 0.0));
}

#[test]
fn every_second_of_a_played_course_becomes_a_point_of_its_time_line() {
    let side = Side::played(&report(None), &oracle(1.0));
    let points: Vec<_> = side
        .seconds
        .iter()
        .map(|point| (point.accepted, point.good, point.late, point.failed, point.meets_slo))
        .collect();
    assert_eq!(points, [(9, 8, 0, 1, true), (9, 5, 3, 1, false)], "who gives up was admitted");
}

#[test]
fn a_simulated_course_is_told_in_the_same_terms() {
    let mut run = oracle(30.0);
    run.whole = Figures {
        offered: 100,
        accepted: 80,
        throttled: 20,
        good: 60,
        late: 9,
        timeouts: 6,
        overflowed: 3,
        in_flight: 2,
        ..run.whole
    };
    run.figures = Figures { offered: 80, good: 50, ..run.figures };
    let side = Side::simulated(&run, 12.0, &oracle(40.0));
    assert_eq!(
        (side.g, side.offered_per_s, side.good_per_s),
        (0.75, 8.0, 5.0),
        "the first two seconds are left out"
    );
    let ends = side.accepted + side.throttled + side.failed + side.timeouts + side.in_flight;
    assert_eq!(ends, side.offered);
}
