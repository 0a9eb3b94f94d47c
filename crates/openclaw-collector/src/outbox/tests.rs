//! Order, bounds and arithmetic of what waits.

use openclaw_protocol::ItemId;

use super::*;

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

fn counts(name: &str, attempts: u64) -> UserCounts {
    UserCounts::new(user(name), attempts, 0)
}

fn events(stamps: std::ops::Range<u64>) -> Vec<RatingEvent> {
    stamps.map(|stamp| RatingEvent::new(user("u"), ItemId::new("i").unwrap(), 1.0, stamp)).collect()
}

fn stamps(batch: &EventBatch) -> Vec<u64> {
    batch.events.iter().map(|event| event.timestamp).collect()
}

fn next(outbox: &mut Outbox) -> EventBatch {
    let collector = CollectorInfo { id: "c".into(), service: "s".into(), epoch: 1 };
    outbox.next_batch(collector, 0, Totals::default(), Vec::new(), usize::MAX)
}

#[test]
fn events_leave_in_order_also_after_a_batch_was_put_back() {
    let mut outbox = Outbox::new(3, 100, 100);
    outbox.fill(events(0..5), Vec::new());
    let lost = next(&mut outbox);
    assert_eq!((stamps(&lost), outbox.waiting()), (vec![0, 1, 2], 5));
    outbox.fill(events(5..6), Vec::new());
    assert_eq!(outbox.put_back(lost.events, lost.users), 0);
    assert_eq!(stamps(&next(&mut outbox)), [0, 1, 2]);
    let last = next(&mut outbox);
    assert_eq!((stamps(&last), last.seq), (vec![3, 4, 5], 3));
    assert!(outbox.is_empty() && outbox.waiting() == 6, "handed out is not delivered");
    outbox.done(6);
    assert_eq!(outbox.waiting(), 0);
}

#[test]
fn the_oldest_events_give_way_and_are_counted() {
    let mut outbox = Outbox::new(4, 5, 100);
    assert_eq!(outbox.fill(events(0..4), Vec::new()), 0);
    let lost = next(&mut outbox);
    assert_eq!(outbox.fill(events(4..8), Vec::new()), 0);
    assert_eq!(outbox.put_back(lost.events, lost.users), 3);
    assert_eq!((stamps(&next(&mut outbox)), outbox.waiting()), (vec![3, 4, 5, 6], 5));
}

#[test]
fn users_wait_in_order_with_their_newest_counters() {
    let mut outbox = Outbox::new(1, 10, 3);
    outbox.fill(Vec::new(), vec![counts("a", 1), counts("b", 1)]);
    let lost = next(&mut outbox);
    outbox.fill(Vec::new(), vec![counts("b", 5)]);
    outbox.put_back(lost.events, lost.users);
    assert_eq!(next(&mut outbox).users, [counts("b", 5), counts("a", 1)]);
    outbox.fill(Vec::new(), (0..9).map(|n| counts(&n.to_string(), 1)).collect());
    assert_eq!(next(&mut outbox).users.len(), 3, "no more than the bound");
}

#[test]
fn users_beyond_one_batch_are_the_first_of_the_next() {
    let mut outbox = Outbox::new(1, 1, 25_000);
    outbox.fill(Vec::new(), (0..25_000).map(|n| counts(&n.to_string(), 1)).collect());
    let mut sizes = Vec::new();
    let mut named = Vec::new();
    while !outbox.is_empty() {
        let batch = next(&mut outbox);
        sizes.push(batch.users.len());
        named.extend(batch.users);
    }
    assert_eq!(sizes, [10_000, 10_000, 5_000]);
    assert_eq!(named.last(), Some(&counts("24999", 1)));
}

#[test]
fn batches_that_are_too_large_are_halved_down_to_one_and_grow_again() {
    let mut outbox = Outbox::new(4, 100, 100);
    outbox.fill(events(0..50), Vec::new());
    assert!(outbox.halve());
    assert_eq!(next(&mut outbox).events.len(), 2);
    while outbox.halve() {}
    assert_eq!(next(&mut outbox).events.len(), 1);
    (0..SUCCESSES_TO_GROW * 20).for_each(|_| outbox.succeeded(Duration::from_millis(7)));
    assert_eq!(next(&mut outbox).events.len(), 4);
}
