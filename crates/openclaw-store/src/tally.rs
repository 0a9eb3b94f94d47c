//! Statistics that are kept by adding and removing single ratings, and always equal a recount.
//!
//! Everything is an integer: removing a rating undoes adding it exactly, in any order. A running mean in
//! floats lost, because it drifts from a recount and the drift cannot be told from damage.

use crate::rating::{Micros, ScoreScale};

/// What the current ratings of one item (or of all items) add up to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// The sum of the scores, in millionths.
    pub(crate) sum_micros: i128,
    /// How many ratings fall into each bin; their sum is the number of ratings.
    pub(crate) histogram: Vec<u64>,
}

/// What a commit does to a tally, where others may change it at the same time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TallyChange {
    pub(crate) sum_micros: i128,
    histogram: Vec<i64>,
}

/// What readers see of an item's ratings.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemStats {
    /// How many users have a current rating of the item; at least 1.
    pub count: u64,
    /// The mean score.
    pub mean: f64,
    /// The mean pulled toward the mean of all ratings, strongly while there are few ratings.
    pub bayesian_average: f64,
    /// How many ratings fall into each bin of the store's scale, lowest scores first.
    pub histogram: Vec<u64>,
}

impl Tally {
    /// No ratings on a scale of this many bins.
    pub(crate) fn empty(scale: &ScoreScale) -> Self {
        Self { sum_micros: 0, histogram: vec![0; scale.bins()] }
    }

    /// Counts one rating.
    pub(crate) fn add(&mut self, score: Micros, scale: &ScoreScale) {
        self.sum_micros += i128::from(score.0);
        if let Some(bin) = self.histogram.get_mut(scale.bin_of(score)) {
            *bin += 1;
        }
    }

    /// Takes back one rating that was added before.
    pub(crate) fn remove(&mut self, score: Micros, scale: &ScoreScale) {
        self.sum_micros -= i128::from(score.0);
        if let Some(bin) = self.histogram.get_mut(scale.bin_of(score)) {
            *bin = bin.saturating_sub(1);
        }
    }

    /// Makes the changes of a commit.
    pub(crate) fn apply(&mut self, change: &TallyChange) {
        self.sum_micros += change.sum_micros;
        for (bin, change) in self.histogram.iter_mut().zip(&change.histogram) {
            *bin = bin.saturating_add_signed(*change);
        }
    }

    /// How many ratings are counted.
    pub(crate) fn count(&self) -> u64 {
        self.histogram.iter().sum()
    }

    /// The mean score; `None` without ratings.
    pub(crate) fn mean(&self) -> Option<f64> {
        match self.count() {
            0 => None,
            count => Some(mean(count, self.sum_micros)),
        }
    }

    /// The statistics as readers see them, given the tally of all ratings; `None` without ratings.
    pub(crate) fn stats(&self, all: &Tally, scale: &ScoreScale, prior_ratings: u32) -> Option<ItemStats> {
        self.stats_beside(all.mean().unwrap_or_else(|| scale.midpoint()), prior_ratings)
    }

    /// The statistics as readers see them, given the mean of all ratings; `None` without ratings.
    pub(crate) fn stats_beside(&self, prior_mean: f64, prior_ratings: u32) -> Option<ItemStats> {
        let mean = self.mean()?;
        let count = self.count();
        Some(ItemStats {
            count,
            mean,
            bayesian_average: bayesian_average(count, self.sum_micros, prior_mean, prior_ratings),
            histogram: self.histogram.clone(),
        })
    }
}

impl TallyChange {
    /// Changes nothing.
    pub(crate) fn none(scale: &ScoreScale) -> Self {
        Self { sum_micros: 0, histogram: vec![0; scale.bins()] }
    }

    /// Counts one rating more.
    pub(crate) fn add(&mut self, score: Micros, scale: &ScoreScale) {
        self.count(score, scale, 1);
    }

    /// Counts one rating less.
    pub(crate) fn remove(&mut self, score: Micros, scale: &ScoreScale) {
        self.count(score, scale, -1);
    }

    fn count(&mut self, score: Micros, scale: &ScoreScale, times: i64) {
        self.sum_micros += i128::from(score.0) * i128::from(times);
        if let Some(bin) = self.histogram.get_mut(scale.bin_of(score)) {
            *bin += times;
        }
    }

    /// How many ratings more there are.
    pub(crate) fn ratings(&self) -> i64 {
        self.histogram.iter().sum()
    }
}

/// The mean of ratings that add up to this; `count` is at least 1.
pub(crate) fn mean(count: u64, sum_micros: i128) -> f64 {
    // Micros of a mean fit 53 bits for every scale in use; the division is the only rounding.
    sum_micros as f64 / count as f64 / 1e6
}

/// The mean with so many ratings of the mean of all added.
///
/// Plain operations, no fused one: a database that sorts by the same formula then gets the same bits.
pub(crate) fn bayesian_average(count: u64, sum_micros: i128, prior_mean: f64, prior_ratings: u32) -> f64 {
    let prior = f64::from(prior_ratings);
    (prior * prior_mean + sum_micros as f64 / 1e6) / (prior + count as f64)
}

#[cfg(test)]
mod tests {
    use super::Tally;
    use crate::rating::{Micros, ScoreScale};

    #[test]
    fn removing_undoes_adding_exactly() {
        let scale = ScoreScale::default();
        let mut tally = Tally::empty(&scale);
        tally.add(Micros(3_300_000), &scale);
        let before = tally.clone();
        tally.add(Micros(9_999_999), &scale);
        tally.remove(Micros(9_999_999), &scale);
        assert_eq!(tally, before);
    }

    #[test]
    fn bayesian_average_lies_between_the_mean_of_all_and_the_item_mean() {
        let scale = ScoreScale::default();
        let (mut item, mut all) = (Tally::empty(&scale), Tally::empty(&scale));
        for score in [2_000_000, 4_000_000] {
            all.add(Micros(score), &scale);
        }
        item.add(Micros(10_000_000), &scale);
        all.add(Micros(10_000_000), &scale);
        let stats = item.stats(&all, &scale, 3).unwrap();
        // All ratings: mean 16/3. Three of them beside the one 10: (16 + 10) / 4.
        assert!((stats.bayesian_average - 6.5).abs() < 1e-12);
        assert_eq!((stats.count, stats.mean), (1, 10.0));
    }

    #[test]
    fn items_without_ratings_have_no_statistics() {
        let scale = ScoreScale::default();
        let empty = Tally::empty(&scale);
        assert_eq!(empty.stats(&empty, &scale, 10), None);
    }
}
