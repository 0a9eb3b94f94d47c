//! The keyed hash that stands for a key's text.
//!
//! A key *is* its hash here, so two texts with one hash would share a bucket, and whoever could find such
//! a pair could drain another user's. Hence a hash whose odds are proven: multilinear hashing, in which every
//! eight bytes are multiplied by a secret 128-bit number of their own and the upper half of the sum is
//! kept. Any two different keys, however cleverly chosen without the seed, collide with probability 2^-64
//! exactly (Lemire and Kaser, "Strongly universal string hashing is fast", 2014). Among a million keys the
//! odds that any two do are one in 37 million, among ten million one in 370,000.
//!
//! SipHash lost: slower, and no proof. Unkeyed or weakly keyed mixers lost: no odds at all.

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};

use siphasher::sip::SipHasher13;

/// Keys up to this many bytes are hashed with the proven odds; longer ones by SipHash.
const PROVEN_BYTES: usize = 256;
/// A summand, a factor for the length, and one for each block of eight bytes.
const SECRETS: usize = 2 + PROVEN_BYTES / 8;

/// Hashes keys under a secret seed.
#[derive(Clone)]
pub(crate) struct KeyHash {
    secrets: [u128; SECRETS],
    long: SipHasher13,
}

impl KeyHash {
    pub(crate) fn new(seed: HashSeed) -> Self {
        let long = SipHasher13::new_with_keys(seed.0[0], seed.0[1]);
        // Inputs of nine bytes and more than 256 are told apart by their length, which SipHash takes in.
        let draw = |index: usize, half: u8| {
            let mut input = [half; 9];
            input[..8].copy_from_slice(&(index as u64).to_le_bytes());
            u128::from(long.hash(&input))
        };
        let secrets = std::array::from_fn(|index| draw(index, 0) << 64 | draw(index, 1));
        Self { secrets, long }
    }

    #[inline(always)]
    pub(crate) fn of(&self, key: &[u8]) -> u64 {
        if key.len() > PROVEN_BYTES {
            return self.long.hash(key);
        }
        let [summand, for_length, for_blocks @ ..] = &self.secrets;
        let mut sum = summand.wrapping_add(for_length.wrapping_mul(key.len() as u128));
        let mut add =
            |factor: &u128, block: u64| sum = sum.wrapping_add(factor.wrapping_mul(u128::from(block)));
        let (blocks, rest) = key.as_chunks::<8>();
        for (factor, block) in for_blocks.iter().zip(blocks) {
            add(factor, u64::from_le_bytes(*block));
        }
        if !rest.is_empty() {
            // The index is in range: 31 whole blocks at most come before a rest.
            add(&for_blocks[blocks.len()], last_block(key, rest));
        }
        (sum >> 64) as u64
    }
}

/// The last block of a key that does not end with a whole one; given the length, no two keys share it.
#[inline(always)]
fn last_block(key: &[u8], rest: &[u8]) -> u64 {
    // A longer key's last eight bytes overlap the block before: quicker than copying the rest.
    if let Some(block) = key.last_chunk::<8>() {
        return u64::from_le_bytes(*block);
    }
    if let (Some(first), Some(last)) = (rest.first_chunk::<4>(), rest.last_chunk::<4>()) {
        return u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << 32;
    }
    let byte = |index: usize| u64::from(rest[index]);
    byte(0) | byte(rest.len() / 2) << 8 | byte(rest.len() - 1) << 16
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

#[cfg(all(test, not(loom)))]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn keys_that_differ_in_one_byte_or_in_length_differ_in_hash() {
        let hash = KeyHash::new(HashSeed::new([1, 2]));
        let mut seen = HashSet::new();
        for length in 0..300 {
            let mut key = vec![0_u8; length];
            assert!(seen.insert(hash.of(&key)), "zeros of length {length}");
            for index in 0..length {
                key[index] = 1;
                assert!(seen.insert(hash.of(&key)), "byte {index} of {length}");
                key[index] = 0;
            }
        }
    }

    #[test]
    fn another_seed_gives_other_hashes() {
        let [one, two] = [[1, 2], [1, 3]].map(|seed| KeyHash::new(HashSeed::new(seed)).of(b"user-1"));
        assert_ne!(one, two);
    }

    #[test]
    fn neither_seed_nor_secrets_are_shown() {
        assert_eq!(format!("{:?}", KeyHash::new(HashSeed::new([1, 2]))), "KeyHash(secret)");
        assert_eq!(format!("{:?}", HashSeed::new([1, 2])), "HashSeed(secret)");
    }
}
