//! What one commit is about to change: each rating sees the ones before it, kept or not yet.
//!
//! Ratings of one commit often hit the same items. Staging writes each item's tally once per commit
//! instead of once per rating, and what all ratings add up to once in any case. It is the same for every
//! backend, so that they cannot disagree about which rating wins.
//!
//! Ratings are taken in the order of the keys they have on disk, once by user and once by item: a sorted engine finds
//! and inserts neighbours several times faster than keys from anywhere, because its path to them is in the
//! processor's caches. Maps by pair and by item lost to that by a third of a commit's time.

use std::cmp::Ordering;

use crate::error::ReadError;
use crate::layout::{Mark, compare_pairs};
use crate::queue::{Incoming, PutJob};
use crate::rating::{Put, ScoreScale};
use crate::tally::{Tally, TallyChange};

/// What is kept at the moment, read for one commit.
pub(crate) trait Kept {
    /// The current ratings of these pairs of a user and an item, one for each, in their order.
    fn marks(&self, pairs: &[(&str, &str)]) -> Result<Vec<Option<Mark>>, ReadError>;
    /// The tally of an item; `None` where it has none.
    fn tally(&self, item_id: &str) -> Result<Option<Tally>, ReadError>;
}

/// Changes gathered for one commit.
pub(crate) struct Staging<'a> {
    /// Every pair that changes, ordered by user and then by item, as the keys of its ratings by user are.
    pub(crate) by_user: Vec<Change<'a>>,
    /// The places of the same changes, ordered by item and then by user.
    pub(crate) by_item: Vec<usize>,
    /// The tally of every item that changes.
    pub(crate) tallies: Vec<(&'a str, Tally)>,
    /// What the changes do to the tally of all ratings.
    pub(crate) totals: TallyChange,
    /// What becomes of each batch's ratings.
    pub(crate) puts: Vec<Vec<Put>>,
    pub(crate) stored: u64,
    pub(crate) superseded: u64,
}

/// A pair whose current rating changes.
pub(crate) struct Change<'a> {
    pub(crate) user_id: &'a str,
    pub(crate) item_id: &'a str,
    /// The rating that was current before the commit.
    before: Option<Mark>,
    /// The rating that is current after it.
    pub(crate) mark: Mark,
}

/// A rating and the places of its batch and of itself in that.
struct Arrival<'a> {
    rating: &'a Incoming,
    batch: usize,
    place: usize,
}

impl<'a> Staging<'a> {
    /// Stages batches, later ones over earlier ones, over what is kept.
    pub(crate) fn of(jobs: &'a [PutJob], kept: &impl Kept, scale: &ScoreScale) -> Result<Self, ReadError> {
        let mut staging = Self {
            by_user: Vec::new(),
            by_item: Vec::new(),
            tallies: Vec::new(),
            totals: TallyChange::none(scale),
            puts: jobs.iter().map(|job| vec![Put::Superseded; job.ratings.len()]).collect(),
            stored: 0,
            superseded: 0,
        };
        staging.settle_pairs(jobs, kept)?;
        staging.count_items(kept, scale)?;
        Ok(staging)
    }

    /// Decides what becomes of each rating: the newest timestamp wins, a tie goes to the later arrival.
    fn settle_pairs(&mut self, jobs: &'a [PutJob], kept: &impl Kept) -> Result<(), ReadError> {
        let mut arrivals: Vec<Arrival<'a>> = jobs.iter().enumerate().flat_map(arrivals).collect();
        // Stable: ratings of one pair stay in the order of their arrival.
        arrivals.sort_by(Arrival::compare_pairs);
        let by_pair = || arrivals.chunk_by(|a, b| a.compare_pairs(b).is_eq());
        let pairs: Vec<_> = by_pair().map(|of_pair| of_pair[0].pair()).collect();
        let marks = kept.marks(&pairs)?;
        self.by_user.reserve_exact(pairs.len());
        for ((of_pair, (user_id, item_id)), before) in by_pair().zip(pairs).zip(marks) {
            let (mut current, mut changed) = (before, None);
            for Arrival { rating, batch, place } in of_pair {
                if current.is_some_and(|current| current.timestamp_ms > rating.mark.timestamp_ms) {
                    self.superseded += 1;
                    continue;
                }
                current = Some(rating.mark);
                changed = current;
                self.puts[*batch][*place] = Put::Stored;
                self.stored += 1;
            }
            self.by_user.extend(changed.map(|mark| Change { user_id, item_id, before, mark }));
        }
        Ok(())
    }

    /// Brings the changes into the order of the items and into their tallies.
    fn count_items(&mut self, kept: &impl Kept, scale: &ScoreScale) -> Result<(), ReadError> {
        let changes = &self.by_user;
        self.by_item.extend(0..changes.len());
        self.by_item.sort_unstable_by(|&a, &b| changes[a].compare_by_item(&changes[b]));
        for of_item in self.by_item.chunk_by(|&a, &b| changes[a].item_id == changes[b].item_id) {
            let item_id = changes[of_item[0]].item_id;
            let mut tally = kept.tally(item_id)?.unwrap_or_else(|| Tally::empty(scale));
            for Change { before, mark, .. } in of_item.iter().map(|&place| &changes[place]) {
                if let Some(before) = before {
                    tally.remove(before.score, scale);
                    self.totals.remove(before.score, scale);
                }
                tally.add(mark.score, scale);
                self.totals.add(mark.score, scale);
            }
            self.tallies.push((item_id, tally));
        }
        Ok(())
    }

    /// The changes ordered by item and then by user.
    pub(crate) fn changes_by_item(&self) -> impl Iterator<Item = &Change<'a>> {
        self.by_item.iter().map(|&place| &self.by_user[place])
    }
}

impl Change<'_> {
    fn compare_by_item(&self, other: &Self) -> Ordering {
        compare_pairs((self.item_id, self.user_id), (other.item_id, other.user_id))
    }
}

impl<'a> Arrival<'a> {
    fn pair(&self) -> (&'a str, &'a str) {
        (&self.rating.user_id, &self.rating.item_id)
    }

    fn compare_pairs(&self, other: &Self) -> Ordering {
        compare_pairs(self.pair(), other.pair())
    }
}

fn arrivals((batch, job): (usize, &PutJob)) -> impl Iterator<Item = Arrival<'_>> {
    job.ratings.iter().enumerate().map(move |(place, rating)| Arrival { rating, batch, place })
}
