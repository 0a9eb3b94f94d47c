//! What one commit is about to change: each rating sees the ones before it, kept or not yet.
//!
//! Ratings of one commit often hit the same items. Staging writes each item's tally once per commit
//! instead of once per rating, and what all ratings add up to once in any case. It is the same for every
//! backend, so that they cannot disagree about which rating wins.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::error::ReadError;
use crate::layout::Mark;
use crate::queue::{Incoming, PutJob};
use crate::rating::{Put, ScoreScale};
use crate::tally::{Tally, TallyChange};

/// What is kept at the moment, read for one commit.
pub(crate) trait Kept {
    /// The current rating of this pair.
    fn mark(&self, user_id: &str, item_id: &str) -> Result<Option<Mark>, ReadError>;
    /// The tally of an item; `None` where it has none.
    fn tally(&self, item_id: &str) -> Result<Option<Tally>, ReadError>;
}

/// Changes gathered for one commit.
pub(crate) struct Staging<'a, K> {
    kept: &'a K,
    scale: ScoreScale,
    /// The current rating of every pair that changes.
    pub(crate) marks: HashMap<(&'a str, &'a str), Mark>,
    /// The tally of every item that changes.
    pub(crate) tallies: HashMap<&'a str, Tally>,
    /// What the changes do to the tally of all ratings.
    pub(crate) totals: TallyChange,
    pub(crate) stored: u64,
    pub(crate) superseded: u64,
}

impl<'a, K: Kept> Staging<'a, K> {
    /// Nothing staged yet over what is kept.
    pub(crate) fn new(kept: &'a K, scale: ScoreScale) -> Self {
        Self {
            kept,
            scale,
            marks: HashMap::new(),
            tallies: HashMap::new(),
            totals: TallyChange::none(&scale),
            stored: 0,
            superseded: 0,
        }
    }

    /// Stages batches in their order. Returns what becomes of each rating.
    pub(crate) fn put_all(&mut self, jobs: &'a [PutJob]) -> Result<Vec<Vec<Put>>, ReadError> {
        jobs.iter().map(|job| job.ratings.iter().map(|rating| self.put(rating)).collect()).collect()
    }

    /// Stages one rating: the newest timestamp wins, a tie goes to the later arrival.
    fn put(&mut self, rating: &'a Incoming) -> Result<Put, ReadError> {
        let Incoming { user_id, item_id, mark } = rating;
        let pair = (user_id.as_str(), item_id.as_str());
        let current = match self.marks.get(&pair) {
            Some(&staged) => Some(staged),
            None => self.kept.mark(user_id, item_id)?,
        };
        if current.is_some_and(|current| current.timestamp_ms > mark.timestamp_ms) {
            self.superseded += 1;
            return Ok(Put::Superseded);
        }
        let tally = match self.tallies.entry(item_id) {
            Entry::Occupied(staged) => staged.into_mut(),
            Entry::Vacant(vacant) => {
                let kept = self.kept.tally(item_id)?;
                vacant.insert(kept.unwrap_or_else(|| Tally::empty(&self.scale)))
            }
        };
        if let Some(current) = current {
            tally.remove(current.score, &self.scale);
            self.totals.remove(current.score, &self.scale);
        }
        tally.add(mark.score, &self.scale);
        self.totals.add(mark.score, &self.scale);
        self.marks.insert(pair, *mark);
        self.stored += 1;
        Ok(Put::Stored)
    }
}
