//! The way through the stages, in simulated time.

use super::*;
use openclaw_scenario::{Context, Dependency, RequestClass, ServiceTime, demo};

const fn constant(mean_ms: f64) -> ServiceTime {
    ServiceTime::Lognormal { mean_ms, cv: 0.0 }
}

/// One worker of 10 ms, then one of 30 ms that everybody calls.
fn scenario() -> Scenario {
    let mut scenario = demo();
    scenario.capacity.clear();
    scenario.service.workers = 1;
    scenario.service.service_time = constant(10.0);
    scenario.service.queue_max = 2;
    scenario.dependencies = vec![Dependency {
        name: "moderation".to_owned(),
        workers: 1,
        service_time: constant(30.0),
        call_fraction: 1.0,
        capacity: Vec::new(),
    }];
    scenario
}

/// Reply, and for what was served the milliseconds in work and at each dependency.
type Ended = (u32, Option<(f64, Vec<f64>)>);

/// Everything that ends up to `now_s`.
fn ended(stages: &mut Stages<u32>, now_s: f64) -> Vec<Ended> {
    let mut all = Vec::new();
    let ms = |time_s: f64| (time_s * 1e6).round() / 1e3;
    stages.advance(now_s, |reply, end| {
        let times = end.ok().map(|served| {
            let calls = served.dependencies_s.iter().map(|(_, time_s)| ms(*time_s)).collect();
            (ms(served.work_s), calls)
        });
        all.push((reply, times));
    });
    all
}

#[test]
fn work_and_calls_add_up_and_calls_wait_for_their_own_workers() {
    let mut stages = Stages::new(&scenario());
    stages.enter(0.0, 0, 1, 1).unwrap();
    stages.enter(0.0, 0, 1, 2).unwrap();
    // The second call begins at 20 ms and waits until 40 ms; looked at late, it still ends at 70 ms.
    assert_eq!(ended(&mut stages, 0.069), [(1, Some((10.0, vec![30.0])))]);
    assert_eq!(ended(&mut stages, 5.0), [(2, Some((10.0, vec![50.0])))]);
}

#[test]
fn batches_and_costly_classes_work_longer() {
    let mut costly = scenario();
    costly.dependencies.clear();
    costly.request_classes = vec![RequestClass {
        context: Context::from_key("networkQuality=poor"),
        user_fraction: 0.5,
        service_time_factor: 4.0,
        network_delay_ms: 0.0,
        call_fraction: None,
    }];
    let mut stages = Stages::new(&costly);
    stages.enter(0.0, 0, 3, 1).unwrap();
    stages.enter(0.0, 1, 1, 2).unwrap();
    assert_eq!(ended(&mut stages, 1.0), [(1, Some((30.0, vec![]))), (2, Some((40.0, vec![])))]);
}

#[test]
fn a_class_has_its_own_share_of_calls() {
    let mut calling = scenario();
    calling.request_classes = vec![RequestClass {
        context: Context::from_key("region=eu"),
        user_fraction: 0.5,
        service_time_factor: 1.0,
        network_delay_ms: 0.0,
        call_fraction: Some(0.0),
    }];
    let mut stages = Stages::new(&calling);
    stages.enter(0.0, 1, 1, 1).unwrap();
    assert_eq!(ended(&mut stages, 1.0), [(1, Some((10.0, vec![])))]);
}

#[test]
fn a_full_queue_says_which_one() {
    let mut stages = Stages::new(&scenario());
    for reply in 0..3 {
        stages.enter(0.0, 0, 1, reply).unwrap();
    }
    assert_eq!(stages.enter(0.0, 0, 1, 3), Err((StageFull(0), 3)));
    // Later on, the dependency's worker and its queue of two hold three calls; a fourth finds it full.
    let mut refused = Vec::new();
    for reply in 10..40 {
        let now_s = f64::from(reply) * 0.01;
        stages.advance(now_s, |reply, end| refused.extend(end.err().map(|full| (reply, full))));
        stages.enter(now_s, 0, 1, reply).unwrap();
    }
    assert!(!refused.is_empty() && refused.iter().all(|(_, full)| *full == StageFull(1)), "{refused:?}");
}

#[test]
fn who_leaves_takes_up_no_further_stage() {
    let mut stages = Stages::new(&scenario());
    let working = stages.enter(0.0, 0, 1, 1).unwrap();
    let waiting = stages.enter(0.0, 0, 1, 2).unwrap();
    stages.enter(0.0, 0, 1, 3).unwrap();
    stages.leave(0.005, working);
    stages.leave(0.005, waiting);
    assert_eq!(ended(&mut stages, 1.0), [(3, Some((10.0, vec![30.0])))]);
    let served: Vec<u64> = stages.state(1.0).iter().map(|state| state.served).collect();
    assert_eq!(served, [2, 1], "running work went on, and called nobody");
    assert_eq!(stages.next_event_s(), None);
}
