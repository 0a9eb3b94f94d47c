//! One reader of the feed: a place in the ring, and a handful of ratings copied from there.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use openclaw_protocol::{ItemId, UserId};
use tokio::sync::watch;

use super::{AcceptedRating, FeedEvent, News, Position, PositionAhead, Shared, Start};

/// Ratings looked at while the ring is locked: some microseconds, for which acknowledgements may have to wait.
const LOOK_MAX: usize = 128;

/// How long a reader that has caught up leaves the feed alone after news, so that waking it costs a busy service at
/// most a hundred times a second and not once per rating.
const GATHER: Duration = Duration::from_millis(10);

/// Which ratings a reader wants: those of one user, of one item, of both, or all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Only this user's.
    pub user_id: Option<UserId>,
    /// Only of this item.
    pub item_id: Option<ItemId>,
}

impl Wanted {
    /// Whether this rating is wanted.
    #[must_use]
    pub fn picks(&self, rating: &AcceptedRating) -> bool {
        self.user_id.as_ref().is_none_or(|user| *user == rating.user_id)
            && self.item_id.as_ref().is_none_or(|item| *item == rating.item_id)
    }
}

/// A reader of the feed. It costs nobody anything but its own memory, which is bounded, however slow it is.
#[derive(Debug)]
pub struct Subscription {
    feed: Arc<Shared>,
    news: watch::Receiver<News>,
    wanted: Wanted,
    /// The number to look from.
    next: u64,
    gap: Option<FeedEvent>,
    found: VecDeque<(u64, AcceptedRating)>,
}

impl Subscription {
    pub(super) fn from_now(feed: Arc<Shared>, wanted: Wanted) -> Self {
        let next = feed.ring.lock().next();
        let news = feed.news.subscribe();
        Self { feed, news, wanted, next, gap: None, found: VecDeque::new() }
    }

    pub(super) fn new(feed: Arc<Shared>, start: Start, wanted: Wanted) -> Result<Self, PositionAhead> {
        let mut this = Self::from_now(feed, wanted);
        let Start::After(asked) = start else { return Ok(this) };
        if asked.epoch != this.feed.epoch {
            let oldest = this.feed.ring.lock().oldest();
            let (position, missed) = (this.feed.position(oldest - 1), oldest - 1);
            this.gap = Some(FeedEvent::Gap { position, missed, new_epoch: true });
            this.next = oldest;
        } else if asked.seq >= this.next {
            return Err(PositionAhead { asked, newest: this.feed.position(this.next - 1) });
        } else {
            this.next = asked.seq + 1;
        }
        Ok(this)
    }

    /// The next event; none once the feed has ended. A future that is dropped loses nothing.
    pub async fn next(&mut self) -> Option<FeedEvent> {
        loop {
            if let Some(event) = self.ready() {
                return Some(event);
            }
            if self.news.borrow_and_update().ended {
                // Whatever was published before the end is in the ring.
                return self.ready();
            }
            let next = self.next;
            // The feed's end of the channel lives in `self.feed`.
            let _ = self.news.wait_for(|news| news.next > next || news.ended).await;
            tokio::time::sleep(GATHER).await;
        }
    }

    /// The next event, where there is one already.
    pub(crate) fn ready(&mut self) -> Option<FeedEvent> {
        loop {
            if let Some(gap) = self.gap.take() {
                return Some(gap);
            }
            if let Some((seq, rating)) = self.found.pop_front() {
                return Some(FeedEvent::Rating { position: self.feed.position(seq), rating });
            }
            let scan = self.feed.ring.lock().scan(self.next, LOOK_MAX, |rating| self.wanted.picks(rating));
            if scan.next == self.next {
                return None;
            }
            if scan.missed > 0 {
                self.feed.meters.missed.increment(scan.missed);
                let position = self.feed.position(self.next + scan.missed - 1);
                self.gap = Some(FeedEvent::Gap { position, missed: scan.missed, new_epoch: false });
            }
            self.next = scan.next;
            self.found = scan.found.into();
        }
    }

    /// The place up to which everything was handed out: further than the last event where ratings that nobody wanted
    /// came after it.
    #[must_use]
    pub fn position(&self) -> Position {
        let waiting = self.found.front().map_or(self.next, |(seq, _)| *seq);
        self.feed.position(waiting - 1)
    }
}
