//! Gradient2: a concurrency limit by the ratio of long-term to present latency.
//!
//! Source: Netflix concurrency-limits, `Gradient2Limit.java` within `WindowedLimit.java`: long = EWMA over 600 windows
//! (a plain mean over the first 10), shrunk by .95 while it is over twice the present; held while less than half of the
//! limit is in use; g = clamp(1.5 long / present, .5, 1); L <- .8 L + .2 (g L + 4), once per second and 10 samples.
//! Adapted: the present latency is the second's median, and L's fixed bounds (20 to 200) are [`Limit`]'s. It knows no
//! SLO: that its baseline drifts up with a lasting overload is its known weakness, kept here.

use super::limit::latency_s;
use super::{Limit, Pace, Parameter, settings, tame};
use crate::observation::{Action, Controller, Observation};

settings! {
    /// Settings of [`Gradient2`].
    Gradient2Settings, guard 0.9 {
        /// Present latency over the long-term one that passes for no queue.
        tolerance: Parameter::even("tolerance", 1.0, 4.0, 1.5);
        /// Requests added in each evaluation.
        queue: Parameter::log("queue", 0.5, 64.0, 4.0);
        /// Share of the new limit in each evaluation.
        smoothing: Parameter::even("smoothing", 0.02, 1.0, 0.2);
        /// The gradient is at least this.
        gradient_least: Parameter::even("gradientLeast", 0.2, 0.95, 0.5);
        /// Windows over which the long-term latency is averaged.
        long_windows: Parameter::log("longWindows", 20.0, 2000.0, 600.0);
        /// Time between two evaluations, in seconds.
        window_s: Parameter::log("windowS", 0.1, 2.0, 1.0);
    }
}

/// Windows of which the long-term latency is a plain mean at first.
const WARM_UP: f64 = 10.0;
/// Latencies that an evaluation needs.
const SAMPLES_LEAST: u64 = 10;
/// Long-term over present latency beyond which the long-term one is shrunk, and by what.
const STALE: (f64, f64) = (2.0, 0.95);

/// The Gradient2 controller.
#[derive(Clone, Copy, Debug)]
pub struct Gradient2 {
    settings: Gradient2Settings,
    pace: Pace,
    limit: Limit,
    long_s: f64,
    windows: f64,
}

impl Gradient2 {
    /// Begins at what `start_per_s`, the configured start of the total admitted rate, keeps in flight.
    #[must_use]
    pub fn new(start_per_s: f64, settings: Gradient2Settings) -> Self {
        let (pace, limit) = (Pace::new(settings.window_s), Limit::new(start_per_s));
        Self { settings, pace, limit, long_s: 0.0, windows: 0.0 }
    }

    /// Takes a window's latency into the long-term one.
    fn learn(&mut self, short_s: f64) {
        let weight = if self.windows < WARM_UP {
            self.windows += 1.0;
            1.0 / self.windows
        } else {
            2.0 / (self.settings.long_windows + 1.0)
        };
        self.long_s += weight * (short_s - self.long_s);
    }

    fn evaluate(&mut self, seen: &Observation) {
        let short_s = latency_s(seen);
        self.learn(short_s);
        let long_s = self.long_s;
        if long_s > STALE.0 * short_s {
            self.long_s *= STALE.1;
        }
        if !self.limit.is_used(seen) {
            return;
        }
        let Gradient2Settings { tolerance, queue, smoothing, gradient_least, .. } = self.settings;
        let gradient = (tolerance * long_s / short_s).clamp(gradient_least, 1.0);
        let limit = self.limit.get(seen);
        self.limit.set((1.0 - smoothing) * limit + smoothing * (gradient * limit + queue), seen);
    }
}

impl Controller for Gradient2 {
    fn name(&self) -> &'static str {
        "gradient2"
    }

    fn guards(&self) -> bool {
        self.settings.handout.guard.is_some()
    }

    fn decide(&mut self, seen: &Observation) -> Action {
        let seen = tame(seen);
        if self.pace.is_due(seen.now_ns) && seen.samples >= SAMPLES_LEAST {
            self.evaluate(&seen);
        }
        self.limit.action(&self.settings.handout, &seen)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{admitted, later};
    use super::*;
    use crate::observation::tests::observation;

    #[test]
    fn without_a_queue_the_limit_grows_by_a_fifth_of_four_requests() {
        let mut gradient = Gradient2::new(1000.0, Gradient2Settings::default());
        // L = 30, g = 1: .8 x 30 + .2 x 34 = 30.8.
        assert!((admitted(&mut gradient, &observation()) - 30.8 / 0.03).abs() < 1e-9);
    }

    #[test]
    fn a_queue_shrinks_the_limit_by_the_gradient() {
        let mut gradient = Gradient2::new(1000.0, Gradient2Settings::default());
        admitted(&mut gradient, &observation());
        // The long-term latency is the mean of 30 and 90 ms; g = 1.5 x 60 / 90 = 1; then of 30, 90 and 150 ms:
        // g = 1.5 x 90 / 150 = .9.
        let slower = Observation { p50_s: 0.09, in_flight: 60.0, ..later(&observation(), 1.0) };
        admitted(&mut gradient, &slower);
        let slowest = Observation { p50_s: 0.15, ..later(&slower, 1.0) };
        let before = 30.8 + 0.8;
        let expected = 0.8 * before + 0.2 * (0.9 * before + 4.0);
        assert!((admitted(&mut gradient, &slowest) - expected / 0.15).abs() < 1e-6);
    }

    #[test]
    fn a_limit_of_which_less_than_half_is_used_is_held() {
        let mut gradient = Gradient2::new(1000.0, Gradient2Settings::default());
        let idle = Observation { in_flight: 14.0, ..observation() };
        assert!((admitted(&mut gradient, &idle) - 1000.0).abs() < 1e-9);
    }

    #[test]
    fn a_stale_long_term_latency_is_shrunk() {
        let mut gradient = Gradient2::new(1000.0, Gradient2Settings::default());
        gradient.learn(0.9);
        gradient.evaluate(&observation());
        assert!((gradient.long_s - 0.95 * (0.9 + 0.03) / 2.0).abs() < 1e-12);
    }
}
