//! The operator's bounds: whatever a controller says, a bucket stays inside them.

use openclaw_protocol::BucketPolicy;

/// Lowest and highest values of a user's bucket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// Lowest capacity, in tokens. Below one token nobody is ever admitted.
    pub bucket_size_min: f64,
    /// Highest capacity, in tokens.
    pub bucket_size_max: f64,
    /// Lowest refill rate, in tokens per second.
    pub refill_rate_min: f64,
    /// Highest refill rate, in tokens per second.
    pub refill_rate_max: f64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { bucket_size_min: 1.2, bucket_size_max: 1e6, refill_rate_min: 0.05, refill_rate_max: 1e6 }
    }
}

impl Bounds {
    /// The nearest policy inside the bounds. NaN becomes the lowest value: a broken number admits little, but
    /// never locks anyone out.
    #[must_use]
    pub fn clamp(&self, policy: BucketPolicy) -> BucketPolicy {
        BucketPolicy {
            bucket_size: clamp(policy.bucket_size, self.bucket_size_min, self.bucket_size_max),
            refill_rate: clamp(policy.refill_rate, self.refill_rate_min, self.refill_rate_max),
        }
    }
}

fn clamp(value: f64, min: f64, max: f64) -> f64 {
    // `f64::max` returns the other argument for NaN.
    value.max(min).min(max)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn nothing_leaves_the_bounds(bucket_size in any::<f64>(), refill_rate in any::<f64>()) {
            let bounds = Bounds::default();
            let policy = bounds.clamp(BucketPolicy { bucket_size, refill_rate });
            prop_assert!((bounds.bucket_size_min..=bounds.bucket_size_max).contains(&policy.bucket_size));
            prop_assert!((bounds.refill_rate_min..=bounds.refill_rate_max).contains(&policy.refill_rate));
        }
    }
}
