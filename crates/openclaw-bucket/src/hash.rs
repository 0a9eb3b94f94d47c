//! The keyed hash that stands for a key's text.
//!
//! SipHash-1-3, as in the standard library's maps, but with the seed as an argument. Faster
//! hashes lost: a key *is* its hash here, so whoever could find two texts with one hash could share, and
//! drain, another user's bucket. With a secret seed that takes guessing: among a million keys the odds
//! that any two collide are one in 37 million, among ten million one in 370,000.

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};

use siphasher::sip::SipHasher13;

/// Hashes keys under a secret seed.
#[derive(Clone)]
pub(crate) struct KeyHash(SipHasher13);

impl KeyHash {
    pub(crate) fn new(seed: HashSeed) -> Self {
        Self(SipHasher13::new_with_keys(seed.0[0], seed.0[1]))
    }

    #[inline]
    pub(crate) fn of(&self, key: &[u8]) -> u64 {
        self.0.hash(key)
    }
}

impl fmt::Debug for KeyHash {
    // It holds the seed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash(secret)")
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

impl fmt::Debug for HashSeed {
    // A seed in a log would undo its purpose.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashSeed(secret)")
    }
}
