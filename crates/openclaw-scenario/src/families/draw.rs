//! Drawing parameters that read well: rounded to a few decimals.
//!
//! Rounding also makes them the same everywhere: logarithms differ in their last bit between platforms, and
//! that bit is gone.

use std::ops::RangeInclusive;

use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// A source of parameters.
#[derive(Debug)]
pub(super) struct Draw(ChaCha8Rng);

impl Draw {
    pub(super) fn new(rng: ChaCha8Rng) -> Self {
        Self(rng)
    }

    /// Uniform in the range, rounded to so many decimals.
    pub(super) fn uniform(&mut self, range: RangeInclusive<f64>, decimals: i32) -> f64 {
        let (low, high) = range.into_inner();
        let value = low + (high - low) * self.0.random::<f64>();
        round(value, decimals).clamp(low, high)
    }

    /// Uniform in the logarithm: as likely between 10 and 20 as between 100 and 200.
    pub(super) fn log_uniform(&mut self, range: RangeInclusive<f64>, decimals: i32) -> f64 {
        let (low, high) = range.into_inner();
        let value = low * ((high / low).ln() * self.0.random::<f64>()).exp();
        round(value, decimals).clamp(low, high)
    }

    /// A whole number of the range, each as likely.
    pub(super) fn whole(&mut self, range: RangeInclusive<usize>) -> usize {
        self.0.random_range(range)
    }

    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.0.random_bool(probability)
    }

    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        items.shuffle(&mut self.0);
    }
}

/// To so many decimals.
pub(super) fn round(value: f64, decimals: i32) -> f64 {
    let scale = 10_f64.powi(decimals);
    (value * scale).round() / scale
}

/// To a count of at least `low`.
#[expect(clippy::cast_sign_loss, clippy::cast_possible_truncation, reason = "counts here are below 10,000")]
pub(super) fn count(value: f64, low: u32) -> u32 {
    (value.round() as u32).max(low)
}
