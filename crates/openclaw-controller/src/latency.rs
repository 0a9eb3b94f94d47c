//! Latency quantiles over the last second, in bounded memory.
//!
//! Bins grow by 2^(1/16), so a quantile is off by at most 2.2 %: far less than the noise of a second's
//! samples. Exact samples would need memory that grows with the traffic.
//!
//! Quantiles are asked for at every tick, latencies come in between: each histogram also counts by octave and what is
//! late, and the window keeps the sum of its slots, so that a quantile looks at some forty numbers and not at all bins of
//! all slots.

use std::collections::VecDeque;
use std::sync::LazyLock;

const BINS_PER_OCTAVE: f64 = 16.0;
/// Lower end of the first bin, in seconds.
const LOWEST_S: f64 = 5e-5;
/// 21 octaves: up to 105 s. The last bin also holds everything above, and the timeouts, which are infinite.
const BINS: usize = OCTAVE * (OCTAVES - 1) + 1;
/// Bins of an octave.
const OCTAVE: usize = 16;
/// Octaves; of the last one only the first bin is used.
const OCTAVES: usize = 22;

/// Counts of latencies by size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LatencyHistogram {
    counts: Box<[[u32; OCTAVE]; OCTAVES]>,
    octaves: [u32; OCTAVES],
    total: u64,
    /// Of them, those over the SLO.
    late: u64,
}

impl Default for LatencyHistogram {
    fn default() -> Self {
        Self { counts: Box::new([[0; OCTAVE]; OCTAVES]), octaves: [0; OCTAVES], total: 0, late: 0 }
    }
}

impl LatencyHistogram {
    fn add(&mut self, bin: usize, late: bool) {
        self.counts[bin / OCTAVE][bin % OCTAVE] += 1;
        self.octaves[bin / OCTAVE] += 1;
        self.total += 1;
        self.late += u64::from(late);
    }

    /// Takes out what is also in `part`, and empties that.
    fn take_out(&mut self, part: &mut Self) {
        for (octave, gone) in part.octaves.iter_mut().enumerate().filter(|(_, gone)| **gone > 0) {
            self.octaves[octave] -= std::mem::take(gone);
            let gone = std::mem::take(&mut part.counts[octave]);
            self.counts[octave].iter_mut().zip(gone).for_each(|(count, gone)| *count -= gone);
        }
        self.total -= std::mem::take(&mut part.total);
        self.late -= std::mem::take(&mut part.late);
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

/// [`middle_s`] of every bin.
static MIDDLES_S: LazyLock<[f64; BINS]> = LazyLock::new(|| std::array::from_fn(middle_s));

/// The latencies of the last `slots` ticks.
#[derive(Clone, Debug)]
pub(crate) struct LatencyWindow {
    slots: VecDeque<LatencyHistogram>,
    /// All slots together.
    sum: LatencyHistogram,
    /// Bin of the SLO; what lies in it is in time.
    slo_bin: usize,
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
    /// A window of `slots` slots, the newest of them open, for latencies with a goal of `slo_s` seconds.
    #[must_use]
    pub(crate) fn new(slots: usize, slo_s: f64) -> Self {
        let slots = (0..slots.max(1)).map(|_| LatencyHistogram::default()).collect();
        Self { slots, sum: LatencyHistogram::default(), slo_bin: bin(slo_s) }
    }

    /// Adds a latency to the open slot, in seconds; a timeout is `f64::INFINITY`, NaN is ignored.
    pub(crate) fn add(&mut self, latency_s: f64) {
        if let Some(open) = self.slots.front_mut().filter(|_| !latency_s.is_nan()) {
            let bin = bin(latency_s);
            let late = bin > self.slo_bin;
            open.add(bin, late);
            self.sum.add(bin, late);
        }
    }

    /// Closes the open slot and opens a new one in the place of the oldest.
    pub(crate) fn turn(&mut self) {
        if let Some(mut oldest) = self.slots.pop_back() {
            self.sum.take_out(&mut oldest);
            self.slots.push_front(oldest);
        }
    }

    /// Median and 95th percentile over the newest `slots` slots; `None` without samples.
    #[must_use]
    pub(crate) fn quantiles(&self, slots: usize) -> Option<Quantiles> {
        let recent = self.recent(slots);
        let late: u64 = self.parts(slots).map(|part| part.late).sum();
        (recent.samples > 0).then(|| Quantiles {
            samples: recent.samples,
            p50_s: recent.quantile_s(50),
            p95_s: recent.quantile_s(95),
            // Counted from those in time, as a share of a whole.
            late_fraction: 1.0 - (recent.samples - late) as f64 / recent.samples as f64,
        })
    }

    /// Median over the newest `slots` slots, where they hold at least so many samples.
    #[must_use]
    pub(crate) fn median_s(&self, slots: usize, samples_min: u64) -> Option<f64> {
        let recent = self.recent(slots);
        (recent.samples >= samples_min.max(1)).then(|| recent.quantile_s(50))
    }

    /// The histograms that the newest `slots` slots are the sum of.
    fn parts(&self, slots: usize) -> impl Iterator<Item = &LatencyHistogram> + Clone {
        let all = slots >= self.slots.len();
        all.then_some(&self.sum).into_iter().chain(self.slots.iter().take(if all { 0 } else { slots }))
    }

    fn recent(&self, slots: usize) -> Recent<impl Iterator<Item = &LatencyHistogram> + Clone> {
        let parts = self.parts(slots);
        let mut octaves = [0; OCTAVES];
        for part in parts.clone() {
            octaves.iter_mut().zip(part.octaves).for_each(|(sum, count)| *sum += u64::from(count));
        }
        Recent { samples: parts.clone().map(|part| part.total).sum(), octaves, parts }
    }
}

/// Some histograms together.
struct Recent<I> {
    samples: u64,
    octaves: [u64; OCTAVES],
    parts: I,
}

impl<'a, I: Iterator<Item = &'a LatencyHistogram> + Clone> Recent<I> {
    /// The latency that `percent` of the samples do not exceed. There must be some.
    fn quantile_s(&self, percent: u64) -> f64 {
        let rank = (self.samples * percent).div_ceil(100);
        let (octave, before) = reached(&self.octaves, rank);
        let mut bins = [0; OCTAVE];
        for part in self.parts.clone() {
            bins.iter_mut().zip(part.counts[octave]).for_each(|(sum, count)| *sum += u64::from(count));
        }
        let (bin, _) = reached(&bins, rank - before);
        MIDDLES_S[(octave * OCTAVE + bin).min(BINS - 1)]
    }
}

/// Where the running sum of the counts reaches a rank, and the sum before.
fn reached(counts: &[u64], rank: u64) -> (usize, u64) {
    let mut before = 0;
    for (index, count) in counts.iter().enumerate() {
        if before + count >= rank {
            return (index, before);
        }
        before += count;
    }
    (counts.len() - 1, before)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_empty_window_has_no_quantiles() {
        assert_eq!(LatencyWindow::new(10, 0.2).quantiles(10), None);
    }

    #[test]
    fn timeouts_make_the_tail_infinite() {
        let mut window = LatencyWindow::new(2, 0.2);
        (0..90).for_each(|_| window.add(0.02));
        (0..10).for_each(|_| window.add(f64::INFINITY));
        let found = window.quantiles(2).unwrap();
        assert!((found.p50_s / 0.02 - 1.0).abs() < 0.03);
        assert_eq!(found.p95_s, f64::INFINITY);
        assert!((found.late_fraction - 0.1).abs() < 1e-9);
    }

    #[test]
    fn a_slot_leaves_the_window_after_as_many_turns_as_there_are_slots() {
        let mut window = LatencyWindow::new(3, 0.2);
        window.add(0.5);
        window.turn();
        window.turn();
        assert_eq!(window.quantiles(3).unwrap().samples, 1);
        assert_eq!(window.quantiles(2), None);
        window.turn();
        assert_eq!(window.quantiles(3), None);
    }

    proptest! {
        #[test]
        fn a_window_that_turned_says_what_one_with_the_same_latencies_says(
            ticks in prop::collection::vec(prop::collection::vec(1e-5..200.0_f64, 0..20), 1..30), slots in 1_usize..12,
        ) {
            let mut window = LatencyWindow::new(10, 0.2);
            for tick in &ticks {
                window.turn();
                tick.iter().for_each(|&s| window.add(s));
            }
            let mut fresh = LatencyWindow::new(1, 0.2);
            ticks.iter().rev().take(slots.min(10)).flatten().for_each(|&s| fresh.add(s));
            prop_assert_eq!(window.quantiles(slots), fresh.quantiles(1));
        }

        #[test]
        fn quantiles_are_within_one_bin_of_the_exact_ones(
            mut latencies in proptest::collection::vec(1e-4..10.0_f64, 1..300), slo_s in 0.05..1.0_f64,
        ) {
            let mut window = LatencyWindow::new(1, slo_s);
            latencies.iter().for_each(|&s| window.add(s));
            latencies.sort_by(f64::total_cmp);
            let found = window.quantiles(1).unwrap();
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
