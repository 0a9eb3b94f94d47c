//! What one commit is about to change: each rating sees the ones before it, on disk or not yet.
//!
//! Ratings of one commit often hit the same items. Staging writes each item's tally once per commit
//! instead of once per rating, and the tally of all ratings once in any case.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::engine::Engine;
use crate::error::ReadError;
use crate::layout::Mark;
use crate::queue::Incoming;
use crate::rating::{Put, ScoreScale};
use crate::tally::Tally;

/// Why nothing was committed.
pub(crate) enum CommitError {
    /// Something could not be read, before anything was written.
    Read(ReadError),
    /// Writing or syncing failed; the engine takes no more writes.
    Write(fjall::Error),
}

impl From<ReadError> for CommitError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

impl From<fjall::Error> for CommitError {
    fn from(error: fjall::Error) -> Self {
        Self::Write(error)
    }
}

/// Changes gathered for one commit.
pub(crate) struct Staging<'a> {
    engine: &'a Engine,
    scale: ScoreScale,
    /// The current rating of every pair that changes.
    marks: HashMap<(&'a str, &'a str), Mark>,
    tallies: HashMap<&'a str, Tally>,
    totals: Tally,
    pub(crate) stored: u64,
    pub(crate) superseded: u64,
}

impl<'a> Staging<'a> {
    /// Nothing staged yet over what the engine holds.
    pub(crate) fn new(engine: &'a Engine, scale: ScoreScale) -> Result<Self, ReadError> {
        let totals = engine.totals()?;
        Ok(Self {
            engine,
            scale,
            marks: HashMap::new(),
            tallies: HashMap::new(),
            totals,
            stored: 0,
            superseded: 0,
        })
    }

    /// Stages one rating: the newest timestamp wins, a tie goes to the later arrival.
    pub(crate) fn put(&mut self, rating: &'a Incoming) -> Result<Put, ReadError> {
        let Incoming { user_id, item_id, mark } = rating;
        let pair = (user_id.as_str(), item_id.as_str());
        let current = match self.marks.get(&pair) {
            Some(&staged) => Some(staged),
            None => self.engine.mark(user_id, item_id)?,
        };
        if current.is_some_and(|current| current.timestamp_ms > mark.timestamp_ms) {
            self.superseded += 1;
            return Ok(Put::Superseded);
        }
        let tally = match self.tallies.entry(item_id) {
            Entry::Occupied(staged) => staged.into_mut(),
            Entry::Vacant(vacant) => {
                let on_disk = self.engine.tally(item_id)?;
                vacant.insert(on_disk.unwrap_or_else(|| Tally::empty(&self.scale)))
            }
        };
        for tally in [tally, &mut self.totals] {
            if let Some(current) = current {
                tally.remove(current.score, &self.scale);
            }
            tally.add(mark.score, &self.scale);
        }
        self.marks.insert(pair, *mark);
        self.stored += 1;
        Ok(Put::Stored)
    }

    /// Writes and syncs everything staged. Returns how many current ratings there are then.
    pub(crate) fn commit(self) -> Result<u64, CommitError> {
        if !self.marks.is_empty() {
            let mut commit = self.engine.commit();
            for ((user_id, item_id), mark) in &self.marks {
                commit.put_mark(user_id, item_id, *mark);
            }
            for (item_id, tally) in &self.tallies {
                commit.put_tally(item_id, tally);
            }
            commit.put_totals(&self.totals);
            commit.finish()?;
        }
        Ok(self.totals.count())
    }
}
