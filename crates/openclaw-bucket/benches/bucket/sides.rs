//! The limiters that are measured: ours and governor.

use std::num::NonZeroU32;

use governor::{Quota, RateLimiter};
use openclaw_bucket::{BucketParams, HashSeed, KeyedBuckets, Settings};

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
