//! Vegas: a concurrency limit that keeps a few requests queued.
//!
//! Source: Netflix concurrency-limits, `VegasLimit.java`: q = ceil(L (1 - rtt0 / rtt)), k = log10 L; on a drop L - k;
//! held while less than half of L is in use; L + 6 k where q <= k, L + k where q < 3 k, L - k where q > 6 k. rtt0 is the
//! lowest latency since it was last taken afresh, after 30 L samples times a random factor of .5 to 1. Adapted: a sample
//! is one evaluation; the factor is its mean, as there is one limit and nobody to be out of step with; a window has
//! drops where over a hundredth of its requests failed; k is not rounded.

use super::limit::latency_s;
use super::{Limit, Pace, Parameter, settings, tame};
use crate::observation::{Action, Controller, Observation};

settings! {
    /// Settings of [`Vegas`].
    VegasSettings, guard 0.9 {
        /// The limit grows by k while fewer than this many k are queued.
        alpha: Parameter::even("alpha", 1.0, 8.0, 3.0);
        /// The limit shrinks by k while more than this many k are queued, and grows by as many while hardly any are.
        beta: Parameter::even("beta", 2.0, 20.0, 6.0);
        /// Share of the new limit in each evaluation.
        smoothing: Parameter::even("smoothing", 0.05, 1.0, 1.0);
        /// The no-load latency is taken afresh after this many evaluations for each request of the limit.
        probe: Parameter::log("probe", 0.3, 100.0, 30.0);
        /// Time between two evaluations, in seconds.
        window_s: Parameter::log("windowS", 0.1, 2.0, 1.0);
    }
}

/// Mean of the published jitter of the probe, .5 to 1.
const PROBE_JITTER: f64 = 0.75;
/// A window has drops where more than this fraction of what was admitted failed.
const DROPS: f64 = 0.01;

/// The Vegas controller.
#[derive(Clone, Copy, Debug)]
pub struct Vegas {
    settings: VegasSettings,
    pace: Pace,
    limit: Limit,
    no_load_s: f64,
    evaluations: f64,
}

impl Vegas {
    /// Begins at what `start_per_s`, the configured start of the total admitted rate, keeps in flight.
    #[must_use]
    pub fn new(start_per_s: f64, settings: VegasSettings) -> Self {
        let (pace, limit) = (Pace::new(settings.window_s), Limit::new(start_per_s));
        Self { settings, pace, limit, no_load_s: f64::INFINITY, evaluations: 0.0 }
    }

    fn evaluate(&mut self, seen: &Observation) {
        let (latency_s, limit) = (latency_s(seen), self.limit.get(seen));
        self.evaluations += 1.0;
        if self.evaluations >= PROBE_JITTER * self.settings.probe * limit {
            self.evaluations = 0.0;
            self.no_load_s = latency_s;
        } else if latency_s < self.no_load_s {
            self.no_load_s = latency_s;
        } else if let Some(step) = self.step(limit, latency_s, seen) {
            self.limit.set(limit + self.settings.smoothing * step, seen);
        }
    }

    /// By how many requests the limit should move; `None` to hold it.
    fn step(&self, limit: f64, latency_s: f64, seen: &Observation) -> Option<f64> {
        let VegasSettings { alpha, beta, .. } = self.settings;
        let k = limit.log10().max(1.0);
        let queued = (limit * (1.0 - self.no_load_s / latency_s)).ceil();
        if seen.failed_fast_per_s > DROPS * seen.accepted_fast_per_s {
            Some(-k)
        } else if !self.limit.is_used(seen) {
            None
        } else if queued <= k {
            Some(beta * k)
        } else if queued < alpha * k {
            Some(k)
        } else if queued > beta * k {
            Some(-k)
        } else {
            None
        }
    }
}

impl Controller for Vegas {
    fn name(&self) -> &'static str {
        "vegas"
    }

    fn guards(&self) -> bool {
        self.settings.handout.guard.is_some()
    }

    fn decide(&mut self, seen: &Observation) -> Action {
        let seen = tame(seen);
        if self.pace.is_due(seen.now_ns) && seen.samples > 0 {
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

    /// A controller that knows a no-load latency of 30 ms and stands at L = 100, and a second with latencies of
    /// `latency_s` for it to see.
    fn standing(latency_s: f64) -> (Vegas, Observation) {
        let mut vegas = Vegas::new(1000.0, VegasSettings::default());
        admitted(&mut vegas, &observation());
        let demand_fast_per_s = 3000.0;
        let busy = Observation { in_flight: 100.0, demand_fast_per_s, ..observation() };
        let seen = Observation { p50_s: latency_s, ..later(&busy, 1.0) };
        vegas.limit.set(100.0, &seen);
        (vegas, seen)
    }

    #[test]
    fn the_limit_moves_by_how_many_requests_are_queued() {
        // L = 100, k = 2: with rtt0 at 30 ms, q = ceil(100 (1 - 30 / rtt)).
        for (latency_s, queued, expected) in
            [(0.0304, 2, 112.0), (0.031, 4, 102.0), (0.033, 10, 100.0), (0.04, 25, 98.0)]
        {
            let (mut vegas, seen) = standing(latency_s);
            let r = admitted(&mut vegas, &seen);
            assert!((r * latency_s - expected).abs() < 1e-6, "{queued} queued: {}", r * latency_s);
        }
    }

    #[test]
    fn drops_shrink_the_limit_and_an_unused_one_is_held() {
        let (mut vegas, seen) = standing(0.0304);
        let dropping = Observation { failed_fast_per_s: 12.0, ..seen };
        assert!((admitted(&mut vegas, &dropping) * 0.0304 - 98.0).abs() < 1e-6);
        let (mut vegas, seen) = standing(0.0304);
        let idle = Observation { in_flight: 49.0, ..seen };
        assert!((admitted(&mut vegas, &idle) * 0.0304 - 100.0).abs() < 1e-6);
    }

    #[test]
    fn a_lasting_change_of_the_no_load_latency_is_found_by_probing() {
        let settings = VegasSettings { probe: 0.3, ..VegasSettings::default() };
        let mut vegas = Vegas::new(1000.0, settings);
        let mut seen = observation();
        admitted(&mut vegas, &seen);
        for _ in 0..200 {
            seen = Observation { p50_s: 0.06, in_flight: 60.0, ..later(&seen, 1.0) };
            admitted(&mut vegas, &seen);
        }
        assert_eq!(vegas.no_load_s, 0.06);
    }
}
