//! Users who rate at the same time as fast as they are answered, single ratings and batches, until the service
//! is gone.

use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;

use serde_json::{Value, json};

use crate::support::PATIENCE;
use crate::support::http::{Reply, try_post};

const WRITERS: u64 = 6;
const ITEMS: u64 = 50;
/// How far apart the timestamps of two lives are, in ms.
const ROUND_MS: u64 = 1_000_000_000;

/// An acknowledged rating.
pub(super) struct Rated {
    pub(super) user_id: String,
    pub(super) item_id: String,
    pub(super) timestamp_ms: u64,
}

pub(super) struct Writers {
    threads: Vec<JoinHandle<()>>,
    acknowledgements: Receiver<Vec<Rated>>,
    known: std::cell::RefCell<Vec<Rated>>,
}

/// Everybody who ever rates.
pub(super) fn users() -> impl Iterator<Item = String> {
    (0..WRITERS).map(user)
}

fn user(writer: u64) -> String {
    format!("user-{writer}")
}

/// The score that goes with a timestamp, so that a mangled rating can be told from a good one.
pub(super) fn score_at(timestamp_ms: u64) -> f64 {
    (timestamp_ms * 7 % 101) as f64 / 10.0
}

impl Writers {
    pub(super) fn begin(url: &str, round: u64) -> Self {
        let (sender, acknowledgements) = mpsc::channel();
        let start = |writer| {
            let (url, sender) = (format!("{url}/ratings"), sender.clone());
            std::thread::spawn(move || write_until_gone(&url, writer, round * ROUND_MS, &sender))
        };
        Self { threads: (0..WRITERS).map(start).collect(), acknowledgements, known: Vec::new().into() }
    }

    /// Waits for so many acknowledged ratings.
    pub(super) fn wait_until_acknowledged(&self, ratings: usize) {
        let mut known = self.known.borrow_mut();
        while known.len() < ratings {
            known.extend(self.acknowledgements.recv_timeout(PATIENCE).expect("acknowledgements go on"));
        }
    }

    /// Waits until all have noticed that the service is gone; returns everything it acknowledged.
    pub(super) fn end(self) -> Vec<Rated> {
        for thread in self.threads {
            thread.join().expect("a writer saw nothing but what it expects");
        }
        let mut known = self.known.into_inner();
        known.extend(self.acknowledgements.try_iter().flatten());
        known
    }
}

/// Posts until the connection fails; an answer that did not arrive whole acknowledges nothing.
fn write_until_gone(url: &str, writer: u64, first_ms: u64, acknowledged: &Sender<Vec<Rated>>) {
    for number in 1.. {
        let ratings = ratings(writer, number, first_ms);
        let body = match &ratings[..] {
            [single] => rating_json(single),
            batch => batch.iter().map(rating_json).collect(),
        };
        let Ok(reply) = try_post(url, body.to_string()) else { return };
        // Nothing is refused here but by a database that was killed: guard and limits are out of the way.
        if reply.status >= 500 && reply.text().contains("database") {
            return;
        }
        check_whole(&reply, ratings.len());
        // Nobody listens once the proof has what it wants; then the kill is near.
        let _ = acknowledged.send(ratings);
    }
}

/// Nothing is refused here: guard and limits are out of the way. A 503 would be a finding too.
fn check_whole(reply: &Reply, ratings: usize) {
    assert_eq!(reply.status, 201, "{}", reply.text());
    if ratings > 1 {
        assert_eq!(reply.json()["stored"], ratings, "{}", reply.text());
    }
}

/// The ratings of a writer's post: singles from every other writer, else batches of up to 20. Items come round
/// again and again, and every fifth post is older than what its item has already.
fn ratings(writer: u64, number: u64, first_ms: u64) -> Vec<Rated> {
    let size = if writer.is_multiple_of(2) { 1 } else { 2 + number % 19 };
    let is_late = number.is_multiple_of(5) && number > 2 * ITEMS;
    let timestamp_ms = first_ms + if is_late { number - 2 * ITEMS } else { number };
    let rated = |index| Rated {
        user_id: user(writer),
        item_id: format!("item-{}", (number + index) * (writer + 1) % ITEMS),
        timestamp_ms,
    };
    (0..size).map(rated).collect()
}

fn rating_json(rated: &Rated) -> Value {
    json!({
        "userId": rated.user_id,
        "itemId": rated.item_id,
        "score": score_at(rated.timestamp_ms),
        "timestamp": rated.timestamp_ms,
    })
}
