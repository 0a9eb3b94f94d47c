//! The pool in simulated time: order, capacity, refusals, departures, disturbances.

use super::*;
use crate::scenario::{CapacityChange, CapacityKind, Scenario};
use proptest::prelude::*;

/// A pool of `workers` with `changes`, and no other disturbance.
fn pool(workers: u32, queue_max: u32, changes: Vec<CapacityChange>) -> ServicePool<u32> {
    let mut scenario: Scenario = crate::demo();
    scenario.service.workers = workers;
    scenario.capacity = changes;
    ServicePool::new(CapacityTimeline::for_service(&scenario), queue_max)
}

fn finished(pool: &mut ServicePool<u32>) -> Vec<(u32, f64)> {
    std::iter::from_fn(|| pool.pop_finished())
        .map(|done| (done.token, (done.at_s * 1e6).round() / 1e6))
        .collect()
}

#[test]
fn jobs_wait_in_order_for_a_free_worker() {
    let mut pool = pool(1, 10, Vec::new());
    for token in 0..3 {
        pool.submit(0.0, 0.02, token).unwrap();
    }
    assert_eq!((pool.busy(), pool.queued()), (1, 2));
    pool.advance(1.0);
    assert_eq!(finished(&mut pool), [(0, 0.02), (1, 0.04), (2, 0.06)]);
    assert_eq!(pool.served(), 3);
}

#[test]
fn looking_late_costs_no_capacity() {
    let mut punctual = pool(2, 1000, Vec::new());
    let mut late = pool(2, 1000, Vec::new());
    for token in 0..100 {
        punctual.submit(0.0, 0.02, token).unwrap();
        late.submit(0.0, 0.02, token).unwrap();
    }
    while let Some(event_s) = punctual.next_event_s() {
        punctual.advance(event_s);
    }
    late.advance(5.0);
    assert_eq!(finished(&mut punctual), finished(&mut late));
}

#[test]
fn throughput_is_workers_divided_by_the_mean_service_time() {
    let mut scenario = crate::demo();
    scenario.capacity.clear();
    let mut times = crate::ServiceTimes::for_service(&scenario);
    let mut pool = ServicePool::new(CapacityTimeline::for_service(&scenario), 100_000);
    for token in 0..40_000 {
        pool.submit(0.0, times.draw_s(), token).unwrap();
    }
    pool.advance(40.0);
    // 16 workers x 20 ms: 800/s.
    assert!((pool.served() as f64 / 40.0 / 800.0 - 1.0).abs() < 0.01, "{}", pool.served());
}

#[test]
fn a_full_queue_gives_the_token_back() {
    let mut pool = pool(1, 1, Vec::new());
    pool.submit(0.0, 1.0, 0).unwrap();
    pool.submit(0.0, 1.0, 1).unwrap();
    assert_eq!(pool.submit(0.5, 1.0, 2), Err(PoolFull(2)));
    assert!(pool.submit(1.0, 1.0, 3).is_ok(), "the first job has just made room");
}

#[test]
fn who_leaves_the_queue_takes_no_worker_but_work_goes_on() {
    let mut pool = pool(1, 10, Vec::new());
    let running = pool.submit(0.0, 1.0, 0).unwrap();
    let waiting = pool.submit(0.0, 1.0, 1).unwrap();
    pool.submit(0.0, 1.0, 2).unwrap();
    assert_eq!(pool.leave(0.5, waiting), Some(1));
    assert_eq!(pool.leave(0.5, waiting), None);
    assert_eq!(pool.leave(0.5, running), None, "running work is not cancelled");
    pool.advance(10.0);
    assert_eq!(finished(&mut pool), [(0, 1.0), (2, 2.0)]);
}

#[test]
fn lost_workers_finish_what_they_have_and_come_back_on_time() {
    let drop = CapacityChange { kind: CapacityKind::Workers, start_s: 1.0, duration_s: 2.0, level: 0.5 };
    let mut pool = pool(2, 10, vec![drop]);
    pool.submit(0.9, 0.5, 0).unwrap();
    pool.submit(0.9, 0.5, 1).unwrap();
    for token in 2..5 {
        pool.submit(1.0, 1.0, token).unwrap();
    }
    pool.advance(10.0);
    // One worker from 1 s to 3 s, then the second takes up the last job at once.
    assert_eq!(finished(&mut pool), [(0, 1.4), (1, 1.4), (2, 2.4), (3, 3.4), (4, 4.0)]);
}

#[test]
fn slow_times_stretch_the_work_that_starts_in_them() {
    let slow = CapacityChange { kind: CapacityKind::Slowdown, start_s: 1.0, duration_s: 1.0, level: 0.5 };
    let mut pool = pool(1, 10, vec![slow]);
    pool.submit(0.9, 0.2, 0).unwrap();
    pool.submit(0.9, 0.2, 1).unwrap();
    pool.advance(10.0);
    assert_eq!(finished(&mut pool), [(0, 1.1), (1, 1.5)]);
}

#[test]
fn time_that_runs_backwards_is_taken_as_standing_still() {
    let mut pool = pool(1, 10, Vec::new());
    pool.submit(5.0, 1.0, 0).unwrap();
    pool.submit(1.0, 1.0, 1).unwrap();
    pool.advance(7.0);
    assert_eq!(finished(&mut pool), [(0, 6.0), (1, 7.0)]);
}

proptest! {
    #[test]
    fn every_job_is_served_refused_gone_or_still_there(
        jobs in prop::collection::vec((0.0..0.05_f64, 0.001..0.2_f64, any::<bool>()), 1..200),
        workers in 1..5_u32,
        queue_max in 0..10_u32,
    ) {
        let mut pool = pool(workers, queue_max, Vec::new());
        let (mut now_s, mut refused, mut gone) = (0.0, 0, 0);
        for (token, (gap_s, work_s, leaves)) in (0..).zip(&jobs) {
            now_s += gap_s;
            match pool.submit(now_s, *work_s, token) {
                Err(PoolFull(_)) => refused += 1,
                Ok(id) if *leaves && pool.leave(now_s, id).is_some() => gone += 1,
                Ok(_) => {}
            }
            prop_assert!(pool.busy() <= workers as usize && pool.queued() <= queue_max as usize);
        }
        let there = pool.busy() + pool.queued();
        prop_assert_eq!(pool.served() as usize + there + refused + gone, jobs.len());
        prop_assert_eq!(finished(&mut pool).len(), pool.served() as usize);
    }
}
