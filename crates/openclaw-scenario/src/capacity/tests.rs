//! Disturbances at their exact instants, and the random ones by their stated frequency.

use super::*;
use proptest::prelude::*;

fn change(kind: CapacityKind, level: f64) -> CapacityChange {
    CapacityChange { kind, start_s: 10.0, duration_s: 10.0, level }
}

fn timeline(changes: Vec<CapacityChange>) -> CapacityTimeline {
    CapacityTimeline::undisturbed(20, changes)
}

#[test]
fn fewer_workers_for_exactly_the_stated_time() {
    let timeline = timeline(vec![change(CapacityKind::Workers, 0.3)]);
    let counts = [9.99, 10.0, 19.99, 20.0].map(|at_s| timeline.workers_at(at_s));
    assert_eq!(counts, [20, 6, 6, 20]);
    assert_eq!(timeline.speed_at(15.0), 1.0);
    assert_eq!(timeline.next_worker_change_s(0.0), 10.0);
    assert_eq!(timeline.next_worker_change_s(10.0), 20.0);
    assert_eq!(timeline.next_worker_change_s(20.0), f64::INFINITY);
}

#[test]
fn at_least_one_worker_remains() {
    assert_eq!(timeline(vec![change(CapacityKind::Workers, 0.001)]).workers_at(15.0), 1);
}

#[test]
fn a_slowdown_divides_the_speed_and_keeps_the_workers() {
    let timeline = timeline(vec![change(CapacityKind::Slowdown, 0.4)]);
    assert_eq!((timeline.workers_at(15.0), timeline.speed_at(15.0)), (20, 0.4));
    assert_eq!(timeline.speed_at(20.0), 1.0);
}

#[test]
fn a_ramp_reaches_its_level_at_mid_time_and_comes_back() {
    let timeline = timeline(vec![change(CapacityKind::Ramp, 0.5)]);
    let counts = [10.0, 12.5, 15.0, 17.5, 19.99].map(|at_s| timeline.workers_at(at_s));
    assert_eq!(counts, [20, 15, 10, 15, 20]);
}

#[test]
fn overlapping_changes_multiply() {
    let timeline = timeline(vec![change(CapacityKind::Workers, 0.5), change(CapacityKind::Slowdown, 0.5)]);
    assert!((timeline.level_at(15.0) - 0.25).abs() < 1e-12);
}

#[test]
fn the_mean_level_weighs_by_time() {
    let timeline = timeline(vec![change(CapacityKind::Workers, 0.3)]);
    assert!((timeline.mean_level(8.0, 12.0) - 0.65).abs() < 1e-12);
    let ramp = CapacityTimeline::undisturbed(100_000, vec![change(CapacityKind::Ramp, 0.5)]);
    assert!((ramp.mean_level(10.0, 20.0) - 0.75).abs() < 0.01);
}

#[test]
fn work_stands_still_in_a_pause() {
    let mut timeline = timeline(Vec::new());
    timeline.pauses = vec![Span { start_s: 1.0, end_s: 1.5 }, Span { start_s: 2.0, end_s: 3.0 }];
    assert_eq!(timeline.finish_s(0.0, 1.0), 1.0, "work that ends as the pause begins is done");
    assert_eq!(timeline.finish_s(0.9, 0.2), 1.6);
    assert_eq!(timeline.finish_s(1.2, 0.2), 1.7, "work taken up in a pause begins at its end");
    assert_eq!(timeline.finish_s(0.5, 1.25), 3.25, "one job may meet several pauses");
    assert_eq!(timeline.level_at(1.2), 0.0);
    assert!((timeline.mean_level(0.0, 2.0) - 0.75).abs() < 1e-12);
}

fn disturbed(seed: u64) -> Scenario {
    let mut scenario = crate::demo();
    scenario.seed = seed;
    scenario.duration_s = 2000.0;
    scenario.pauses = Some(crate::Pauses { per_s: 0.2, min_s: 0.2, max_s: 0.8 });
    scenario.noisy_neighbour = Some(crate::NoisyNeighbour { per_s: 0.1, mean_duration_s: 3.0, level: 0.6 });
    scenario
}

#[test]
fn disturbances_repeat_with_the_seed_and_have_the_stated_frequency() {
    let scenario = disturbed(5);
    let timeline = CapacityTimeline::for_service(&scenario);
    assert_eq!(timeline, CapacityTimeline::for_service(&scenario));
    assert_ne!(timeline.pauses, CapacityTimeline::for_service(&disturbed(6)).pauses);
    assert!(timeline.pauses.iter().all(|pause| (0.2..=0.8).contains(&(pause.end_s - pause.start_s))));
    // A cycle of 5 s between pauses and 0.5 s in one: 364 expected.
    assert!((300..430).contains(&timeline.pauses.len()), "{}", timeline.pauses.len());
    let noisy_s: f64 = timeline.noisy.iter().map(|span| span.end_s - span.start_s).sum();
    assert!((noisy_s / 2000.0 - 3.0 / 13.0).abs() < 0.05, "{noisy_s}");
}

#[test]
fn pauses_do_not_move_when_a_noisy_neighbour_comes() {
    let mut quiet = disturbed(5);
    quiet.noisy_neighbour = None;
    let (quiet, noisy) =
        (CapacityTimeline::for_service(&quiet), CapacityTimeline::for_service(&disturbed(5)));
    assert_eq!(quiet.pauses, noisy.pauses);
}

proptest! {
    #[test]
    fn capacity_is_constant_between_boundaries(seed in 0..50_u64, start_s in 0.0..60.0_f64, part in 0.0..1.0_f64) {
        let mut timeline = CapacityTimeline::for_service(&disturbed(seed));
        timeline.changes.push(CapacityChange { kind: CapacityKind::Ramp, start_s: 3.3, duration_s: 7.7, level: 0.1 });
        let next_s = timeline.next_change_s(start_s);
        prop_assert!(next_s > start_s);
        let between_s = start_s + (next_s.min(100.0) - start_s) * part * 0.999;
        prop_assert_eq!(timeline.level_at(start_s), timeline.level_at(between_s));
    }

    #[test]
    fn later_starts_never_finish_earlier(seed in 0..50_u64, start_s in 0.0..100.0_f64, later_s in 0.0..5.0_f64, work_s in 0.0..3.0_f64) {
        let timeline = CapacityTimeline::for_service(&disturbed(seed));
        let finish_s = timeline.finish_s(start_s, work_s);
        prop_assert!(finish_s >= start_s + work_s - 1e-9);
        prop_assert!(timeline.finish_s(start_s + later_s, work_s) >= finish_s - 1e-9);
    }
}
