//! The two numbers of a bucket, checked once so that no later arithmetic has to be.
//!
//! Both are `f64`, because controllers compute them and a rounding to whole tokens would
//! make a slow user's limit jump. Bounds, not saturation: a value outside them is almost
//! always a unit error (tokens per minute, bytes per day), and the caller should hear of it.

use thiserror::Error;

/// The greatest capacity a bucket may have, in tokens (2^32).
pub const CAPACITY_MAX: f64 = 4_294_967_296.0;

/// The greatest refill rate a bucket may have, in tokens per second (2^30, about one each nanosecond).
pub const REFILL_RATE_MAX: f64 = 1_073_741_824.0;

/// The least capacity that holds anything, 2^-20 token: the unit in which buckets count.
const CAPACITY_MIN: f64 = 1.0 / 1_048_576.0;

/// The slowest refill that is one, 2^-55 token per second: a token in a billion years.
const REFILL_RATE_MIN: f64 = 1.0 / 36_028_797_018_963_968.0;

/// Capacity and refill rate of one bucket; valid by construction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BucketParams {
    capacity: f64,
    refill_rate: f64,
}

impl BucketParams {
    /// A bucket that holds at most `capacity` tokens and gains `refill_rate` tokens per second.
    ///
    /// Zero is a legal value for both: a bucket without capacity allows nothing, one without
    /// refill allows its capacity once. What is too small to ever count, a capacity below 2^-20 token or a
    /// refill rate below 2^-55 token per second, is zero.
    ///
    /// # Errors
    /// [`InvalidParams`] where a number is not finite, negative, or above [`CAPACITY_MAX`] or
    /// [`REFILL_RATE_MAX`].
    pub const fn new(capacity: f64, refill_rate: f64) -> Result<Self, InvalidParams> {
        // NaN fails every comparison, so it is refused here too.
        if !(capacity >= 0.0 && capacity <= CAPACITY_MAX) {
            return Err(InvalidParams::Capacity { given: capacity });
        }
        if !(refill_rate >= 0.0 && refill_rate <= REFILL_RATE_MAX) {
            return Err(InvalidParams::RefillRate { given: refill_rate });
        }
        // This turns -0.0, which passes the comparisons above, into +0.0 too.
        Ok(Self {
            capacity: if capacity < CAPACITY_MIN { 0.0 } else { capacity },
            refill_rate: if refill_rate < REFILL_RATE_MIN { 0.0 } else { refill_rate },
        })
    }

    /// Numbers that passed [`new`](Self::new) before they were stored.
    #[inline]
    pub(crate) const fn trusted(capacity: f64, refill_rate: f64) -> Self {
        Self { capacity, refill_rate }
    }

    /// The most tokens the bucket can hold.
    #[must_use]
    pub const fn capacity(self) -> f64 {
        self.capacity
    }

    /// Tokens gained per second.
    #[must_use]
    pub const fn refill_rate(self) -> f64 {
        self.refill_rate
    }
}

/// Why a pair of numbers is not a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
pub enum InvalidParams {
    /// The capacity is not a number in `0..=CAPACITY_MAX`.
    #[error("bucket capacity {given} is not a number of tokens between 0 and {CAPACITY_MAX}")]
    Capacity {
        /// The value as given.
        given: f64,
    },
    /// The refill rate is not a number in `0..=REFILL_RATE_MAX`.
    #[error("refill rate {given} is not a number of tokens per second between 0 and {REFILL_RATE_MAX}")]
    RefillRate {
        /// The value as given.
        given: f64,
    },
}
