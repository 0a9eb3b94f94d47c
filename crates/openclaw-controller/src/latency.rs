//! Latency quantiles over the last second, in bounded memory.
//!
//! Bins grow by 2^(1/16), so a quantile is off by at most 2.2 %: far less than the noise of a second's
//! samples. Exact samples would need memory that grows with the traffic.
//!
//! Quantiles are asked for at every tick, latencies come in between, so what can be done with a latency is done then: each
//! histogram also counts by octave and what is late, and the window keeps the sums that are asked for, of all its slots and
//! of the newest ones. A quantile looks at some forty numbers and not at all bins of all slots. What a tick closes is taken
//! out of the sums when the next latency comes: the decision that waits for the quantiles does not wait for that.

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

    /// Takes out what is also in `part`.
    fn take_out(&mut self, part: &Self) {
        for (octave, &gone) in part.octaves.iter().enumerate().filter(|(_, gone)| **gone > 0) {
            self.octaves[octave] -= gone;
            let counts = self.counts[octave].iter_mut().zip(&part.counts[octave]);
            counts.for_each(|(count, gone)| *count -= gone);
        }
        self.total -= part.total;
        self.late -= part.late;
    }

    fn clear(&mut self) {
        for (octave, count) in self.octaves.iter_mut().enumerate().filter(|(_, count)| **count > 0) {
            *count = 0;
            self.counts[octave] = [0; OCTAVE];
        }
        (self.total, self.late) = (0, 0);
    }

    /// The latency that `percent` of the samples do not exceed. There must be some.
    fn quantile_s(&self, percent: u64) -> f64 {
        let rank = (self.total * percent).div_ceil(100);
        let (octave, before) = reached(&self.octaves, rank);
        let (bin, _) = reached(&self.counts[octave], rank - before);
        MIDDLES_S[(octave * OCTAVE + bin).min(BINS - 1)]
    }

    /// Fraction of the samples over the SLO. There must be some.
    fn late_fraction(&self) -> f64 {
        // Counted from those in time, as a share of a whole.
        1.0 - (self.total - self.late) as f64 / self.total as f64
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

/// The latencies of the last ticks.
#[derive(Clone, Debug)]
pub(crate) struct LatencyWindow {
    /// The open one first.
    slots: VecDeque<LatencyHistogram>,
    /// All slots together.
    all: LatencyHistogram,
    /// The newest slots together, and how many those are.
    recent: LatencyHistogram,
    recent_slots: usize,
    /// The open slot was closed, and nothing came since.
    closed: bool,
    /// Bin of the SLO; what lies in it is in time.
    slo_bin: usize,
}

/// What a [`LatencyWindow`] says of all its slots.
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

/// What a [`LatencyWindow`] says of its newest slots.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Tail {
    /// 95th percentile in seconds.
    pub(crate) p95_s: f64,
    /// Fraction of samples over the SLO.
    pub(crate) late_fraction: f64,
}

impl From<Quantiles> for Tail {
    fn from(all: Quantiles) -> Self {
        Self { p95_s: all.p95_s, late_fraction: all.late_fraction }
    }
}

impl LatencyWindow {
    /// A window of `slots` slots, the newest of them open, for latencies with a goal of `slo_s` seconds. `recent` of them
    /// are looked at on their own.
    #[must_use]
    pub(crate) fn new(slots: usize, recent: usize, slo_s: f64) -> Self {
        let slots = slots.max(1);
        Self {
            slots: (0..slots).map(|_| LatencyHistogram::default()).collect(),
            all: LatencyHistogram::default(),
            recent: LatencyHistogram::default(),
            recent_slots: recent.clamp(1, slots),
            closed: false,
            slo_bin: bin(slo_s),
        }
    }

    /// Adds a latency to the open slot, in seconds; a timeout is `f64::INFINITY`, NaN is ignored.
    pub(crate) fn add(&mut self, latency_s: f64) {
        if latency_s.is_nan() {
            return;
        }
        self.open();
        let bin = bin(latency_s);
        let late = bin > self.slo_bin;
        for histogram in self.slots.front_mut().into_iter().chain([&mut self.all, &mut self.recent]) {
            histogram.add(bin, late);
        }
    }

    /// Closes the open slot, and the oldest one is over.
    pub(crate) fn turn(&mut self) {
        self.open();
        self.closed = true;
    }

    /// Opens a new slot in the place of the oldest, where the last one was closed.
    fn open(&mut self) {
        if !std::mem::take(&mut self.closed) {
            return;
        }
        self.recent.take_out(&self.slots[self.recent_slots - 1]);
        if let Some(mut oldest) = self.slots.pop_back() {
            self.all.take_out(&oldest);
            oldest.clear();
            self.slots.push_front(oldest);
        }
    }

    /// What all slots say; `None` without samples.
    #[must_use]
    pub(crate) fn quantiles(&mut self) -> Option<Quantiles> {
        self.open();
        let all = &self.all;
        (all.total > 0).then(|| Quantiles {
            samples: all.total,
            p50_s: all.quantile_s(50),
            p95_s: all.quantile_s(95),
            late_fraction: all.late_fraction(),
        })
    }

    /// What the newest slots say; `None` without samples in them.
    #[must_use]
    pub(crate) fn recent_tail(&mut self) -> Option<Tail> {
        self.open();
        let recent = &self.recent;
        (recent.total > 0)
            .then(|| Tail { p95_s: recent.quantile_s(95), late_fraction: recent.late_fraction() })
    }

    /// Median over the newest slots, where they hold at least so many samples.
    #[must_use]
    pub(crate) fn recent_median_s(&mut self, samples_min: u64) -> Option<f64> {
        self.open();
        (self.recent.total >= samples_min.max(1)).then(|| self.recent.quantile_s(50))
    }
}

/// Where the running sum of the counts reaches a rank, and the sum before.
fn reached(counts: &[u32], rank: u64) -> (usize, u64) {
    let mut before = 0;
    for (index, &count) in counts.iter().enumerate() {
        let sum = before + u64::from(count);
        if sum >= rank {
            return (index, before);
        }
        before = sum;
    }
    (counts.len() - 1, before)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_empty_window_has_no_quantiles() {
        assert_eq!(LatencyWindow::new(10, 2, 0.2).quantiles(), None);
    }

    #[test]
    fn timeouts_make_the_tail_infinite() {
        let mut window = LatencyWindow::new(2, 1, 0.2);
        (0..90).for_each(|_| window.add(0.02));
        (0..10).for_each(|_| window.add(f64::INFINITY));
        let found = window.quantiles().unwrap();
        assert!((found.p50_s / 0.02 - 1.0).abs() < 0.03);
        assert_eq!(found.p95_s, f64::INFINITY);
        assert!((found.late_fraction - 0.1).abs() < 1e-9);
    }

    #[test]
    fn a_slot_leaves_the_window_after_as_many_turns_as_there_are_slots() {
        let mut window = LatencyWindow::new(3, 2, 0.2);
        window.add(0.5);
        window.turn();
        window.turn();
        assert_eq!(window.quantiles().unwrap().samples, 1);
        assert_eq!((window.recent_tail(), window.recent_median_s(1)), (None, None));
        window.turn();
        assert_eq!(window.quantiles(), None);
    }

    proptest! {
        #[test]
        fn a_window_that_turned_says_what_one_with_the_same_latencies_says(
            ticks in prop::collection::vec(prop::collection::vec(1e-5..200.0_f64, 0..20), 1..30), slots in 1_usize..12,
        ) {
            let mut window = LatencyWindow::new(10, slots, 0.2);
            for tick in &ticks {
                window.turn();
                tick.iter().for_each(|&s| window.add(s));
            }
            let newest = |slots: usize| {
                let mut fresh = LatencyWindow::new(1, 1, 0.2);
                ticks.iter().rev().take(slots.min(10)).flatten().for_each(|&s| fresh.add(s));
                fresh
            };
            prop_assert_eq!(window.quantiles(), newest(10).quantiles());
            prop_assert_eq!(window.recent_tail(), newest(slots).recent_tail());
            prop_assert_eq!(window.recent_median_s(5), newest(slots).recent_median_s(5));
        }

        #[test]
        fn quantiles_are_within_one_bin_of_the_exact_ones(
            mut latencies in proptest::collection::vec(1e-4..10.0_f64, 1..300), slo_s in 0.05..1.0_f64,
        ) {
            let mut window = LatencyWindow::new(1, 1, slo_s);
            latencies.iter().for_each(|&s| window.add(s));
            latencies.sort_by(f64::total_cmp);
            let found = window.quantiles().unwrap();
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
