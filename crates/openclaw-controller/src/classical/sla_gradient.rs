//! SLA-gradient: a gradient concurrency limit whose anchor is the objective, not a measured ideal.
//!
//! Source: NVIDIA Dynamo's draft "E2E Latency Rejection" (issue 9047 of ai-dynamo/dynamo): g = clamp(T / p95);
//! L <- clamp(g L + sqrt(L)), held while samples are few. Where Gradient2 and Envoy compare with a baseline that drifts
//! into an outage, this one cannot. The draft publishes no bounds for g; .5 and 2 are Envoy's. The square root is in
//! requests, as in the draft.

use super::{Limit, Pace, Parameter, settings, tame};
use crate::observation::{Action, Controller, Observation};

settings! {
    /// Settings of [`SlaGradient`].
    SlaGradientSettings, guard 0.9 {
        /// The gradient is at least this.
        gradient_least: Parameter::even("gradientLeast", 0.2, 0.95, 0.5);
        /// The gradient is at most this.
        gradient_most: Parameter::even("gradientMost", 1.01, 3.0, 2.0);
        /// Requests over the gradient, as a multiple of the limit's square root.
        probe: Parameter::log("probe", 0.05, 3.0, 1.0);
        /// The goal of p95, as a fraction of the SLO.
        goal: Parameter::even("goal", 0.2, 1.0, 1.0);
        /// Latencies that an evaluation needs.
        samples_least: Parameter::log("samplesLeast", 1.0, 100.0, 10.0);
        /// Time between two evaluations, in seconds.
        window_s: Parameter::log("windowS", 0.1, 2.0, 1.0);
    }
}

/// The SLA-gradient controller.
#[derive(Clone, Copy, Debug)]
pub struct SlaGradient {
    settings: SlaGradientSettings,
    pace: Pace,
    limit: Limit,
}

impl SlaGradient {
    /// Begins at what `start_per_s`, the configured start of the total admitted rate, keeps in flight.
    #[must_use]
    pub fn new(start_per_s: f64, settings: SlaGradientSettings) -> Self {
        Self { settings, pace: Pace::new(settings.window_s), limit: Limit::new(start_per_s) }
    }

    fn evaluate(&mut self, seen: &Observation) {
        let settings = &self.settings;
        let goal_s = settings.goal * seen.slo_s;
        let gradient = (goal_s / seen.p95_s.max(1e-3 * seen.slo_s))
            .clamp(settings.gradient_least, settings.gradient_most);
        let limit = self.limit.get(seen);
        self.limit.set(gradient * limit + settings.probe * limit.sqrt(), seen);
    }
}

impl Controller for SlaGradient {
    fn name(&self) -> &'static str {
        "sla-gradient"
    }

    fn guards(&self) -> bool {
        self.settings.handout.guard.is_some()
    }

    fn decide(&mut self, seen: &Observation) -> Action {
        let seen = tame(seen);
        if self.pace.is_due(seen.now_ns) && seen.samples as f64 >= self.settings.samples_least {
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
    fn the_limit_follows_the_objective_over_the_percentile() {
        let mut gradient = SlaGradient::new(1000.0, SlaGradientSettings::default());
        // L begins at 1000/s x 30 ms = 30; g = .2 / .25 = .8; L = 24 + sqrt(30), acted out over 30 ms.
        let late = Observation { p95_s: 0.25, ..observation() };
        assert!((admitted(&mut gradient, &late) - (24.0 + 30.0_f64.sqrt()) / 0.03).abs() < 1e-9);
    }

    #[test]
    fn one_window_moves_the_limit_by_a_bounded_factor() {
        let mut gradient = SlaGradient::new(1000.0, SlaGradientSettings::default());
        let timed_out = Observation { p95_s: f64::INFINITY, ..observation() };
        assert!((admitted(&mut gradient, &timed_out) - (15.0 + 30.0_f64.sqrt()) / 0.03).abs() < 1e-9);
    }

    #[test]
    fn few_samples_change_nothing() {
        let mut gradient = SlaGradient::new(1000.0, SlaGradientSettings::default());
        let few = Observation { samples: 9, p95_s: 3.0, ..observation() };
        assert!((admitted(&mut gradient, &few) - 1000.0).abs() < 1e-9);
        assert!((admitted(&mut gradient, &later(&few, 1.0)) - 1000.0).abs() < 1e-9);
    }
}
