//! Gauges of several collectors, and what is made of them.

use super::*;

const TICK_NS: u64 = 100_000_000;
const TTL_NS: u64 = 5_000_000_000;

fn gauge(name: &str, in_flight: u32, completed: u64) -> DependencyGauge {
    DependencyGauge { name: name.to_owned(), in_flight, completed }
}

#[test]
fn gauges_of_all_collectors_add_up_and_lost_ones_lose_no_calls() {
    let mut known = Dependencies::new(true, 10);
    let mut seen = PerDependency::new();
    for tick in 1..=50_u64 {
        let now_ns = tick * TICK_NS;
        known.report(1, &gauge("search", 3, tick * 10), 0.1, false, now_ns);
        if tick % 2 == 0 {
            known.report(2, &gauge("search", 4, tick * 5), 0.2, false, now_ns);
        }
        (0..3).for_each(|_| known.called("search", 0.03));
        known.called("unknown", 9.0);
        seen = known.turn(TTL_NS, 1.0, now_ns);
    }
    let search = seen[0];
    assert_eq!((known.find("search"), known.len(), search.in_flight), (Some(0), 1, 7.0));
    assert!((search.throughput_slow_per_s - 150.0).abs() < 1e-6, "{search:?}");
    assert!((search.base_s / 0.03 - 1.0).abs() < 0.03);
    assert_eq!(search.in_flight_change, 0.0);
    known.report(1, &gauge("search", 9, 510), 0.1, false, 51 * TICK_NS);
    assert_eq!(known.turn(TTL_NS, 1.0, 51 * TICK_NS)[0].in_flight_change, 6.0);
}

#[test]
fn a_collector_that_ran_before_only_tells_where_its_counter_stands_and_a_silent_one_is_forgotten() {
    let mut known = Dependencies::new(true, 10);
    known.report(1, &gauge("search", 3, 1_000_000), 0.1, true, TICK_NS);
    assert_eq!(known.turn(TTL_NS, 1.0, TICK_NS)[0].throughput_fast_per_s, 0.0);
    assert_eq!(known.turn(TTL_NS, 1.0, TTL_NS + 2 * TICK_NS)[0].in_flight, 0.0);
}

#[test]
fn without_call_times_the_base_follows_from_littles_law() {
    let mut known = Dependencies::new(true, 10);
    let mut seen = PerDependency::new();
    for tick in 1..=30_u64 {
        known.report(1, &gauge("search", 3, tick * 10), 0.1, false, tick * TICK_NS);
        seen = known.turn(TTL_NS, 1.0, tick * TICK_NS);
    }
    assert!((seen[0].base_s - 0.03).abs() < 1e-6, "{seen:?}");
}

#[test]
fn there_are_never_more_than_there_may_be_and_unused_ones_make_room() {
    let mut known = Dependencies::new(true, 10);
    for n in 0..10 {
        known.report(1, &gauge(&format!("d{n}"), 0, 0), 0.1, false, TICK_NS);
    }
    assert_eq!((known.len(), known.find("d9")), (DEPENDENCIES_MAX, None));
    known.report(1, &gauge("d9", 0, 0), 0.1, false, 2 * UNUSED_NS);
    assert_eq!((known.find("d9"), known.find("d0")), (Some(0), None));
}

#[test]
fn a_loop_that_is_not_aware_knows_none() {
    let mut known = Dependencies::new(false, 10);
    known.report(1, &gauge("search", 3, 10), 0.1, false, TICK_NS);
    assert!(known.turn(TTL_NS, 1.0, TICK_NS).is_empty());
}
