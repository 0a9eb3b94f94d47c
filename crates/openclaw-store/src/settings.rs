//! What an operator may choose about the store, each with its default and why.

use std::time::Duration;

use crate::rating::ScoreScale;

/// The store's settings; [`StoreSettings::default`] suits one service on one machine.
#[derive(Debug, Clone, PartialEq)]
pub struct StoreSettings {
    /// The range of scores and its histogram bins: 0 to 10 in 11 bins.
    pub scale: ScoreScale,
    /// How many ratings of average score the Bayesian average adds to every item: 10.
    ///
    /// An item's Bayesian average is `(n · m + sum) / (n + count)`, with `n` this number and `m` the mean
    /// of all current ratings, so an item with one rating is not the best of all.
    pub prior_ratings: u32,
    /// How many ratings may wait for the writer before further ones are refused: 65,536.
    ///
    /// Refusing at once keeps latency bounded; a queue that is longer than a second of the disk's work
    /// only turns overload into timeouts.
    pub queue_ratings_max: usize,
    /// How many ratings one commit may hold: 16,384. Bounds both the memory of a commit and how long
    /// whoever arrives during one waits.
    pub commit_ratings_max: usize,
    /// How long to wait between two attempts to write again after a failure: 1 s.
    pub retry_interval: Duration,
    /// Memory for blocks read from disk by the embedded store, in bytes: 64 MiB.
    pub cache_bytes: u64,
    /// How much of each kind of record is gathered in memory before it is written out sorted, in bytes:
    /// 8 MiB. Fixed when a store is created. More makes writing cheaper and start-up after a crash longer.
    pub memtable_bytes: u64,
    /// How many connections read from a database at a time: 8. One more writes.
    pub connections_max: u32,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            scale: ScoreScale::default(),
            prior_ratings: 10,
            queue_ratings_max: 65_536,
            commit_ratings_max: 16_384,
            retry_interval: Duration::from_secs(1),
            cache_bytes: 64 * 1024 * 1024,
            memtable_bytes: 8 * 1024 * 1024,
            connections_max: 8,
        }
    }
}

impl StoreSettings {
    /// Checks values that no store could work with.
    ///
    /// # Errors
    /// A sentence naming the first setting that is impossible.
    pub fn check(&self) -> Result<(), String> {
        if self.queue_ratings_max == 0 {
            return Err("queue_ratings_max must be at least 1".to_owned());
        }
        if self.commit_ratings_max == 0 {
            return Err("commit_ratings_max must be at least 1".to_owned());
        }
        if self.memtable_bytes < 4096 {
            return Err(format!("memtable_bytes must be at least 4096, not {}", self.memtable_bytes));
        }
        if self.connections_max == 0 {
            return Err("connections_max must be at least 1".to_owned());
        }
        if self.retry_interval.is_zero() {
            return Err("retry_interval must be longer than 0".to_owned());
        }
        Ok(())
    }
}
