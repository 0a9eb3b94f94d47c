//! Latencies by size, for quantiles within 0.8 %: the upper bits of a float are a logarithmic bin of their own, so that
//! adding one costs a shift instead of a logarithm.

/// Bits of the mantissa that tell bins apart: 64 bins an octave.
const MANTISSA_BITS: u32 = 6;
const SHIFT: u32 = 52 - MANTISSA_BITS;
/// The lowest latency told apart, 2^-20 s (about 1 µs), as its bin.
const LOWEST: u64 = (1023 - 20) << MANTISSA_BITS;
/// 30 octaves, up to 1024 s.
const BINS: usize = 30 << MANTISSA_BITS;

/// Counts of latencies by size.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    counts: Box<[u32; BINS]>,
    /// Those that never came back included.
    total: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: Box::new([0; BINS]), total: 0 }
    }
}

impl Histogram {
    /// Adds a latency in seconds; infinity for what never came back.
    pub(crate) fn add(&mut self, latency_s: f64) {
        self.total += 1;
        if latency_s.is_infinite() {
            return;
        }
        let bin = (latency_s.to_bits() >> SHIFT).saturating_sub(LOWEST);
        self.counts[(bin as usize).min(BINS - 1)] += 1;
    }

    /// Adds all of another.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (own, more) in self.counts.iter_mut().zip(other.counts.iter()) {
            *own += more;
        }
        self.total += other.total;
    }

    pub(crate) fn clear(&mut self) {
        if self.total > 0 {
            *self.counts = [0; BINS];
            self.total = 0;
        }
    }

    /// The latency at a fraction of the samples in seconds, infinity where it never came; `None` without samples.
    pub(crate) fn quantile_s(&self, fraction: f64) -> Option<f64> {
        let rank = ((self.total as f64 * fraction).ceil() as u64).max(1);
        if self.total == 0 {
            return None;
        }
        let mut seen = 0;
        for (bin, count) in self.counts.iter().enumerate() {
            seen += u64::from(*count);
            if seen >= rank {
                return Some(middle_s(bin));
            }
        }
        Some(f64::INFINITY)
    }
}

fn middle_s(bin: usize) -> f64 {
    let bits = ((bin as u64 + LOWEST) << SHIFT) | 1 << (SHIFT - 1);
    f64::from_bits(bits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_never_came_back_lies_above_everything() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile_s(0.5), None);
        (0..94).for_each(|_| histogram.add(0.02));
        (0..6).for_each(|_| histogram.add(f64::INFINITY));
        assert!((histogram.quantile_s(0.94).unwrap() / 0.02 - 1.0).abs() < 0.008);
        assert_eq!(histogram.quantile_s(0.95), Some(f64::INFINITY));
        histogram.clear();
        assert_eq!(histogram.quantile_s(0.5), None);
    }

    proptest! {
        #[test]
        fn quantiles_are_within_a_bin_of_the_exact_ones(
            mut latencies in proptest::collection::vec(1e-5..100.0_f64, 1..200), fraction in 0.01..1.0_f64,
        ) {
            let mut histogram = Histogram::default();
            latencies.iter().for_each(|s| histogram.add(*s));
            latencies.sort_by(f64::total_cmp);
            let rank = (latencies.len() as f64 * fraction).ceil() as usize;
            let exact = latencies[rank.max(1) - 1];
            let found = histogram.quantile_s(fraction).unwrap();
            prop_assert!((found / exact - 1.0).abs() < 0.008, "{found} {exact}");
        }
    }
}
