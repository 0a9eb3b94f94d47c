//! What the guard promises: an exact count, a ceiling, and room for the modest.

use std::sync::Arc;
use std::thread;

use super::*;

fn guard(cap: u32) -> Arc<InFlightGuard> {
    Arc::new(InFlightGuard::with_seed(cap, HashSeed::new([3, 5])))
}

fn enter_all(guard: &Arc<InFlightGuard>, key: &str) -> Vec<InFlight> {
    std::iter::from_fn(|| guard.try_enter(key).ok()).take(10_000).collect()
}

#[test]
fn one_user_alone_gets_the_cap_and_no_more() {
    let guard = guard(10);
    let held = enter_all(&guard, "only");
    assert_eq!(held.len(), 10);
    assert_eq!(guard.try_enter("only").unwrap_err(), GuardFull { in_flight: 10, cap: 10 });
    drop(held);
    assert_eq!(guard.in_flight(), 0);
}

#[test]
fn users_below_their_share_enter_a_full_guard_up_to_the_ceiling() {
    let guard = guard(10);
    let greedy = enter_all(&guard, "greedy");
    let modest = guard.try_enter("modest").unwrap();
    let another = guard.try_enter("another").unwrap();
    assert_eq!(guard.in_flight(), 12);
    assert_eq!(guard.try_enter("third").unwrap_err(), GuardFull { in_flight: 12, cap: 10 });
    drop((greedy, modest, another));
    assert_eq!(guard.in_flight(), 0);
}

#[test]
fn the_greedy_are_refused_while_the_modest_take_over_their_places() {
    let guard = guard(100);
    let mut greedy = enter_all(&guard, "greedy");
    let mut modest = Vec::new();
    // Every time one of the greedy user's requests ends, both try: only the other may enter until
    // they hold the same.
    while greedy.len() > 60 {
        greedy.pop();
        if let Ok(entered) = guard.try_enter("greedy") {
            greedy.push(entered);
        }
        if let Ok(entered) = guard.try_enter("modest") {
            modest.push(entered);
        }
    }
    assert!(modest.len() >= 40, "{}", modest.len());
    assert!(guard.in_flight() <= guard.ceiling());
}

#[test]
fn the_smallest_caps_leave_one_place_for_whoever_has_none() {
    assert_eq!([0, 1, 4, 5, 10, 100].map(ceiling), [1, 2, 5, 6, 12, 120]);
    assert_eq!(ceiling(u32::MAX), u32::MAX);
    let guard = guard(0);
    let probe = guard.try_enter("a").unwrap();
    assert!(guard.try_enter("b").is_err());
    drop(probe);
}

#[test]
fn a_lowered_cap_lets_nobody_in_until_enough_have_left() {
    let guard = guard(10);
    let mut held = enter_all(&guard, "a");
    guard.set_cap(4);
    assert_eq!((guard.cap(), guard.ceiling()), (4, 5));
    assert!(guard.try_enter("b").is_err());
    held.truncate(4);
    assert!(guard.try_enter("a").is_err());
    assert!(guard.try_enter("b").is_ok());
}

#[test]
fn a_request_with_a_cap_of_its_own_is_refused_before_the_others() {
    let guard = guard(10);
    let held: Vec<_> = (0..4).map(|_| guard.try_enter("a").unwrap()).collect();
    assert_eq!(guard.try_enter_capped("a", 4).unwrap_err(), GuardFull { in_flight: 4, cap: 4 });
    let others = enter_all(&guard, "a");
    assert_eq!((held.len(), others.len()), (4, 6));
}

#[test]
fn the_reserve_for_the_modest_lies_above_the_smaller_cap() {
    let guard = guard(100);
    let greedy: Vec<_> = (0..10).map(|_| guard.try_enter("greedy").unwrap()).collect();
    assert!(guard.try_enter_capped("greedy", 10).is_err());
    let modest =
        [guard.try_enter_capped("modest", 10).unwrap(), guard.try_enter_capped("modest", 10).unwrap()];
    assert_eq!(guard.try_enter_capped("modest", 10).unwrap_err(), GuardFull { in_flight: 12, cap: 10 });
    assert_eq!(guard.try_enter_capped("third", 10).unwrap_err(), GuardFull { in_flight: 12, cap: 10 });
    drop((greedy, modest));
    assert_eq!(guard.in_flight(), 0);
}

#[test]
fn a_cap_above_the_guards_own_changes_nothing() {
    let guard = guard(3);
    let held: Vec<_> = std::iter::from_fn(|| guard.try_enter_capped("a", 50).ok()).take(100).collect();
    assert_eq!(held.len(), 3);
    assert_eq!(guard.try_enter_capped("a", 50).unwrap_err(), guard.try_enter("a").unwrap_err());
}

#[test]
fn a_guard_lowered_below_a_requests_cap_holds_for_it_too() {
    let guard = guard(10);
    let held = enter_all(&guard, "a");
    guard.set_cap(4);
    assert_eq!(guard.try_enter_capped("b", 8).unwrap_err(), GuardFull { in_flight: 10, cap: 4 });
    drop(held);
}

#[test]
fn a_request_that_panics_leaves_too() {
    let guard = guard(10);
    let worker = Arc::clone(&guard);
    let outcome = thread::spawn(move || {
        let _in_flight = worker.try_enter("a").unwrap();
        panic!("the request failed");
    })
    .join();
    assert!(outcome.is_err());
    assert_eq!(guard.in_flight(), 0);
}

#[test]
fn however_many_keys_come_and_go_nothing_stays() {
    let guard = guard(1000);
    for key in 0..100_000 {
        drop(guard.try_enter(&format!("made-up-{key}")).unwrap());
    }
    assert_eq!(guard.in_flight(), 0);
    assert_eq!(guard.sketch.keys.load(Ordering::Relaxed), 0);
    assert!(guard.sketch.counters.iter().all(|counter| counter.load(Ordering::Relaxed) == 0));
}

#[test]
fn threads_that_race_never_pass_the_ceiling_and_leave_an_empty_guard() {
    let guard = guard(8);
    thread::scope(|scope| {
        for thread in 0..4 {
            let guard = &guard;
            scope.spawn(move || {
                for call in 0..20_000 {
                    let key = format!("{}", (call + thread) % 7);
                    let entered = match call % 2 {
                        0 => guard.try_enter(&key),
                        _ => guard.try_enter_capped(&key, call % 5),
                    };
                    assert!(guard.in_flight() <= guard.ceiling());
                    drop(entered);
                }
            });
        }
    });
    assert_eq!(guard.in_flight(), 0);
    assert_eq!(guard.sketch.keys.load(Ordering::Relaxed), 0);
}

#[test]
fn what_enters_regardless_of_the_cap_is_counted_and_leaves() {
    let guard = guard(1);
    let first = guard.try_enter("a").unwrap();
    let regardless = guard.enter("a");
    assert_eq!(guard.in_flight(), 2);
    drop((first, regardless));
    assert_eq!(guard.in_flight(), 0);
    assert!(guard.try_enter("a").is_ok());
}
