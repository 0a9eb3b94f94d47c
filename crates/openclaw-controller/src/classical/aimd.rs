//! AIMD on the 95th percentile: the textbook feedback rule, here on a total admitted rate.
//!
//! Source: Netflix concurrency-limits, `AIMDLimit.java`: multiply by the back-off ratio when a request timed out, add
//! when it did not and at least half of the limit is in use. Adapted: "timed out" (5 s) is "p95 over the SLO", and the
//! limit is a rate, of which the published one request in twenty at the start is the unit of increase; once per window of
//! the percentile. Buckets only by default: as it is usually deployed.

use super::{Pace, Parameter, Total, settings, tame};
use crate::observation::{Action, Controller, Observation};

settings! {
    /// Settings of [`Aimd`].
    AimdSettings, guard 0.0 {
        /// Added per window, as a fraction of the configured start.
        increase_fraction: Parameter::log("increaseFraction", 0.001, 0.5, 0.02);
        /// Multiplied per window while p95 is over the SLO.
        backoff_ratio: Parameter::even("backoffRatio", 0.4, 0.99, 0.9);
        /// Time between two evaluations, in seconds.
        window_s: Parameter::log("windowS", 0.1, 2.0, 1.0);
    }
}

/// The AIMD controller.
#[derive(Clone, Copy, Debug)]
pub struct Aimd {
    settings: AimdSettings,
    pace: Pace,
    total: Total,
}

impl Aimd {
    /// Begins at `start_per_s`, the configured start of the total admitted rate.
    #[must_use]
    pub fn new(start_per_s: f64, settings: AimdSettings) -> Self {
        Self { settings, pace: Pace::new(settings.window_s), total: Total::new(start_per_s) }
    }

    fn evaluate(&mut self, seen: &Observation) {
        if seen.p95_s > seen.slo_s {
            self.total.set(self.total.per_s() * self.settings.backoff_ratio);
        } else if seen.demand_fast_per_s * 2.0 >= self.total.per_s() {
            let step = self.settings.increase_fraction * self.total.start_per_s();
            self.total.set(self.total.per_s() + step);
        }
    }
}

impl Controller for Aimd {
    fn name(&self) -> &'static str {
        "aimd"
    }

    fn guards(&self) -> bool {
        self.settings.handout.guard.is_some()
    }

    fn decide(&mut self, seen: &Observation) -> Action {
        let seen = tame(seen);
        if self.pace.is_due(seen.now_ns) && seen.samples > 0 {
            self.evaluate(&seen);
        }
        self.total.action(&self.settings.handout, &seen)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{admitted, later};
    use super::*;
    use crate::observation::tests::observation;

    #[test]
    fn it_backs_off_once_per_window_while_late_and_creeps_up_while_in_time() {
        let mut aimd = Aimd::new(1000.0, AimdSettings::default());
        let late = Observation { p95_s: 0.3, demand_fast_per_s: 2000.0, ..observation() };
        assert!((admitted(&mut aimd, &late) - 900.0).abs() < 1e-9);
        assert!((admitted(&mut aimd, &late) - 900.0).abs() < 1e-9, "the same window counts once");
        let next = later(&late, 1.0);
        assert!((admitted(&mut aimd, &next) - 810.0).abs() < 1e-9);
        let good = Observation { p95_s: 0.1, ..later(&next, 1.0) };
        assert!((admitted(&mut aimd, &good) - 830.0).abs() < 1e-9);
    }

    #[test]
    fn a_limit_that_is_not_in_use_does_not_grow() {
        let mut aimd = Aimd::new(1000.0, AimdSettings::default());
        let idle = Observation { p95_s: 0.02, demand_fast_per_s: 10.0, ..observation() };
        assert_eq!(admitted(&mut aimd, &idle), 1000.0);
    }
}
