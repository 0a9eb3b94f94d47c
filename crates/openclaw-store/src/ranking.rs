//! The items in the orders that top lists ask for, kept in memory and never rebuilt by a write.
//!
//! The Bayesian average `(n · m + sum) / (n + count)` depends on the mean `m` of all ratings, so every rating
//! moves every item's value, and an index by value would be stale at once. But among items with the same count
//! the order by value is the order by sum, whatever `m` is. So items are kept by count and, within a count, by
//! sum; a page merges the counts' best entries under the `m` of the moment. The order of a page is exact. There
//! are at most √(2R) different counts among R ratings (their sum is at most R), so a page costs one look into each
//! of them, some 1,400 at a million ratings, and then its own entries: the number of items does not matter. The
//! mean is the same with `n = 0`.
//!
//! An index on disk, written with every commit, lost: each rating of an item would move the item in two more
//! sorted lists of a log-structured engine, for the sake of lists that are read far more seldom.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use crate::layout::{decode_tally, encode_tally};
use crate::rating::ScoreScale;
use crate::tally::{ItemStats, Tally, bayesian_average, mean};

/// The order of a list of items, always descending; ties go by ascending item id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ItemOrder {
    /// By [`ItemStats::bayesian_average`].
    BayesianAverage,
    /// By [`ItemStats::mean`].
    Mean,
    /// By [`ItemStats::count`].
    Count,
}

/// What an item is ordered by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum RankValue {
    BayesianAverage(f64),
    Mean(f64),
    Count(u64),
}

impl RankValue {
    pub(crate) fn order(self) -> ItemOrder {
        match self {
            Self::BayesianAverage(_) => ItemOrder::BayesianAverage,
            Self::Mean(_) => ItemOrder::Mean,
            Self::Count(_) => ItemOrder::Count,
        }
    }

    /// Ascending; values of two orders are never compared.
    fn compare(self, other: Self) -> Ordering {
        match (self, other) {
            (Self::BayesianAverage(a), Self::BayesianAverage(b)) | (Self::Mean(a), Self::Mean(b)) => {
                a.total_cmp(&b)
            }
            (Self::Count(a), Self::Count(b)) => a.cmp(&b),
            _ => Ordering::Equal,
        }
    }
}

/// How a value follows from a count and a sum at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measure {
    pub(crate) order: ItemOrder,
    /// The mean of all ratings.
    pub(crate) prior_mean: f64,
    pub(crate) prior_ratings: u32,
}

impl Measure {
    /// The value of an item; rises with the sum.
    pub(crate) fn value(&self, count: u64, sum_micros: i128) -> RankValue {
        match self.order {
            ItemOrder::BayesianAverage => RankValue::BayesianAverage(bayesian_average(
                count,
                sum_micros,
                self.prior_mean,
                self.prior_ratings,
            )),
            ItemOrder::Mean => RankValue::Mean(mean(count, sum_micros)),
            ItemOrder::Count => RankValue::Count(count),
        }
    }

    /// A sum that no item of this count exceeds whose value is at most this; a little too high rather than too
    /// low, so that rounding hides nobody.
    fn sum_ceiling(&self, count: u64, value: RankValue) -> i128 {
        let points = match value {
            RankValue::BayesianAverage(value) => {
                let prior = f64::from(self.prior_ratings);
                value * (prior + count as f64) - prior * self.prior_mean
            }
            RankValue::Mean(value) => value * count as f64,
            RankValue::Count(_) => return i128::MAX,
        };
        let micros = points * 1e6;
        let slack = 2.0 + micros.abs() * 1e-12;
        (micros + slack).ceil() as i128
    }
}

/// Where an item stands, and its tally as the engine keeps it: a few dozen bytes instead of a histogram.
#[derive(Debug)]
struct Standing {
    count: u64,
    sum_micros: i128,
    record: Box<[u8]>,
}

/// All items, in every order. Takes some 300 bytes per item beside its id.
#[derive(Debug, Default)]
pub(crate) struct Ranking {
    standings: HashMap<Arc<str>, Standing>,
    by_count: BTreeMap<u64, Class>,
}

/// The items of one count.
#[derive(Debug, Default)]
struct Class {
    by_sum: BTreeSet<(Reverse<i128>, Arc<str>)>,
    by_id: BTreeSet<Arc<str>>,
}

impl Ranking {
    /// Makes this the item's tally; without ratings, the item is not listed.
    pub(crate) fn set(&mut self, item_id: &str, tally: &Tally) {
        let id = match self.standings.remove_entry(item_id) {
            Some((id, old)) => {
                self.leave(&id, &old);
                id
            }
            None => Arc::from(item_id),
        };
        let count = tally.count();
        if count == 0 {
            return;
        }
        let class = self.by_count.entry(count).or_default();
        class.by_sum.insert((Reverse(tally.sum_micros), Arc::clone(&id)));
        class.by_id.insert(Arc::clone(&id));
        let record = encode_tally(tally).into_boxed_slice();
        self.standings.insert(id, Standing { count, sum_micros: tally.sum_micros, record });
    }

    fn leave(&mut self, id: &Arc<str>, old: &Standing) {
        let Some(class) = self.by_count.get_mut(&old.count) else { return };
        class.by_sum.remove(&(Reverse(old.sum_micros), Arc::clone(id)));
        class.by_id.remove(id);
        if class.by_id.is_empty() {
            self.by_count.remove(&old.count);
        }
    }

    /// The best items by this measure, after a place if one is given, at most `limit` of them.
    pub(crate) fn top(
        &self,
        measure: &Measure,
        after: Option<(RankValue, &str)>,
        limit: usize,
    ) -> Vec<Arc<str>> {
        let place = after.map(|(value, id)| Head { value, id });
        match measure.order {
            ItemOrder::Count => self.top_by_count(place, limit),
            ItemOrder::BayesianAverage | ItemOrder::Mean => self.top_by_value(measure, place, limit),
        }
    }

    fn top_by_count(&self, place: Option<Head<'_>>, limit: usize) -> Vec<Arc<str>> {
        let most = match place {
            Some(Head { value: RankValue::Count(count), .. }) => count,
            _ => u64::MAX,
        };
        let classes = self.by_count.range(..=most).rev();
        let ids = classes.flat_map(|(&count, class)| {
            let from = match place {
                Some(head) if count == most => Bound::Excluded(head.id),
                _ => Bound::Unbounded,
            };
            class.by_id.range::<str, _>((from, Bound::Unbounded))
        });
        ids.take(limit).cloned().collect()
    }

    fn top_by_value(&self, measure: &Measure, place: Option<Head<'_>>, limit: usize) -> Vec<Arc<str>> {
        let mut heads: BinaryHeap<Walk<'_>> =
            self.by_count.iter().filter_map(|(&count, class)| class.walk(count, measure, place)).collect();
        let mut ids = Vec::with_capacity(limit.min(self.standings.len()));
        while ids.len() < limit {
            let Some(mut best) = heads.pop() else { break };
            ids.push(Arc::from(best.head.id));
            if let Some((Reverse(sum_micros), id)) = best.walk.next() {
                best.head = Head { value: measure.value(best.count, *sum_micros), id };
                heads.push(best);
            }
        }
        ids
    }

    /// The statistics of a listed item.
    pub(crate) fn stats(&self, id: &str, all: &Tally, scale: &ScoreScale, prior: u32) -> Option<ItemStats> {
        decode_tally(&self.standings.get(id)?.record)?.stats(all, scale, prior)
    }
}

impl Class {
    /// The items of this class after a place, best first; `None` where there are none.
    fn walk(&self, count: u64, measure: &Measure, place: Option<Head<'_>>) -> Option<Walk<'_>> {
        let ceiling = place.map_or(i128::MAX, |place| measure.sum_ceiling(count, place.value));
        let from: (Reverse<i128>, Arc<str>) = (Reverse(ceiling), Arc::from(""));
        let mut walk = self.by_sum.range(from..);
        loop {
            let (Reverse(sum_micros), id) = walk.next()?;
            let head = Head { value: measure.value(count, *sum_micros), id };
            if place.is_none_or(|place| head < place) {
                return Some(Walk { head, count, walk });
            }
        }
    }
}

/// An item in an order; the greater comes first.
#[derive(Debug, Clone, Copy)]
struct Head<'a> {
    value: RankValue,
    id: &'a str,
}

impl Ord for Head<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.value.compare(other.value).then_with(|| other.id.cmp(self.id))
    }
}

impl PartialOrd for Head<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Head<'_> {}

/// The items of one count from some place on, best first.
struct Walk<'a> {
    head: Head<'a>,
    count: u64,
    walk: std::collections::btree_set::Range<'a, (Reverse<i128>, Arc<str>)>,
}

impl Ord for Walk<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.head.cmp(&other.head)
    }
}

impl PartialOrd for Walk<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Walk<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Walk<'_> {}

#[cfg(test)]
mod tests;
