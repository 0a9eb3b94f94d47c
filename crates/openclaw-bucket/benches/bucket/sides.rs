//! What is measured: ours, governor, and a table that only does one compare-and-swap per key.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};

use governor::{Quota, RateLimiter};
use openclaw_bucket::{BucketParams, HashSeed, KeyedBuckets, Settings};
use siphasher::sip::SipHasher13;

use crate::key::Key;

/// A limiter under test. Each call reads the clock, as a service would.
pub(crate) trait Side: Sync {
    fn decide(&self, key: Key) -> bool;
    /// Changes one key's parameters, where that can be done.
    fn change(&self, _key: Key, _step: u32) {}
}

/// A burst that no run exhausts, so that every call is allowed: a refusal would spare the write.
const CAPACITY: f64 = 4e9;
const REFILL_RATE: f64 = 400.0;

/// Ours.
pub(crate) struct Ours {
    buckets: KeyedBuckets,
    clock: quanta::Clock,
}

fn wide() -> BucketParams {
    BucketParams::new(CAPACITY, REFILL_RATE).expect("constants in range")
}

impl Ours {
    /// Every key at the defaults.
    pub(crate) fn at_defaults(keys: u32) -> Self {
        let seed = HashSeed::random();
        let buckets = KeyedBuckets::new(Settings::new(wide(), keys as usize, seed));
        let ours = Self { buckets, clock: quanta::Clock::new() };
        for key in 0..keys {
            ours.decide(Key::new(key));
        }
        ours
    }

    /// Every key with parameters of its own.
    pub(crate) fn assigned(keys: u32) -> Self {
        let ours = Self::at_defaults(keys);
        for key in 0..keys {
            ours.change(Key::new(key), key);
        }
        ours
    }

    fn now_ns(&self) -> u64 {
        self.clock.delta_as_nanos(0, self.clock.raw())
    }

    pub(crate) fn keys(&self) -> usize {
        self.buckets.len()
    }
}

impl Side for Ours {
    #[inline]
    fn decide(&self, key: Key) -> bool {
        self.buckets.try_acquire_bytes(&key.bytes(), 1.0, self.now_ns()).is_allowed()
    }

    fn change(&self, key: Key, step: u32) {
        let params =
            BucketParams::new(CAPACITY - f64::from(step % 1000), REFILL_RATE).expect("constants in range");
        self.buckets.set_params_bytes(&key.bytes(), params, self.now_ns()).expect("room for every key");
    }
}

/// The widely used limiter, with its default store, hasher and clock.
pub(crate) struct Governor<K: Eq + std::hash::Hash + Clone>(governor::DefaultKeyedRateLimiter<K>);

impl<K: Eq + std::hash::Hash + Clone> Governor<K> {
    pub(crate) fn new() -> Self {
        let burst = NonZeroU32::new(CAPACITY as u32).expect("not zero");
        let quota =
            Quota::per_second(NonZeroU32::new(REFILL_RATE as u32).expect("not zero")).allow_burst(burst);
        Self(RateLimiter::keyed(quota))
    }

    pub(crate) fn check(&self, key: &K) -> bool {
        self.0.check_key(key).is_ok()
    }

    pub(crate) fn keys(&self) -> usize {
        self.0.len()
    }
}

impl Governor<Key> {
    pub(crate) fn with_keys(keys: u32) -> Self {
        let governor = Self::new();
        for key in 0..keys {
            governor.decide(Key::new(key));
        }
        governor
    }
}

impl Side for Governor<Key> {
    #[inline]
    fn decide(&self, key: Key) -> bool {
        self.check(&key)
    }
}

/// The floor: hash the key, find its slot, read the clock, exchange one word.
pub(crate) struct Bare {
    slots: Box<[[AtomicU64; 2]]>,
    lines: u64,
    hash: SipHasher13,
    clock: quanta::Clock,
}

impl Bare {
    /// As full as our table, four slots a line instead of two.
    pub(crate) fn with_keys(keys: u32) -> Self {
        let lines = (u64::from(keys) * 160 / 100).div_ceil(4).max(1);
        let slots = (0..lines * 4 + 256).map(|_| Default::default()).collect();
        let bare = Self { slots, lines, hash: SipHasher13::new_with_keys(1, 2), clock: quanta::Clock::new() };
        for key in 0..keys {
            bare.decide(Key::new(key));
        }
        bare
    }
}

impl Side for Bare {
    #[inline]
    fn decide(&self, key: Key) -> bool {
        let hash = self.hash.hash(&key.bytes()).max(1);
        let home = ((u128::from(hash) * u128::from(self.lines)) >> 64) as usize * 4;
        for [fingerprint, word] in &self.slots[home..home + 256] {
            let mut found = fingerprint.load(Ordering::Acquire);
            if found == 0 {
                found = match fingerprint.compare_exchange(0, hash, Ordering::AcqRel, Ordering::Acquire) {
                    Ok(_) => hash,
                    Err(other) => other,
                };
            }
            if found == hash {
                let now = self.clock.delta_as_nanos(0, self.clock.raw());
                let mut old = word.load(Ordering::Acquire);
                while let Err(current) =
                    word.compare_exchange_weak(old, now, Ordering::AcqRel, Ordering::Acquire)
                {
                    old = current;
                }
                return true;
            }
        }
        false
    }
}
