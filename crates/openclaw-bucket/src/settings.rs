//! What a table of buckets is told once, when it is made.

use std::hash::{BuildHasher, Hasher, RandomState};

use crate::BucketParams;

/// How a [`KeyedBuckets`](crate::KeyedBuckets) is set up.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Parameters of every key that has none of its own; live-changeable later.
    pub defaults: BucketParams,
    /// The most keys remembered at once.
    pub keys_max: usize,
    /// Secret of the key hash.
    pub seed: HashSeed,
}

impl Settings {
    /// Settings for a table of at most `keys_max` keys.
    #[must_use]
    pub const fn new(defaults: BucketParams, keys_max: usize, seed: HashSeed) -> Self {
        Self { defaults, keys_max, seed }
    }
}

/// The secret that keys the hash, so that nobody outside can choose keys that collide.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HashSeed(pub(crate) [u64; 2]);

impl HashSeed {
    /// A seed from 128 bits the caller vouches for; the same seed gives the same table.
    #[must_use]
    pub const fn new(bits: [u64; 2]) -> Self {
        Self(bits)
    }

    /// A seed from the operating system's randomness, as the standard library's hash maps draw it.
    ///
    /// For services. A simulation passes its own with [`HashSeed::new`].
    #[must_use]
    pub fn random() -> Self {
        let draw = |word: u64| {
            let mut hasher = RandomState::new().build_hasher();
            hasher.write_u64(word);
            hasher.finish()
        };
        Self([draw(0), draw(1)])
    }
}

impl std::fmt::Debug for HashSeed {
    // A seed in a log would undo its purpose.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HashSeed(secret)")
    }
}
