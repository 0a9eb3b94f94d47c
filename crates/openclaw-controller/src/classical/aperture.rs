//! FluxNinja Aperture's AIMD: a load multiplier on what was admitted lately.
//!
//! Source: Aperture's `gradient-controller.go` and the defaults of its adaptive load scheduler: R = (30 s mean of the
//! admitted rate) m; where the signal p is over its setpoint T, m <- m_seen clamp((p / T)^-1, .1, 1), with m_seen the
//! multiplier that was in fact admitted; else m += .025 per evaluation, up to 2. Adapted: p is p95 and T the SLO; an
//! evaluation is a second, as the deployed interval is a matter of configuration.

use super::{Pace, Parameter, Total, settings, tame};
use crate::NS_PER_S;
use crate::observation::{Action, Controller, Observation};

settings! {
    /// Settings of [`Aperture`].
    ApertureSettings, guard 0.0 {
        /// Added to the multiplier in each evaluation while p95 is within the goal.
        increase: Parameter::log("increase", 0.002, 0.5, 0.025);
        /// Exponent of the gradient, negated.
        slope: Parameter::even("slope", 0.2, 3.0, 1.0);
        /// The gradient is at least this.
        gradient_least: Parameter::even("gradientLeast", 0.05, 0.95, 0.1);
        /// The multiplier is at most this.
        multiplier_most: Parameter::log("multiplierMost", 1.1, 5.0, 2.0);
        /// Time over which the admitted rate is averaged, in seconds.
        past_s: Parameter::log("pastS", 1.0, 120.0, 30.0);
        /// The goal of p95, as a fraction of the SLO.
        goal: Parameter::even("goal", 0.3, 1.0, 1.0);
        /// Time between two evaluations, in seconds.
        window_s: Parameter::log("windowS", 0.1, 2.0, 1.0);
    }
}

/// The Aperture AIMD controller.
#[derive(Clone, Copy, Debug)]
pub struct Aperture {
    settings: ApertureSettings,
    pace: Pace,
    total: Total,
    past_per_s: f64,
    ticked_ns: Option<u64>,
    multiplier: f64,
}

impl Aperture {
    /// Begins at `start_per_s`, the configured start of the total admitted rate, as if that had been admitted before.
    #[must_use]
    pub fn new(start_per_s: f64, settings: ApertureSettings) -> Self {
        let (pace, total) = (Pace::new(settings.window_s), Total::new(start_per_s));
        Self { settings, pace, total, past_per_s: total.start_per_s(), ticked_ns: None, multiplier: 1.0 }
    }

    fn remember(&mut self, seen: &Observation) {
        let since_ns = self.ticked_ns.map_or(0, |then| seen.now_ns.saturating_sub(then));
        self.ticked_ns = Some(seen.now_ns);
        let weight = (since_ns as f64 / NS_PER_S / self.settings.past_s).min(1.0);
        self.past_per_s += weight * (seen.accepted_fast_per_s - self.past_per_s);
        // A past of nothing would multiply to nothing for ever.
        self.past_per_s = self.past_per_s.max(self.total.floor_per_s(seen));
    }

    fn evaluate(&mut self, seen: &Observation) {
        let ApertureSettings { increase, slope, gradient_least, multiplier_most, goal, .. } = self.settings;
        let excess = seen.p95_s / (goal * seen.slo_s);
        self.multiplier = if excess > 1.0 {
            let admitted = (seen.accepted_fast_per_s / self.past_per_s).min(self.multiplier);
            admitted * excess.powf(-slope).clamp(gradient_least, 1.0)
        } else {
            (self.multiplier + increase).min(multiplier_most)
        };
    }
}

impl Controller for Aperture {
    fn name(&self) -> &'static str {
        "aperture"
    }

    fn guards(&self) -> bool {
        self.settings.handout.guard.is_some()
    }

    fn decide(&mut self, seen: &Observation) -> Action {
        let seen = tame(seen);
        self.remember(&seen);
        if self.pace.is_due(seen.now_ns) && seen.samples > 0 {
            self.evaluate(&seen);
        }
        self.total.set(self.past_per_s * self.multiplier);
        self.total.action(&self.settings.handout, &seen)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{admitted, later};
    use super::*;
    use crate::observation::tests::observation;

    #[test]
    fn in_time_the_multiplier_grows_by_a_fortieth() {
        let mut aperture = Aperture::new(1000.0, ApertureSettings::default());
        assert!((admitted(&mut aperture, &observation()) - 1025.0).abs() < 1e-9);
        // The past moves by a thirtieth of the way to what was admitted in the second.
        let past_per_s = 1000.0 - 400.0 / 30.0;
        let next = later(&observation(), 1.0);
        assert!((admitted(&mut aperture, &next) - past_per_s * 1.05).abs() < 1e-9);
    }

    #[test]
    fn late_the_multiplier_is_what_was_admitted_times_the_gradient() {
        let mut aperture = Aperture::new(1000.0, ApertureSettings::default());
        // 800 of a past of 1000 were admitted, p95 is twice the SLO.
        let late = Observation { p95_s: 0.4, accepted_fast_per_s: 800.0, ..observation() };
        assert!((admitted(&mut aperture, &late) - 400.0).abs() < 1e-9);
    }

    #[test]
    fn one_evaluation_takes_at_most_nine_tenths() {
        let settings = ApertureSettings { slope: 3.0, ..ApertureSettings::default() };
        let mut aperture = Aperture::new(1000.0, settings);
        let lost = Observation { p95_s: f64::INFINITY, accepted_fast_per_s: 1000.0, ..observation() };
        assert!((admitted(&mut aperture, &lost) - 100.0).abs() < 1e-9);
    }

    #[test]
    fn a_service_that_admitted_nothing_is_tried_again() {
        let mut aperture = Aperture::new(1000.0, ApertureSettings::default());
        let mut seen = Observation { accepted_fast_per_s: 0.0, p95_s: 3.0, ..observation() };
        for _ in 0..200 {
            admitted(&mut aperture, &seen);
            seen = later(&seen, 1.0);
        }
        for _ in 0..20 {
            seen = Observation { p95_s: 0.05, accepted_fast_per_s: 50.0, ..later(&seen, 1.0) };
            admitted(&mut aperture, &seen);
        }
        assert!(aperture.multiplier > 0.4);
    }
}
