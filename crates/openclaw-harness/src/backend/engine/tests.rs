//! The engine against a paused clock: exact, and without waiting.

use super::*;
use openclaw_scenario::{CapacityChange, CapacityKind, ServiceTime, demo};
use tokio::task::JoinSet;

/// 4 workers x 40 ms, undisturbed.
fn scenario() -> Scenario {
    let mut scenario = demo();
    scenario.capacity.clear();
    scenario.service.workers = 4;
    scenario.service.service_time = ServiceTime::Lognormal { mean_ms: 40.0, cv: 0.0 };
    scenario
}

fn start(scenario: &Scenario) -> Arc<Engine> {
    let engine = Arc::new(Engine::new(scenario));
    tokio::spawn(Arc::clone(&engine).drive());
    engine
}

/// Sends `requests` at once and returns how long all of them took.
async fn burst(engine: &Arc<Engine>, requests: usize) -> Duration {
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..requests {
        tasks.spawn(Arc::clone(engine).work(None, 1));
    }
    while let Some(end) = tasks.join_next().await {
        end.unwrap().unwrap();
    }
    start.elapsed()
}

fn assert_close(measured: Duration, expected_ms: u64) {
    // The timer's grain is 1 ms, and nothing may be early.
    let expected = Duration::from_millis(expected_ms);
    assert!(
        (expected..=expected + Duration::from_millis(1)).contains(&measured),
        "{measured:?} for {expected_ms} ms"
    );
}

#[tokio::test(start_paused = true)]
async fn a_burst_takes_requests_divided_by_capacity() {
    // 100 requests at 100/s, in 25 rounds: the grain of 1 ms must not add up.
    assert_close(burst(&start(&scenario()), 100).await, 1000);
}

#[tokio::test(start_paused = true)]
async fn disturbances_follow_the_clock_that_was_set() {
    let mut disturbed = scenario();
    disturbed.capacity =
        vec![CapacityChange { kind: CapacityKind::Workers, start_s: 10.0, duration_s: 10.0, level: 0.25 }];
    let engine = start(&disturbed);
    assert!(engine.start_clock(Instant::now()));
    assert!(!engine.start_clock(Instant::now()), "the clock is set once");
    assert_close(burst(&engine, 20).await, 200);
    tokio::time::advance(Duration::from_secs(10)).await;
    assert_eq!(engine.state().service.capacity_level, 0.25);
    assert_close(burst(&engine, 20).await, 800);
}

#[tokio::test(start_paused = true)]
async fn the_first_request_starts_a_clock_that_nobody_set() {
    let engine = start(&scenario());
    tokio::time::advance(Duration::from_secs(100)).await;
    assert_eq!(engine.state().clock_s, 0.0, "looking does not start it");
    burst(&engine, 1).await;
    assert!((0.04..0.05).contains(&engine.state().clock_s));
}

#[tokio::test(start_paused = true)]
async fn dropping_a_request_takes_it_out_of_the_queue() {
    let engine = start(&scenario());
    let mut waiting: Vec<_> = (0..10).map(|_| Box::pin(Arc::clone(&engine).work(None, 1))).collect();
    for request in &mut waiting {
        assert!(tokio::time::timeout(Duration::ZERO, request.as_mut()).await.is_err());
    }
    assert_eq!((engine.state().service.busy, engine.state().service.queued), (4, 6));
    drop(waiting);
    assert_eq!((engine.state().service.busy, engine.state().service.queued), (4, 0));
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(engine.state().service.served, 4, "running work is not cancelled");
}
