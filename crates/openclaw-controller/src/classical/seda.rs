//! SEDA: a token bucket's refill rate steered by a latency percentile. The closest relative of this project.
//!
//! Source: Welsh and Culler, "Adaptive Overload Control for Busy Internet Servers" (USITS 2003), in the form of
//! Caladan's `sd_client.c` and `sd_config.h`: s <- .7 s + .3 percentile; e = (s - T) / T; R <- R / d while e > 0, and
//! R <- R - (e + .1) a while e < -.5. Adapted: the percentile is the SLO's own (the paper bounds the 90th,
//! the code sorts out the 99th); a is a fraction of the configured start, since the published 2 to 130 requests/s belong
//! to single clients that begin at 4; one evaluation per second instead of one per hundred replies, since the percentile
//! here is over a second.

use super::{Pace, Parameter, Total, settings, tame};
use crate::observation::{Action, Controller, Observation};

settings! {
    /// Settings of [`Seda`].
    SedaSettings, guard 0.0 {
        /// The percentile's share of its own past in each evaluation.
        smoothing: Parameter::even("smoothing", 0.0, 0.95, 0.7);
        /// d: divides R while the percentile is over the goal; 1.04 to 1.3 in the reference, by service time.
        decrease: Parameter::log("decrease", 1.01, 3.0, 1.1);
        /// a: added to R for a whole error beyond the offset, as a fraction of the configured start.
        increase: Parameter::log("increase", 0.005, 1.0, 0.1);
        /// R rises while the error is under this, negated.
        margin: Parameter::even("margin", 0.05, 0.8, 0.5);
        /// Taken off the error's size before R rises in proportion to what is left.
        offset: Parameter::even("offset", 0.0, 0.5, 0.1);
        /// The goal of the percentile, as a fraction of the SLO.
        goal: Parameter::even("goal", 0.3, 1.0, 1.0);
        /// Time between two evaluations, in seconds.
        window_s: Parameter::log("windowS", 0.1, 2.0, 1.0);
    }
}

/// The SEDA controller.
#[derive(Clone, Copy, Debug)]
pub struct Seda {
    settings: SedaSettings,
    pace: Pace,
    total: Total,
    smoothed_s: Option<f64>,
}

impl Seda {
    /// Begins at `start_per_s`, the configured start of the total admitted rate.
    #[must_use]
    pub fn new(start_per_s: f64, settings: SedaSettings) -> Self {
        let (pace, total) = (Pace::new(settings.window_s), Total::new(start_per_s));
        Self { settings, pace, total, smoothed_s: None }
    }

    fn evaluate(&mut self, seen: &Observation) {
        let SedaSettings { smoothing, decrease, increase, margin, offset, goal, .. } = self.settings;
        let before_s = self.smoothed_s.unwrap_or(seen.p95_s);
        let smoothed_s = smoothing * before_s + (1.0 - smoothing) * seen.p95_s;
        self.smoothed_s = Some(smoothed_s);

        let goal_s = goal * seen.slo_s;
        let error = (smoothed_s - goal_s) / goal_s;
        if error > 0.0 {
            self.total.set(self.total.per_s() / decrease);
        } else if error < -margin {
            let step = (-(error + offset)).max(0.0) * increase * self.total.start_per_s();
            self.total.set(self.total.per_s() + step);
        }
    }
}

impl Controller for Seda {
    fn name(&self) -> &'static str {
        "seda"
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
    fn an_error_under_the_margin_raises_the_total_in_proportion() {
        let mut seda = Seda::new(1000.0, SedaSettings::default());
        // e = (.05 - .2) / .2 = -.75: up by (.75 - .1) of a tenth of the start.
        assert!((admitted(&mut seda, &observation()) - 1065.0).abs() < 1e-9);
    }

    #[test]
    fn between_margin_and_goal_the_total_stays_and_over_the_goal_it_is_divided() {
        let mut seda = Seda::new(1000.0, SedaSettings::default());
        let near = Observation { p95_s: 0.15, ..observation() };
        assert_eq!(admitted(&mut seda, &near), 1000.0);
        // s = .7 x .15 + .3 x .4 = .225, over the goal.
        let late = Observation { p95_s: 0.4, ..later(&near, 1.0) };
        assert!((admitted(&mut seda, &late) - 1000.0 / 1.1).abs() < 1e-9);
    }

    #[test]
    fn one_timeout_is_forgotten_again() {
        let mut seda = Seda::new(1000.0, SedaSettings::default());
        let mut seen = Observation { p95_s: f64::INFINITY, ..observation() };
        admitted(&mut seda, &seen);
        let mut lowest = f64::INFINITY;
        for _ in 0..60 {
            seen = Observation { p95_s: 0.05, ..later(&seen, 1.0) };
            lowest = lowest.min(admitted(&mut seda, &seen));
        }
        assert!(admitted(&mut seda, &later(&seen, 1.0)) > lowest, "it rises again");
    }

    #[test]
    fn a_second_without_completions_says_nothing() {
        let mut seda = Seda::new(1000.0, SedaSettings::default());
        let silent = Observation { samples: 0, p95_s: 0.0, ..observation() };
        assert_eq!(admitted(&mut seda, &silent), 1000.0);
    }
}
