//! Counting everything anew, to hold the statistics kept against it.
//!
//! The recount uses nothing of what is kept incrementally: it walks both orders of the ratings, compares
//! them, and adds up scores itself. It is what tests, crash proofs and a doubtful operator ask.

use std::collections::BTreeMap;

use crate::cursor::List;
use crate::engine::Engine;
use crate::error::ReadError;
use crate::rating::ScoreScale;
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

impl Recount {
    fn differ(&mut self, what: impl FnOnce() -> String) {
        self.differences += 1;
        if self.described.len() < DESCRIBED_MAX {
            self.described.push(what());
        }
    }
}

/// Walks the whole store at one moment.
pub(crate) fn recount(engine: &Engine, scale: &ScoreScale) -> Result<Recount, ReadError> {
    let snapshot = engine.snapshot();
    let mut report = Recount::default();
    let mut counted: BTreeMap<String, Tally> = BTreeMap::new();
    let mut all = Tally::empty(scale);
    // Ratings by user, less those by item, as sums of hashes: equal multisets cancel out, and no order
    // of one need be brought into the order of the other.
    let mut balance = 0u128;
    for rating in engine.ratings(&snapshot, List::OfUser) {
        let (rating, score) = rating?;
        balance = balance.wrapping_add(fingerprint(&rating));
        all.add(score, scale);
        counted.entry(rating.item_id).or_insert_with(|| Tally::empty(scale)).add(score, scale);
        report.ratings += 1;
    }
    let mut by_item = 0;
    for rating in engine.ratings(&snapshot, List::OfItem) {
        balance = balance.wrapping_sub(fingerprint(&rating?.0));
        by_item += 1;
    }
    report.items = counted.len() as u64;
    if by_item != report.ratings {
        let by_user = report.ratings;
        report.differ(|| format!("{by_user} ratings by user but {by_item} by item"));
    } else if balance != 0 {
        report.differ(|| "the ratings by user are not those by item".to_owned());
    }
    if engine.totals_in(&snapshot)? != all {
        report.differ(|| "the totals are not those of all ratings".to_owned());
    }
    for kept in engine.tallies(&snapshot) {
        let (item_id, kept) = kept?;
        let counted = counted.remove(&item_id).unwrap_or_else(|| Tally::empty(scale));
        if kept != counted {
            report.differ(|| format!("item {item_id:?} keeps {kept:?} but counts {counted:?}"));
        }
    }
    for item_id in counted.into_keys() {
        report.differ(|| format!("item {item_id:?} keeps no statistics"));
    }
    Ok(report)
}

fn fingerprint(rating: &crate::rating::Rating) -> u128 {
    use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
    let hasher = BuildHasherDefault::<DefaultHasher>::default();
    let content = (&rating.user_id, &rating.item_id, rating.score.to_bits(), rating.timestamp_ms);
    u128::from(hasher.hash_one(content))
}
