//! Exponential filters that know how long each sample lasted.
//!
//! Reports arrive when they arrive, and a lost one makes the next cover twice the time. A filter with a fixed
//! weight per sample would then be wrong; these weigh by duration.

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
        if interval_s <= 0.0 {
            return;
        }
        let share = 1.0 - (-interval_s / self.tau_s).exp();
        self.weighted += share * (count / interval_s - self.weighted);
        self.weight += share * (1.0 - self.weight);
    }

    /// Things per second. Divided by the weight so far, so that the first samples count in full instead of
    /// being averaged with a zero that nobody measured.
    pub(crate) fn per_s(&self) -> f64 {
        if self.weight > 0.0 { self.weighted / self.weight } else { 0.0 }
    }
}

/// A maximum that fades with the time constant `tau_s`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FadingMax {
    tau_s: f64,
    value: f64,
    at_ns: u64,
}

impl FadingMax {
    pub(crate) fn new(tau_s: f64) -> Self {
        Self { tau_s, value: 0.0, at_ns: 0 }
    }

    pub(crate) fn add(&mut self, value: f64, now_ns: u64) {
        let elapsed_s = now_ns.saturating_sub(self.at_ns) as f64 / crate::NS_PER_S;
        self.value = (self.value * (-elapsed_s / self.tau_s).exp()).max(value);
        self.at_ns = self.at_ns.max(now_ns);
    }

    pub(crate) fn value(&self) -> f64 {
        self.value
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
    fn a_fading_maximum_keeps_the_peak_and_forgets_it_slowly() {
        let mut max = FadingMax::new(30.0);
        max.add(100.0, 0);
        max.add(10.0, 30_000_000_000);
        assert!((max.value() - 100.0 / std::f64::consts::E).abs() < 1e-9);
        max.add(90.0, 30_000_000_000);
        assert_eq!(max.value(), 90.0);
    }
}
