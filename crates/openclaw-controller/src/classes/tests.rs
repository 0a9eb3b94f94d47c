//! Numbers of classes, and what they cost, from events.

use openclaw_protocol::{ItemId, UserId};
use proptest::prelude::*;

use super::*;

const S: u64 = 1_000_000_000;
const SLO_S: f64 = 0.2;

fn context(device: &str) -> Context {
    Context { device_type: Some(device.into()), ..Context::default() }
}

fn classes() -> Classes {
    Classes::new(true, SLO_S, 10)
}

fn event(latency_ms: f64, work_ms: Option<f64>) -> RatingEvent {
    let mut event = RatingEvent::new(UserId::new("u").unwrap(), ItemId::new("i").unwrap(), 5.0, 0);
    (event.latency_ms, event.work_ms) = (Some(latency_ms), work_ms);
    event
}

/// Ten seconds of ten ticks; each tick, `events` of every class in turn complete.
fn run(classes: &mut Classes, mut events: impl FnMut(u64) -> Vec<(usize, RatingEvent)>) {
    let none = Dependencies::new(true, 10);
    for tick in 0..100 {
        for (class, event) in events(tick) {
            classes.count(class, 1.0, 0.0);
            classes.event(class, &event, &none);
        }
        classes.turn(&Shares::of(0.1));
    }
}

/// What a controller sees of them beside no dependencies.
fn seen(classes: &Classes) -> PerClass<ClassSeen> {
    seen_beside(classes, 0)
}

fn seen_beside(classes: &Classes, dependencies: usize) -> PerClass<ClassSeen> {
    let mut seen = PerClass::new();
    classes.see(&mut seen, dependencies);
    seen
}

#[test]
fn contexts_get_numbers_as_they_come_and_too_many_are_plain() {
    let mut classes = classes();
    assert_eq!(classes.number(&Context::default(), |_| false, 0), 0);
    let numbers: Vec<_> = (0..10).map(|n| classes.number(&context(&n.to_string()), |_| false, n)).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 0, 0, 0]);
    assert_eq!(classes.number(&context("3"), |_| false, 20), 4);
    assert_eq!((classes.find(&context("9")), classes.len()), (None, CLASSES_MAX));
}

#[test]
fn a_class_unused_for_a_minute_gives_its_number_up_unless_it_has_users() {
    let mut classes = classes();
    for n in 0..7_u64 {
        classes.number(&context(&n.to_string()), |_| false, 0);
    }
    let later = 61 * S;
    assert_eq!(classes.number(&context("new"), |class| class < 3, later), 3);
    assert_eq!(classes.find(&context("2")), None);
    assert_eq!(classes.number(&context("0"), |_| false, later), 1, "still there");
}

#[test]
fn a_loop_that_is_not_aware_finds_everyone_plain() {
    let mut classes = Classes::new(false, SLO_S, 10);
    assert_eq!(classes.number(&context("tv"), |_| false, 0), 0);
    run(&mut classes, |_| vec![(0, event(20.0, Some(10.0))), (0, event(60.0, Some(50.0)))]);
    assert_eq!(classes.costs()[0], 1.0);
    assert_eq!(classes.mean_costs(), MeanCosts::PLAIN);
    assert!(seen(&classes).is_empty());
}

#[test]
fn the_cost_is_the_processing_time_over_a_plain_ones_and_the_network_the_rest() {
    let mut classes = classes();
    let class = classes.number(&context("tv"), |_| false, 0);
    run(&mut classes, |tick| {
        // A queue that comes and goes, the same for all.
        let wait_ms = (tick % 30) as f64;
        vec![(0, event(12.0 + wait_ms, Some(10.0))), (class, event(252.0 + wait_ms, Some(60.0)))]
    });
    let seen = seen(&classes);
    assert_eq!(seen[0].cost, 1.0);
    assert!((seen[1].cost - 6.0).abs() < 1e-9);
    assert!((seen[1].network_delay_s - 0.19).abs() < 1e-9, "{seen:?}");
    assert!((seen[1].demand_share - 6.0 / 7.0).abs() < 1e-9);
    assert_eq!((seen[0].late_fraction, seen[1].late_fraction), (0.0, 1.0));
    assert!((classes.mean_costs().completed_fast - 3.5).abs() < 1e-9);
    assert!((classes.unloaded_s(&seen, &PerDependency::new()).unwrap() - (0.035 + 0.002)).abs() < 1e-9);
}

#[test]
fn without_processing_times_the_cost_is_told_by_latencies_in_the_same_queue() {
    let mut classes = classes();
    let class = classes.number(&context("tv"), |_| false, 0);
    run(&mut classes, |tick| {
        let wait_ms = if tick < 20 { 0.0 } else { (tick % 17 * 9) as f64 };
        let mut events = vec![(0, event(20.0 + wait_ms, None)); 4];
        events.extend(vec![(class, event(120.0 + wait_ms, None)); 2]);
        events
    });
    let cost = classes.costs()[class];
    assert!(
        (4.8..=6.0).contains(&cost),
        "{cost} for six times the work, a little less while little is known"
    );
    assert_eq!(classes.costs()[0], 1.0);
    assert_eq!(seen(&classes)[class].network_delay_s, 0.0, "it cannot be told from work");
}

#[test]
fn the_unit_of_work_does_not_jump_when_the_first_plain_request_comes() {
    let mut classes = classes();
    let class = classes.number(&context("tv"), |_| false, 0);
    run(&mut classes, |_| vec![(class, event(60.0, Some(50.0)))]);
    assert!((classes.costs()[class] - 1.0).abs() < 1e-9, "alone, it is the unit");
    let mut costs = Vec::new();
    for _ in 0..60 {
        let none = Dependencies::new(true, 10);
        for (number, ms) in [(0, 10.0), (class, 50.0)] {
            classes.event(number, &event(60.0, Some(ms)), &none);
        }
        classes.turn(&Shares::of(0.1));
        costs.push(classes.costs()[class]);
    }
    assert!(costs.windows(2).all(|pair| pair[1] / pair[0] < 1.05), "{costs:?}");
    run(&mut classes, |_| vec![(0, event(20.0, Some(10.0))), (class, event(60.0, Some(50.0)))]);
    run(&mut classes, |_| vec![(0, event(20.0, Some(10.0))), (class, event(60.0, Some(50.0)))]);
    run(&mut classes, |_| vec![(0, event(20.0, Some(10.0))), (class, event(60.0, Some(50.0)))]);
    run(&mut classes, |_| vec![(0, event(20.0, Some(10.0))), (class, event(60.0, Some(50.0)))]);
    assert_eq!(classes.costs()[0], 1.0);
    assert!((classes.costs()[class] - 5.0).abs() < 1e-6);
}

#[test]
fn calls_are_counted_by_class() {
    let mut classes = classes();
    let class = classes.number(&context("tv"), |_| false, 0);
    let mut known = Dependencies::new(true, 10);
    let gauge = openclaw_protocol::DependencyGauge { name: "search".into(), in_flight: 0, completed: 0 };
    known.report(1, &gauge, 0.1, false, 0);
    for n in 0..400 {
        let mut calling = event(50.0, Some(10.0));
        if n % 4 == 0 {
            calling.dependency_ms = Some([("search".into(), 30.0), ("other".into(), 1.0)].into());
        }
        classes.event(class, &calling, &known);
        classes.event(0, &event(20.0, Some(10.0)), &known);
    }
    classes.turn(&Shares::of(0.1));
    assert_eq!(classes.call_shares(0, 1).as_slice(), [0.0]);
    assert!((classes.call_shares(class, 1)[0] - 0.25).abs() < 1e-9);
    let unloaded_s = classes.unloaded_s(&seen_beside(&classes, 1), &[0.03].into_iter().collect()).unwrap();
    assert!((unloaded_s - (0.010 + 0.125 * 0.03 + 0.010)).abs() < 1e-9, "{unloaded_s}");
}

proptest! {
    #[test]
    fn whatever_events_say_costs_stay_inside_their_bounds(
        events in proptest::collection::vec(
            (0..3_usize, any::<f64>(), proptest::option::of(any::<f64>()), any::<bool>()), 0..200,
        ),
    ) {
        let mut classes = classes();
        classes.number(&context("a"), |_| false, 0);
        classes.number(&context("b"), |_| false, 0);
        let none = Dependencies::new(true, 10);
        for (class, latency_ms, work_ms, turn) in events {
            classes.count(class, 1.0, 0.0);
            classes.event(class, &event(latency_ms, work_ms), &none);
            if turn {
                classes.turn(&Shares::of(0.1));
            }
        }
        classes.turn(&Shares::of(0.1));
        for cost in classes.costs() {
            prop_assert!((COST_MIN..=COST_MAX).contains(cost), "{cost}");
        }
        let costs = classes.mean_costs();
        prop_assert!(costs.completed_slow.is_finite() && costs.offered_fast.is_finite());
        for seen in seen(&classes) {
            prop_assert!(seen.network_delay_s >= 0.0 && seen.network_delay_s.is_finite());
        }
    }
}
