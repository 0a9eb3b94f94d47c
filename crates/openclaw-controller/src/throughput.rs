//! How fast requests leave a service, as its local guards look at it.

use crate::filter::RateFilter;
use crate::signals::{FAST_S, PEAK_S, SLOW_S};

/// Completions per second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Throughput {
    /// Averaged over 0.25 s.
    pub fast_per_s: f64,
    /// Averaged over 2.5 s.
    pub slow_per_s: f64,
    /// Highest slow throughput, fading over 30 s.
    pub peak_per_s: f64,
}

/// Turns a cumulative counter of completions into a [`Throughput`].
#[derive(Clone, Debug)]
pub struct ThroughputMeter {
    completed: u64,
    fast: RateFilter,
    slow: RateFilter,
    peak_per_s: f64,
}

impl Default for ThroughputMeter {
    /// A meter whose counter stands at zero.
    fn default() -> Self {
        let (fast, slow) = (RateFilter::new(FAST_S), RateFilter::new(SLOW_S));
        Self { completed: 0, fast, slow, peak_per_s: 0.0 }
    }
}

impl ThroughputMeter {
    /// Takes the counter as it stands `interval_s` seconds after the last time.
    pub fn advance(&mut self, completed: u64, interval_s: f64) -> Throughput {
        let since = completed.saturating_sub(self.completed) as f64;
        self.completed = completed;
        self.fast.add(since, interval_s);
        self.slow.add(since, interval_s);
        let faded = self.peak_per_s * (-interval_s.max(0.0) / PEAK_S).exp();
        self.peak_per_s = faded.max(self.slow.per_s());
        self.throughput()
    }

    /// What was measured last.
    #[must_use]
    pub fn throughput(&self) -> Throughput {
        Throughput {
            fast_per_s: self.fast.per_s(),
            slow_per_s: self.slow.per_s(),
            peak_per_s: self.peak_per_s,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_outlives_the_traffic_and_fades() {
        let mut meter = ThroughputMeter::default();
        let mut completed = 0;
        for _ in 0..100 {
            completed += 80;
            meter.advance(completed, 0.1);
        }
        let busy = meter.throughput();
        assert!((busy.fast_per_s - 800.0).abs() < 1e-6 && (busy.peak_per_s - 800.0).abs() < 1e-6);
        for _ in 0..300 {
            meter.advance(completed, 0.1);
        }
        let idle = meter.throughput();
        assert!(idle.fast_per_s < 1e-6 && idle.slow_per_s < 0.01);
        assert!((idle.peak_per_s - 800.0 / std::f64::consts::E).abs() < 1.0, "{idle:?}");
    }
}
