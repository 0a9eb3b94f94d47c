//! The ratings as they are accepted, for whoever wants to hear of them: `GET /ratings/stream` and
//! [`on_rating`](crate::RatingService::on_rating) read the same feed.
//!
//! Publishing puts a rating into a bounded ring and never waits; readers come for it in their own time. Who is too
//! slow finds the ring ahead of its place and is told how many ratings it missed. `tokio::sync::broadcast` would tell
//! the same, but can neither be read from an earlier place, which resuming needs, nor be bounded in bytes;
//! `docs/adr/0012-one-ring-for-followers.md` has the rest.

mod hook;
mod position;
mod ring;
mod subscription;

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;

use openclaw_collector::Clock;
use openclaw_protocol::{ItemId, Rating, UserId};
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::watch;
use utoipa::ToSchema;

pub use hook::RatingHook;
pub use position::{InvalidPosition, Position};
pub use subscription::{Subscription, Wanted};

use crate::metering::FeedMeters;
use ring::Ring;

/// A rating that was acknowledged.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AcceptedRating {
    /// Who rated.
    pub user_id: UserId,
    /// What was rated.
    pub item_id: ItemId,
    /// The score.
    pub score: f64,
    /// When, in ms since the epoch; of two ratings of one user and item the one with the newer timestamp is current.
    pub timestamp: u64,
}

impl AcceptedRating {
    /// Memory that it occupies, in bytes: itself, and its ids with their reference counts.
    fn bytes(&self) -> usize {
        const COUNTS: usize = 2 * size_of::<usize>();
        size_of::<Self>() + self.user_id.len() + self.item_id.len() + 2 * COUNTS
    }
}

impl From<&Rating> for AcceptedRating {
    fn from(rating: &Rating) -> Self {
        Self {
            user_id: rating.user_id.clone(),
            item_id: rating.item_id.clone(),
            score: rating.score,
            timestamp: rating.timestamp,
        }
    }
}

/// What a reader of the feed is told.
#[derive(Clone, Debug, PartialEq)]
pub enum FeedEvent {
    /// A rating was accepted.
    Rating {
        /// Its place.
        position: Position,
        /// The rating.
        rating: AcceptedRating,
    },
    /// Ratings were missed.
    Gap {
        /// The place of the last one missed: reading goes on behind it.
        position: Position,
        /// How many ratings of this epoch were missed, whoever gave them and whatever for.
        missed: u64,
        /// Whether the reader's place was of another epoch, the service's or another instance's; then how many
        /// ratings were missed of that one is unknown.
        new_epoch: bool,
    },
}

impl FeedEvent {
    /// The event's place: reading goes on behind it.
    #[must_use]
    pub fn position(&self) -> Position {
        match self {
            Self::Rating { position, .. } | Self::Gap { position, .. } => *position,
        }
    }
}

/// Where a reader begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the next rating to be accepted.
    Now,
    /// Behind this place; a place of another epoch begins with the oldest rating that is still held.
    After(Position),
}

/// A place that no event had yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{asked} is a place that this stream has not reached; its newest is {newest}")]
pub struct PositionAhead {
    /// Where reading was to begin.
    pub asked: Position,
    /// The newest event's place.
    pub newest: Position,
}

/// The accepted ratings of one service; clones share them.
#[derive(Clone, Debug)]
pub struct RatingFeed {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    epoch: u64,
    ring: Mutex<Ring>,
    /// How far the feed has got. Readers wait here.
    news: watch::Sender<News>,
    meters: FeedMeters,
}

#[derive(Clone, Copy, Debug)]
struct News {
    /// The number of the next rating to come.
    next: u64,
    ended: bool,
}

impl RatingFeed {
    /// A feed that holds the last `events_max` ratings, of at most `bytes_max` bytes together.
    #[must_use]
    pub fn new(events_max: usize, bytes_max: usize) -> Self {
        // Unlike any other start's and instance's: the time tells apart what the random number does not.
        let epoch = RandomState::new().hash_one(Clock::unix_ms());
        let shared = Shared {
            epoch,
            ring: Mutex::new(Ring::new(events_max, bytes_max)),
            news: watch::Sender::new(News { next: 1, ended: false }),
            meters: FeedMeters::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Reads from `start` on the ratings that `wanted` picks.
    ///
    /// # Errors
    /// [`PositionAhead`] where no event has had that place yet.
    pub fn subscribe(&self, start: Start, wanted: Wanted) -> Result<Subscription, PositionAhead> {
        Subscription::new(Arc::clone(&self.shared), start, wanted)
    }

    /// Reads what is accepted from now on of what `wanted` picks.
    #[must_use]
    pub fn from_now(&self, wanted: Wanted) -> Subscription {
        Subscription::from_now(Arc::clone(&self.shared), wanted)
    }

    /// Tells all readers of these ratings, in this order. Waits for none of them.
    pub(crate) fn publish<'a>(&self, ratings: impl Iterator<Item = &'a Rating>) {
        let mut count = 0;
        let next = {
            let mut ring = self.shared.ring.lock();
            for rating in ratings {
                ring.push(rating.into());
                count += 1;
            }
            ring.next()
        };
        self.shared.meters.published.increment(count);
        self.shared.news.send_if_modified(|news| {
            // Who published later may get here earlier.
            let is_news = news.next < next;
            news.next = news.next.max(next);
            is_news
        });
    }

    /// Takes back what `user_id` rated: readers who come for it later find it no more, and miss nothing.
    pub(crate) fn take_back(&self, user_id: &str) {
        self.shared.ring.lock().take_back(user_id);
    }

    /// Ends the feed: readers get what is left, then the end.
    pub(crate) fn end(&self) {
        self.shared.news.send_modify(|news| news.ended = true);
    }
}

impl Shared {
    fn position(&self, seq: u64) -> Position {
        Position { epoch: self.epoch, seq }
    }
}

#[cfg(test)]
mod tests;
