//! Counting everything anew, to hold the statistics kept against it.
//!
//! The recount uses nothing of what is kept incrementally: it walks both orders of the ratings, compares
//! them, and adds up scores itself. It is what tests, crash proofs and a doubtful operator ask.

use std::collections::BTreeMap;

use crate::cursor::List;
use crate::engine::Engine;
use crate::error::ReadError;
use crate::rating::{Micros, ScoreScale};
use crate::tally::Tally;

/// How many differences a recount describes before it only counts them.
const DESCRIBED_MAX: usize = 20;

/// What a recount found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recount {
    /// Current ratings.
    pub ratings: u64,
    /// Items with at least one rating.
    pub items: u64,
    /// How many differences there are between what is kept and what is counted; 0 in a sound store.
    pub differences: u64,
    /// The first twenty differences in words.
    pub described: Vec<String>,
}

/// A count in progress: first every rating, then what is kept beside it.
pub(crate) struct Count {
    report: Recount,
    scale: ScoreScale,
    counted: BTreeMap<String, Tally>,
    all: Tally,
}

impl Count {
    pub(crate) fn new(scale: ScoreScale) -> Self {
        Self { report: Recount::default(), scale, counted: BTreeMap::new(), all: Tally::empty(&scale) }
    }

    /// Counts one rating.
    pub(crate) fn rating(&mut self, item_id: String, score: Micros) {
        self.all.add(score, &self.scale);
        let tally = self.counted.entry(item_id).or_insert_with(|| Tally::empty(&self.scale));
        tally.add(score, &self.scale);
        self.report.ratings += 1;
        self.report.items = self.counted.len() as u64;
    }

    /// Holds the kept totals against the count.
    pub(crate) fn compare_totals(&mut self, ratings: u64, sum_micros: i128) {
        if (ratings, sum_micros) != (self.all.count(), self.all.sum_micros) {
            self.differ(|| "the totals are not those of all ratings".to_owned());
        }
    }

    /// Holds an item's kept statistics against the count; every kept item comes once.
    pub(crate) fn compare_item(&mut self, item_id: String, kept: &Tally) {
        let counted = self.counted.remove(&item_id).unwrap_or_else(|| Tally::empty(&self.scale));
        if *kept != counted {
            self.differ(|| format!("item {item_id:?} keeps {kept:?} but counts {counted:?}"));
        }
    }

    /// The report, once everything that is kept was compared.
    pub(crate) fn finish(mut self) -> Recount {
        for item_id in std::mem::take(&mut self.counted).into_keys() {
            self.differ(|| format!("item {item_id:?} keeps no statistics"));
        }
        self.report
    }

    fn differ(&mut self, what: impl FnOnce() -> String) {
        self.report.differences += 1;
        if self.report.described.len() < DESCRIBED_MAX {
            self.report.described.push(what());
        }
    }
}

/// Walks the whole embedded store at one moment.
pub(crate) fn recount(engine: &Engine, scale: &ScoreScale) -> Result<Recount, ReadError> {
    let snapshot = engine.snapshot();
    let mut count = Count::new(*scale);
    // Ratings by user, less those by item, as sums of hashes: equal multisets cancel out, and no order
    // of one need be brought into the order of the other.
    let mut balance = 0u128;
    for rating in engine.ratings(&snapshot, List::OfUser) {
        let (rating, score) = rating?;
        balance = balance.wrapping_add(fingerprint(&rating));
        count.rating(rating.item_id, score);
    }
    let mut by_item = 0;
    for rating in engine.ratings(&snapshot, List::OfItem) {
        balance = balance.wrapping_sub(fingerprint(&rating?.0));
        by_item += 1;
    }
    let by_user = count.report.ratings;
    if by_item != by_user {
        count.differ(|| format!("{by_user} ratings by user but {by_item} by item"));
    } else if balance != 0 {
        count.differ(|| "the ratings by user are not those by item".to_owned());
    }
    let totals = engine.totals_in(&snapshot)?;
    if totals != count.all {
        count.differ(|| "the totals are not those of all ratings".to_owned());
    }
    for kept in engine.tallies(&snapshot)? {
        let (item_id, kept) = kept?;
        count.compare_item(item_id, &kept);
    }
    Ok(count.finish())
}

fn fingerprint(rating: &crate::rating::Rating) -> u128 {
    use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
    let hasher = BuildHasherDefault::<DefaultHasher>::default();
    let content = (&rating.user_id, &rating.item_id, rating.score.to_bits(), rating.timestamp_ms);
    u128::from(hasher.hash_one(content))
}
