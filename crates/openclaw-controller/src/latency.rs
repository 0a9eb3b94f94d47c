//! Latency quantiles over the last second, in bounded memory.
//!
//! Bins grow by 2^(1/16), so a quantile is off by at most 2.2 %: far less than the noise of a second's
//! samples. Exact samples would need memory that grows with the traffic.

use std::collections::VecDeque;

const BINS_PER_OCTAVE: f64 = 16.0;
/// Lower end of the first bin, in seconds.
const LOWEST_S: f64 = 5e-5;
/// 21 octaves: up to 105 s. The last bin also holds everything above, and the timeouts, which are infinite.
const BINS: usize = 21 * 16 + 1;

/// Counts of latencies by size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LatencyHistogram {
    counts: Box<[u32; BINS]>,
    total: u64,
}

impl Default for LatencyHistogram {
    fn default() -> Self {
        Self { counts: Box::new([0; BINS]), total: 0 }
    }
}

impl LatencyHistogram {
    /// Adds one latency in seconds; a timeout is `f64::INFINITY`, NaN is ignored.
    pub(crate) fn add(&mut self, latency_s: f64) {
        if latency_s.is_nan() {
            return;
        }
        self.counts[bin(latency_s)] += 1;
        self.total += 1;
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        if self.total > 0 {
            self.counts.fill(0);
            self.total = 0;
        }
    }

    /// How many latencies were added.
    #[must_use]
    pub(crate) fn total(&self) -> u64 {
        self.total
    }
}

fn bin(latency_s: f64) -> usize {
    if latency_s <= LOWEST_S {
        return 0;
    }
    let place = ((latency_s / LOWEST_S).log2() * BINS_PER_OCTAVE).floor();
    // `as` saturates: infinity lands in the last bin.
    (place as usize).min(BINS - 1)
}

/// The latency that stands for a bin: its geometric middle, infinity for the last.
fn middle_s(bin: usize) -> f64 {
    if bin == BINS - 1 {
        return f64::INFINITY;
    }
    LOWEST_S * ((bin as f64 + 0.5) / BINS_PER_OCTAVE).exp2()
}

/// The latencies of the last `slots` ticks.
#[derive(Clone, Debug)]
pub(crate) struct LatencyWindow {
    slots: VecDeque<LatencyHistogram>,
}

/// What a [`LatencyWindow`] says of its newest slots.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Quantiles {
    /// Number of samples.
    pub(crate) samples: u64,
    /// Median in seconds.
    pub(crate) p50_s: f64,
    /// 95th percentile in seconds.
    pub(crate) p95_s: f64,
    /// Fraction of samples over the SLO.
    pub(crate) late_fraction: f64,
}

impl LatencyWindow {
    /// A window of `slots` slots, the newest of them open.
    #[must_use]
    pub(crate) fn new(slots: usize) -> Self {
        Self { slots: (0..slots.max(1)).map(|_| LatencyHistogram::default()).collect() }
    }

    /// Adds a latency to the open slot, in seconds.
    pub(crate) fn add(&mut self, latency_s: f64) {
        if let Some(open) = self.slots.front_mut() {
            open.add(latency_s);
        }
    }

    /// Closes the open slot and opens a new one in the place of the oldest.
    pub(crate) fn turn(&mut self) {
        if let Some(mut oldest) = self.slots.pop_back() {
            oldest.clear();
            self.slots.push_front(oldest);
        }
    }

    /// Quantiles over the newest `slots` slots; `None` without samples.
    #[must_use]
    pub(crate) fn quantiles(&self, slots: usize, slo_s: f64) -> Option<Quantiles> {
        let newest = || self.slots.iter().take(slots);
        let samples: u64 = newest().map(LatencyHistogram::total).sum();
        if samples == 0 {
            return None;
        }
        // Added up slot by slot, which the compiler does many bins at a time, and walked once.
        let mut counts = [0_u32; BINS];
        for slot in newest() {
            counts.iter_mut().zip(slot.counts.iter()).for_each(|(sum, count)| *sum += count);
        }
        let reaching = |goal: u64| {
            let mut seen = 0;
            counts.iter().position(|&count| {
                seen += u64::from(count);
                seen >= goal
            })
        };
        let p50_s = reaching(samples.div_ceil(2)).map(middle_s);
        let p95_s = reaching((samples * 95).div_ceil(100)).map(middle_s);
        let in_time: u64 = counts[..=bin(slo_s)].iter().map(|&count| u64::from(count)).sum();
        Some(Quantiles {
            samples,
            p50_s: p50_s.unwrap_or(f64::INFINITY),
            p95_s: p95_s.unwrap_or(f64::INFINITY),
            late_fraction: 1.0 - in_time as f64 / samples as f64,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_empty_window_has_no_quantiles() {
        assert_eq!(LatencyWindow::new(10).quantiles(10, 0.2), None);
    }

    #[test]
    fn timeouts_make_the_tail_infinite() {
        let mut window = LatencyWindow::new(2);
        (0..90).for_each(|_| window.add(0.02));
        (0..10).for_each(|_| window.add(f64::INFINITY));
        let found = window.quantiles(2, 0.2).unwrap();
        assert!((found.p50_s / 0.02 - 1.0).abs() < 0.03);
        assert_eq!(found.p95_s, f64::INFINITY);
        assert!((found.late_fraction - 0.1).abs() < 1e-9);
    }

    #[test]
    fn a_slot_leaves_the_window_after_as_many_turns_as_there_are_slots() {
        let mut window = LatencyWindow::new(3);
        window.add(0.5);
        window.turn();
        window.turn();
        assert_eq!(window.quantiles(3, 0.2).unwrap().samples, 1);
        assert_eq!(window.quantiles(2, 0.2), None);
        window.turn();
        assert_eq!(window.quantiles(3, 0.2), None);
    }

    proptest! {
        #[test]
        fn quantiles_are_within_one_bin_of_the_exact_ones(
            mut latencies in proptest::collection::vec(1e-4..10.0_f64, 1..300), slo_s in 0.05..1.0_f64,
        ) {
            let mut window = LatencyWindow::new(1);
            latencies.iter().for_each(|&s| window.add(s));
            latencies.sort_by(f64::total_cmp);
            let found = window.quantiles(1, slo_s).unwrap();
            let n = latencies.len();
            let bin_width = (1.0 / BINS_PER_OCTAVE).exp2();
            for (quantile, exact) in [
                (found.p50_s, latencies[n.div_ceil(2) - 1]),
                (found.p95_s, latencies[(n * 95).div_ceil(100) - 1]),
            ] {
                prop_assert!(quantile / exact < bin_width && exact / quantile < bin_width);
            }
            let late = |slo: f64| latencies.iter().filter(|&&s| s > slo).count() as f64 / n as f64;
            prop_assert!(found.late_fraction <= late(slo_s / bin_width) + 1e-9);
            prop_assert!(found.late_fraction >= late(slo_s * bin_width) - 1e-9);
        }
    }
}
