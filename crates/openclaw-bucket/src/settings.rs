//! What a table of buckets is told once, when it is made.

use crate::{BucketParams, HashSeed, Pages};

/// How a [`KeyedBuckets`](crate::KeyedBuckets) is set up.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Parameters of every key that has none of its own; live-changeable later.
    pub defaults: BucketParams,
    /// The most keys remembered at once.
    pub keys_max: usize,
    /// Secret of the key hash.
    pub seed: HashSeed,
    /// What the table's memory is asked for in.
    pub pages: Pages,
}

impl Settings {
    /// Settings for a table of at most `keys_max` keys.
    #[must_use]
    pub const fn new(defaults: BucketParams, keys_max: usize, seed: HashSeed) -> Self {
        Self { defaults, keys_max, seed, pages: Pages::Huge }
    }

    /// The same with another kind of pages.
    #[must_use]
    pub const fn with_pages(self, pages: Pages) -> Self {
        Self { pages, ..self }
    }
}
