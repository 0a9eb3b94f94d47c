//! Envoy's gradient: a concurrency limit against the latency of a service that is held almost idle now and then.
//!
//! Source: Envoy's adaptive concurrency filter, `gradient_controller.cc` and its documentation:
//! g = clamp(1.25 minRTT / sampleRTT, .5, 2); L <- g L + sqrt(g L), at least 3, every 100 ms on the median; minRTT is the
//! median of 50 requests during which L is pinned at 3, once a minute and after five evaluations at the minimum. Adapted:
//! the median here spans a second, so a probe lasts at least that long, or it would measure what came before it; the
//! interval's jitter of 15 % is left out, as there is one limit and nobody to be out of step with.

use super::limit::latency_s;
use super::{Limit, Pace, Parameter, settings, tame};
use crate::NS_PER_S;
use crate::observation::{Action, Controller, Observation};

settings! {
    /// Settings of [`EnvoyGradient`].
    EnvoyGradientSettings, guard 0.9 {
        /// Latency over minRTT that passes for no queue, as a factor.
        buffer: Parameter::even("buffer", 1.0, 4.0, 1.25);
        /// The gradient is at least this.
        gradient_least: Parameter::even("gradientLeast", 0.2, 0.95, 0.5);
        /// The gradient is at most this.
        gradient_most: Parameter::even("gradientMost", 1.01, 3.0, 2.0);
        /// Requests that may always be in flight, and all that may during a probe.
        pinned: Parameter::log("pinned", 1.0, 64.0, 3.0);
        /// Latencies that a probe takes.
        probe_samples: Parameter::log("probeSamples", 5.0, 200.0, 50.0);
        /// Time between two probes, in seconds.
        interval_s: Parameter::log("intervalS", 5.0, 600.0, 60.0);
        /// Time between two evaluations, in seconds.
        window_s: Parameter::log("windowS", 0.1, 2.0, 0.1);
    }
}

/// Evaluations at the minimum after which minRTT is in doubt.
const MINIMUM_EVALUATIONS_MOST: u32 = 5;
/// What the median spans.
const MEDIAN_SPAN_NS: u64 = 1_000_000_000;

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// L is pinned and latencies are counted.
    Probing { since_ns: u64, counted_ns: u64, samples: f64 },
    /// L follows the gradient.
    Following { since_ns: u64, at_minimum: u32 },
}

impl Phase {
    fn probing(now_ns: u64) -> Self {
        Self::Probing { since_ns: now_ns, counted_ns: now_ns, samples: 0.0 }
    }
}

/// The Envoy gradient controller.
#[derive(Clone, Copy, Debug)]
pub struct EnvoyGradient {
    settings: EnvoyGradientSettings,
    pace: Pace,
    limit: Limit,
    /// `None` before the first observation; the original begins with a probe, too.
    phase: Option<Phase>,
    min_rtt_s: f64,
}

impl EnvoyGradient {
    /// Begins at what `start_per_s`, the configured start of the total admitted rate, keeps in flight.
    #[must_use]
    pub fn new(start_per_s: f64, settings: EnvoyGradientSettings) -> Self {
        let (pace, limit) = (Pace::new(settings.window_s), Limit::new(start_per_s));
        Self { settings, pace, limit, phase: None, min_rtt_s: 0.0 }
    }

    fn probe(&mut self, seen: &Observation, since_ns: u64, counted_ns: u64, samples: f64) -> Phase {
        let passed_s = seen.now_ns.saturating_sub(counted_ns) as f64 / NS_PER_S;
        // The samples seen are those of a second.
        let samples = samples + seen.samples as f64 * passed_s.min(1.0);
        let spanned = seen.now_ns.saturating_sub(since_ns) >= MEDIAN_SPAN_NS;
        if spanned && samples >= self.settings.probe_samples && seen.samples > 0 {
            self.min_rtt_s = latency_s(seen);
            return Phase::Following { since_ns: seen.now_ns, at_minimum: 0 };
        }
        Phase::Probing { since_ns, counted_ns: seen.now_ns, samples }
    }

    fn follow(&mut self, seen: &Observation, since_ns: u64, at_minimum: u32) -> Phase {
        if seen.now_ns.saturating_sub(since_ns) as f64 >= self.settings.interval_s * NS_PER_S {
            return Phase::probing(seen.now_ns);
        }
        if !self.pace.is_due(seen.now_ns) || seen.samples == 0 {
            return Phase::Following { since_ns, at_minimum };
        }
        let EnvoyGradientSettings { buffer, gradient_least, gradient_most, pinned, .. } = self.settings;
        let gradient = (buffer * self.min_rtt_s / latency_s(seen)).clamp(gradient_least, gradient_most);
        let (before, scaled) = (self.limit.get(seen), gradient * self.limit.get(seen));
        self.limit.set((scaled + scaled.sqrt()).max(pinned), seen);
        let is_minimum = before <= pinned && self.limit.get(seen) <= pinned;
        let at_minimum = if is_minimum { at_minimum + 1 } else { 0 };
        if at_minimum >= MINIMUM_EVALUATIONS_MOST {
            return Phase::probing(seen.now_ns);
        }
        Phase::Following { since_ns, at_minimum }
    }
}

impl Controller for EnvoyGradient {
    fn name(&self) -> &'static str {
        "envoy-gradient"
    }

    fn guards(&self) -> bool {
        self.settings.handout.guard.is_some()
    }

    fn decide(&mut self, seen: &Observation) -> Action {
        let seen = tame(seen);
        let phase = match self.phase {
            None => Phase::probing(seen.now_ns),
            Some(Phase::Probing { since_ns, counted_ns, samples }) => {
                self.probe(&seen, since_ns, counted_ns, samples)
            }
            Some(Phase::Following { since_ns, at_minimum }) => self.follow(&seen, since_ns, at_minimum),
        };
        self.phase = Some(phase);
        let limit = match phase {
            Phase::Probing { .. } => self.settings.pinned,
            Phase::Following { .. } => self.limit.get(&seen),
        };
        self.limit.act_out(limit, &self.settings.handout, &seen)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{admitted, later};
    use super::*;
    use crate::observation::tests::observation;

    /// A controller whose first probe has just ended, at a latency of 20 ms, and the observation that ended it.
    fn probed() -> (EnvoyGradient, Observation) {
        let mut envoy = EnvoyGradient::new(1000.0, EnvoyGradientSettings::default());
        let quiet = Observation { p50_s: 0.02, samples: 100, ..observation() };
        assert!((admitted(&mut envoy, &quiet) - 150.0).abs() < 1e-9, "three requests of 20 ms");
        assert!((admitted(&mut envoy, &later(&quiet, 0.9)) - 150.0).abs() < 1e-9);
        let end = later(&quiet, 1.0);
        admitted(&mut envoy, &end);
        assert_eq!(envoy.min_rtt_s, 0.02);
        (envoy, end)
    }

    #[test]
    fn it_begins_with_a_probe_that_outlasts_the_medians_span() {
        let (mut envoy, end) = probed();
        // L = 1000/s x 50 ms = 50 at the first look; g = 1.25 x 20 / 50 = .5; L = 25 + 5.
        let seen = Observation { p50_s: 0.05, ..later(&end, 0.1) };
        assert!((admitted(&mut envoy, &seen) - 30.0 / 0.05).abs() < 1e-9);
    }

    #[test]
    fn a_probe_of_a_quiet_service_waits_for_its_samples() {
        let mut envoy = EnvoyGradient::new(1000.0, EnvoyGradientSettings::default());
        let mut seen = Observation { samples: 10, ..observation() };
        for _ in 0..49 {
            admitted(&mut envoy, &seen);
            seen = later(&seen, 0.1);
        }
        assert!(matches!(envoy.phase, Some(Phase::Probing { .. })), "49 of 50");
        for _ in 0..3 {
            admitted(&mut envoy, &seen);
            seen = later(&seen, 0.1);
        }
        assert!(matches!(envoy.phase, Some(Phase::Following { .. })));
    }

    #[test]
    fn a_minute_later_it_probes_again_and_then_goes_on_where_it_was() {
        let (mut envoy, end) = probed();
        let seen = Observation { p50_s: 0.05, ..later(&end, 0.1) };
        admitted(&mut envoy, &seen);
        let minute = Observation { now_ns: end.now_ns + 60_000_000_000, ..seen };
        assert!((admitted(&mut envoy, &minute) - 3.0 / 0.05).abs() < 1e-9);
        assert!((admitted(&mut envoy, &later(&minute, 1.0)) - 30.0 / 0.05).abs() < 1e-9);
    }

    #[test]
    fn five_evaluations_at_the_minimum_put_the_least_latency_in_doubt() {
        let (mut envoy, mut seen) = probed();
        for _ in 0..20 {
            seen = Observation { p50_s: 2.0, ..later(&seen, 0.1) };
            admitted(&mut envoy, &seen);
            if matches!(envoy.phase, Some(Phase::Probing { .. })) {
                return;
            }
        }
        panic!("it never probed again: {:?}", envoy.phase);
    }
}
