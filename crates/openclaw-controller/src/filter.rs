//! Exponential filters that know how long each sample lasted.
//!
//! Reports arrive when they arrive, and a lost one makes the next cover twice the time. A filter with a fixed
//! weight per sample would then be wrong; these weigh by duration.

use std::collections::VecDeque;

use crate::signals::{FAST_S, SLOW_S};

/// Seconds that [`LowestOf`] looks back.
const LOWEST_OF_S: usize = 30;

/// Exponentially weighted mean rate of a counter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RateFilter {
    tau_s: f64,
    weighted: f64,
    weight: f64,
}

impl RateFilter {
    /// A filter with the time constant `tau_s` seconds.
    pub(crate) fn new(tau_s: f64) -> Self {
        Self { tau_s, weighted: 0.0, weight: 0.0 }
    }

    /// Adds `count` things that happened over `interval_s` seconds.
    pub(crate) fn add(&mut self, count: f64, interval_s: f64) {
        self.add_share(count, interval_s, new_share(interval_s, self.tau_s));
    }

    /// [`RateFilter::add`] where many filters of one time constant meet the same interval: its [`new_share`] is
    /// computed once for all.
    pub(crate) fn add_share(&mut self, count: f64, interval_s: f64, share: f64) {
        if interval_s <= 0.0 {
            return;
        }
        self.weighted += share * (count / interval_s - self.weighted);
        self.weight += share * (1.0 - self.weight);
    }

    /// Things per second. Divided by the weight so far, so that the first samples count in full instead of
    /// being averaged with a zero that nobody measured.
    pub(crate) fn per_s(&self) -> f64 {
        if self.weight > 0.0 { self.weighted / self.weight } else { 0.0 }
    }
}

/// [`RateFilter`]s of one time constant that meet the same intervals, so that they have one weight in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RateFilters<const N: usize> {
    weighted: [f64; N],
    weight: f64,
}

impl<const N: usize> Default for RateFilters<N> {
    fn default() -> Self {
        Self { weighted: [0.0; N], weight: 0.0 }
    }
}

/// Filters that are computed together. As many as are known would be fewer, and take longer one by one.
const TOGETHER: usize = 4;

impl<const N: usize> RateFilters<N> {
    /// Adds an interval of which so much is counted, by [`Shares`]' length and the [`new_share`] of the time constant. Of
    /// the filters after the first `known` nothing may ever have been counted.
    pub(crate) fn add_share(&mut self, counts: &[f64; N], interval_s: f64, share: f64, known: usize) {
        if interval_s <= 0.0 {
            return;
        }
        let each =
            self.weighted.as_chunks_mut::<TOGETHER>().0.iter_mut().zip(counts.as_chunks::<TOGETHER>().0);
        for (weighted, counts) in each.take(known.div_ceil(TOGETHER)) {
            for (weighted, count) in weighted.iter_mut().zip(counts) {
                *weighted += share * (count / interval_s - *weighted);
            }
        }
        self.weight += share * (1.0 - self.weight);
    }

    /// Forgets what happened in one of them, not for how long it was watched.
    pub(crate) fn clear(&mut self, index: usize) {
        self.weighted[index] = 0.0;
    }

    /// What [`RateFilter::per_s`] says, of the first `known` of them; of the others 0.
    pub(crate) fn per_s(&self, known: usize) -> [f64; N] {
        const { assert!(N.is_multiple_of(TOGETHER), "filters come in whole groups") };
        let mut per_s = [0.0; N];
        if self.weight > 0.0 {
            let each =
                per_s.as_chunks_mut::<TOGETHER>().0.iter_mut().zip(self.weighted.as_chunks::<TOGETHER>().0);
            for (per_s, weighted) in each.take(known.div_ceil(TOGETHER)) {
                *per_s = weighted.map(|weighted| weighted / self.weight);
            }
        }
        per_s
    }
}

/// How much the last `interval_s` seconds count beside all before, at the time constant `tau_s`.
pub(crate) fn new_share(interval_s: f64, tau_s: f64) -> f64 {
    1.0 - left_after(interval_s, tau_s)
}

/// How much of the past is left after `interval_s` seconds, at the time constant `tau_s`.
pub(crate) fn left_after(interval_s: f64, tau_s: f64) -> f64 {
    (-interval_s / tau_s).exp()
}

/// What a tick counts in the filters: computed once, for all that meet it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shares {
    /// How long the tick was.
    pub(crate) interval_s: f64,
    /// Its [`new_share`] at [`FAST_S`] and [`SLOW_S`].
    pub(crate) fast: f64,
    pub(crate) slow: f64,
}

impl Shares {
    pub(crate) fn of(interval_s: f64) -> Self {
        Self { interval_s, fast: new_share(interval_s, FAST_S), slow: new_share(interval_s, SLOW_S) }
    }
}

/// A maximum that fades.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FadingMax(f64);

impl FadingMax {
    /// Takes the value of a tick, after which [`left_after`] of what was before is left.
    pub(crate) fn add(&mut self, value: f64, left: f64) {
        self.0 = (self.0 * left).max(value);
    }

    pub(crate) fn value(&self) -> f64 {
        self.0
    }
}

/// Mean of samples that count less the older they are. While there are none, the last mean stands.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct DecayedMean {
    sum: f64,
    weight: f64,
}

impl DecayedMean {
    /// Weight below which a mean no longer fades: it is forgotten with the next sample anyway.
    const WEIGHT_MIN: f64 = 1e-3;

    pub(crate) fn add(&mut self, value: f64, weight: f64) {
        if value.is_finite() {
            self.sum += value * weight;
            self.weight += weight;
        }
    }

    /// Lets time pass, of which [`left_after`] tells what is left.
    pub(crate) fn decay(&mut self, left: f64) {
        if self.weight > Self::WEIGHT_MIN {
            self.sum *= left;
            self.weight *= left;
        }
    }

    pub(crate) fn mean(&self) -> Option<f64> {
        (self.weight > 0.0).then(|| self.sum / self.weight)
    }

    /// Samples that the mean is taken over, older ones counting less.
    pub(crate) fn weight(&self) -> f64 {
        self.weight
    }
}

/// [`DecayedMean`]s of values that come together, so that they have one weight in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DecayedMeans<const N: usize> {
    sums: [f64; N],
    weight: f64,
}

impl<const N: usize> Default for DecayedMeans<N> {
    fn default() -> Self {
        Self { sums: [0.0; N], weight: 0.0 }
    }
}

impl<const N: usize> DecayedMeans<N> {
    /// Adds one value to each, all of them finite.
    pub(crate) fn add(&mut self, values: [f64; N]) {
        self.sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
        self.weight += 1.0;
    }

    /// See [`DecayedMean::decay`].
    pub(crate) fn decay(&mut self, left: f64) {
        if self.weight > DecayedMean::WEIGHT_MIN {
            self.sums.iter_mut().for_each(|sum| *sum *= left);
            self.weight *= left;
        }
    }

    /// The means; 0 while there are no samples.
    pub(crate) fn means(&self) -> impl Iterator<Item = f64> {
        let weight = self.weight;
        self.sums.iter().map(move |sum| if weight > 0.0 { sum / weight } else { 0.0 })
    }
}

/// Lowest value of the last thirty seconds that had any; a second without says nothing.
#[derive(Clone, Debug)]
pub(crate) struct LowestOf {
    seconds: VecDeque<f64>,
    /// Lowest of the closed ones.
    closed: f64,
    open: f64,
}

impl Default for LowestOf {
    fn default() -> Self {
        let seconds = VecDeque::with_capacity(LOWEST_OF_S);
        Self { seconds, closed: f64::INFINITY, open: f64::INFINITY }
    }
}

impl LowestOf {
    pub(crate) fn add(&mut self, value: f64) {
        self.open = self.open.min(value);
    }

    pub(crate) fn close_second(&mut self) {
        if self.open.is_finite() {
            if self.seconds.len() == LOWEST_OF_S {
                self.seconds.pop_front();
            }
            self.seconds.push_back(self.open);
            self.closed = self.seconds.iter().copied().fold(f64::INFINITY, f64::min);
            self.open = f64::INFINITY;
        }
    }

    pub(crate) fn value(&self) -> Option<f64> {
        let lowest = self.closed.min(self.open);
        lowest.is_finite().then_some(lowest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_count_gives_its_rate_from_the_first_sample_on() {
        let mut filter = RateFilter::new(2.5);
        for _ in 0..3 {
            filter.add(80.0, 0.1);
            assert!((filter.per_s() - 800.0).abs() < 1e-9);
        }
    }

    #[test]
    fn one_long_interval_weighs_as_much_as_the_short_ones_it_replaces() {
        let (mut short, mut long) = (RateFilter::new(0.25), RateFilter::new(0.25));
        short.add(100.0, 0.1);
        long.add(100.0, 0.1);
        short.add(10.0, 0.1);
        short.add(10.0, 0.1);
        long.add(20.0, 0.2);
        assert!((short.per_s() - long.per_s()).abs() < 1e-9);
    }

    #[test]
    fn filters_and_means_that_share_their_weight_say_what_each_alone_does() {
        let (mut alone, mut together) = ([RateFilter::new(0.25); 4], RateFilters::<4>::default());
        let (mut means, mut mean_of) = ([DecayedMean::default(); 4], DecayedMeans::<4>::default());
        for step in 1..200 {
            let interval_s = 0.03 + f64::from(step % 7) / 50.0;
            let counts = [f64::from(step % 5), 0.0, f64::from(step * 13 % 11), 7.0];
            let share = new_share(interval_s, 0.25);
            for index in 0..4 {
                alone[index].add_share(counts[index], interval_s, share);
                means[index].add(counts[index], 1.0);
                means[index].decay(left_after(interval_s, 5.0));
            }
            together.add_share(&counts, interval_s, share, 4);
            mean_of.add(counts);
            mean_of.decay(left_after(interval_s, 5.0));
            let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&together.per_s(4)), bits(&alone.map(|filter| filter.per_s())));
            let expected = means.map(|mean| mean.mean().unwrap_or(0.0));
            assert_eq!(bits(&mean_of.means().collect::<Vec<_>>()), bits(&expected));
        }
        together.clear(0);
        assert_eq!(together.per_s(4)[0], 0.0);
        assert!(together.per_s(4)[2] > 0.0);
    }

    #[test]
    fn a_decayed_mean_follows_its_samples_and_stands_without_them() {
        let mut mean = DecayedMean::default();
        assert_eq!(mean.mean(), None);
        mean.add(3.0, 1.0);
        for _ in 0..100_000 {
            mean.decay(left_after(0.1, 5.0));
        }
        assert!((mean.mean().unwrap() - 3.0).abs() < 1e-9);
        mean.add(f64::INFINITY, 1.0);
        mean.add(7.0, 1.0);
        assert!((mean.mean().unwrap() - 7.0).abs() < 0.01, "what is old hardly counts");
    }

    #[test]
    fn the_lowest_is_forgotten_after_thirty_seconds_with_others() {
        let mut lowest = LowestOf::default();
        lowest.add(1.0);
        lowest.close_second();
        for _ in 0..60 {
            lowest.close_second();
        }
        assert_eq!(lowest.value(), Some(1.0), "silence says nothing");
        for _ in 0..30 {
            lowest.add(2.0);
            lowest.add(5.0);
            lowest.close_second();
        }
        assert_eq!(lowest.value(), Some(2.0));
    }

    #[test]
    fn a_fading_maximum_keeps_the_peak_and_forgets_it_slowly() {
        let mut max = FadingMax::default();
        max.add(100.0, left_after(0.0, 30.0));
        max.add(10.0, left_after(30.0, 30.0));
        assert!((max.value() - 100.0 / std::f64::consts::E).abs() < 1e-9);
        max.add(90.0, left_after(0.0, 30.0));
        assert_eq!(max.value(), 90.0);
    }
}
