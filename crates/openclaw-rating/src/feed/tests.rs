//! What readers are told, whatever their speed.

use std::sync::atomic::{AtomicU64, Ordering};

use openclaw_protocol::Context;
use tokio::time::{Duration, timeout};

use super::*;

fn rating(user: &str, score: f64) -> Rating {
    Rating {
        user_id: UserId::new(user).unwrap(),
        item_id: ItemId::new("film").unwrap(),
        score,
        timestamp: 1,
        context: Context::default(),
    }
}

fn publish(feed: &RatingFeed, user: &str, count: u32) {
    let ratings: Vec<_> = (0..count).map(|n| rating(user, f64::from(n % 11))).collect();
    feed.publish(ratings.iter());
}

fn subscribe(feed: &RatingFeed, start: Start) -> Subscription {
    feed.subscribe(start, Wanted::default()).unwrap()
}

async fn seqs(subscription: &mut Subscription, count: usize) -> Vec<u64> {
    let mut seqs = Vec::new();
    while seqs.len() < count {
        seqs.push(subscription.next().await.unwrap().position().seq);
    }
    seqs
}

#[tokio::test(start_paused = true)]
async fn a_reader_hears_of_what_comes_and_not_of_what_was() {
    let feed = RatingFeed::new(100, 1 << 20);
    publish(&feed, "ann", 2);
    let mut reader = subscribe(&feed, Start::Now);
    assert!(timeout(Duration::from_secs(60), reader.next()).await.is_err(), "nothing has come yet");
    publish(&feed, "bob", 2);
    assert_eq!(seqs(&mut reader, 2).await, [3, 4]);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_returns_goes_on_behind_its_last_event() {
    let feed = RatingFeed::new(100, 1 << 20);
    publish(&feed, "ann", 5);
    let mut reader = subscribe(&feed, Start::After(feed.shared.position(2)));
    assert_eq!(seqs(&mut reader, 3).await, [3, 4, 5]);
    assert_eq!(reader.position(), feed.shared.position(5));
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_is_told_how_many_it_missed_and_goes_on_with_what_is_left() {
    let feed = RatingFeed::new(10, 1 << 20);
    let mut reader = subscribe(&feed, Start::Now);
    publish(&feed, "ann", 1);
    assert_eq!(seqs(&mut reader, 1).await, [1]);
    publish(&feed, "ann", 25);
    let gap = FeedEvent::Gap { position: feed.shared.position(16), missed: 15, new_epoch: false };
    assert_eq!(reader.next().await, Some(gap));
    assert_eq!(seqs(&mut reader, 10).await, (17..=26).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_place_of_another_epoch_is_a_gap_then_all_that_is_held() {
    let feed = RatingFeed::new(3, 1 << 20);
    publish(&feed, "ann", 5);
    let elsewhere = Position { epoch: feed.shared.epoch ^ 1, seq: 3 };
    let mut reader = subscribe(&feed, Start::After(elsewhere));
    let gap = FeedEvent::Gap { position: feed.shared.position(2), missed: 2, new_epoch: true };
    assert_eq!(reader.next().await, Some(gap));
    assert_eq!(seqs(&mut reader, 3).await, [3, 4, 5]);
}

#[tokio::test]
async fn a_place_that_is_yet_to_come_is_refused() {
    let feed = RatingFeed::new(3, 1 << 20);
    publish(&feed, "ann", 1);
    let asked = feed.shared.position(2);
    let refused = feed.subscribe(Start::After(asked), Wanted::default()).unwrap_err();
    assert_eq!(refused, PositionAhead { asked, newest: feed.shared.position(1) });
}

#[tokio::test(start_paused = true)]
async fn a_filter_passes_over_other_ratings_and_the_place_moves_on_with_them() {
    let feed = RatingFeed::new(1000, 1 << 20);
    let wanted = Wanted { user_id: Some(UserId::new("bob").unwrap()), item_id: None };
    let mut reader = feed.subscribe(Start::Now, wanted).unwrap();
    publish(&feed, "ann", 300);
    publish(&feed, "bob", 1);
    publish(&feed, "ann", 300);
    assert_eq!(seqs(&mut reader, 1).await, [301]);
    assert!(timeout(Duration::from_secs(1), reader.next()).await.is_err());
    assert_eq!(reader.position().seq, 601);
}

#[tokio::test(start_paused = true)]
async fn an_ended_feed_gives_what_is_left_and_then_the_end() {
    let feed = RatingFeed::new(10, 1 << 20);
    let mut reader = subscribe(&feed, Start::Now);
    publish(&feed, "ann", 2);
    feed.end();
    assert_eq!(seqs(&mut reader, 2).await, [1, 2]);
    assert_eq!(reader.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_hook_is_called_for_every_rating_until_the_end() {
    let feed = RatingFeed::new(1000, 1 << 20);
    let sum = Arc::new(AtomicU64::new(0));
    let hook = RatingHook::start(subscribe(&feed, Start::Now), {
        let sum = Arc::clone(&sum);
        move |event| {
            let _ = sum.fetch_add(event.position().seq, Ordering::Relaxed);
        }
    });
    publish(&feed, "ann", 100);
    feed.end();
    hook.finished().await;
    assert_eq!(sum.load(Ordering::Relaxed), 5050);
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_panics_is_called_no_more_and_harms_nobody() {
    let feed = RatingFeed::new(1000, 1 << 20);
    let calls = Arc::new(AtomicU64::new(0));
    let hook = RatingHook::start(subscribe(&feed, Start::Now), {
        let calls = Arc::clone(&calls);
        move |_| {
            let _ = calls.fetch_add(1, Ordering::Relaxed);
            panic!("a bug of the embedding program");
        }
    });
    publish(&feed, "ann", 3);
    hook.finished().await;
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    publish(&feed, "ann", 1);
    assert_eq!(seqs(&mut subscribe(&feed, Start::After(feed.shared.position(3))), 1).await, [4]);
}
