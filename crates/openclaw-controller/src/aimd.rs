//! AIMD on the 95th percentile: the textbook feedback rule, here on a total admitted rate.
//!
//! The rule is Netflix' `AIMDLimit` (multiply by the back-off ratio when the signal is bad, add when it is good
//! and the limit is in use), with "p95 over the SLO" in the place of "a request timed out", evaluated once per
//! window of the percentile. Buckets only: as it is usually deployed, without an in-flight guard.

use crate::observation::{Action, Controller, Observation, SharedAction};

/// Settings of [`Aimd`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AimdSettings {
    /// Total admitted rate to begin with, ratings per second.
    pub start_per_s: f64,
    /// Added per window, as a fraction of `start_per_s`.
    pub increase_fraction: f64,
    /// Multiplied per window while p95 is over the SLO.
    pub backoff_ratio: f64,
    /// Time between two evaluations, in seconds.
    pub window_s: f64,
}

impl Default for AimdSettings {
    fn default() -> Self {
        Self { start_per_s: 1000.0, increase_fraction: 0.02, backoff_ratio: 0.9, window_s: 1.0 }
    }
}

/// The AIMD controller.
#[derive(Clone, Copy, Debug)]
pub struct Aimd {
    settings: AimdSettings,
    admitted_per_s: f64,
    evaluated_ns: Option<u64>,
}

impl Aimd {
    /// Starts at `settings.start_per_s`.
    #[must_use]
    pub fn new(settings: AimdSettings) -> Self {
        Self { settings, admitted_per_s: settings.start_per_s, evaluated_ns: None }
    }

    fn evaluate(&mut self, seen: &Observation) {
        if seen.p95_s > seen.slo_s {
            self.admitted_per_s *= self.settings.backoff_ratio;
        } else if seen.demand_fast_per_s * 2.0 >= self.admitted_per_s {
            self.admitted_per_s += self.settings.increase_fraction * self.settings.start_per_s;
        }
        let (lowest, highest) = (0.05 * self.settings.start_per_s, 100.0 * self.settings.start_per_s);
        self.admitted_per_s = self.admitted_per_s.clamp(lowest, highest);
    }
}

impl Controller for Aimd {
    fn name(&self) -> &'static str {
        "aimd"
    }

    fn guards(&self) -> bool {
        false
    }

    fn decide(&mut self, seen: &Observation) -> Action {
        let window_ns = (self.settings.window_s * crate::NS_PER_S) as u64;
        if self.evaluated_ns.is_none_or(|then| seen.now_ns.saturating_sub(then) >= window_ns) {
            self.evaluated_ns = Some(seen.now_ns);
            self.evaluate(seen);
        }
        Action::Shared(SharedAction::new(self.admitted_per_s, None, 1.5, 2.9))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::tests::observation;

    fn admitted(aimd: &mut Aimd, seen: &Observation) -> f64 {
        match aimd.decide(seen) {
            Action::Shared(shared) => shared.admitted_per_s,
            Action::PerUser(_) => unreachable!("AIMD shares a total"),
        }
    }

    #[test]
    fn it_backs_off_once_per_window_while_late_and_creeps_up_while_in_time() {
        let mut aimd = Aimd::new(AimdSettings::default());
        let late = Observation { p95_s: 0.3, demand_fast_per_s: 2000.0, ..observation() };
        assert!((admitted(&mut aimd, &late) - 900.0).abs() < 1e-9);
        assert!((admitted(&mut aimd, &late) - 900.0).abs() < 1e-9, "the same window counts once");
        let next = Observation { now_ns: late.now_ns + 1_000_000_000, ..late };
        assert!((admitted(&mut aimd, &next) - 810.0).abs() < 1e-9);
        let good = Observation { p95_s: 0.1, now_ns: next.now_ns + 1_000_000_000, ..next };
        assert!((admitted(&mut aimd, &good) - 830.0).abs() < 1e-9);
    }

    #[test]
    fn a_limit_that_is_not_in_use_does_not_grow() {
        let mut aimd = Aimd::new(AimdSettings::default());
        let idle = Observation { p95_s: 0.02, demand_fast_per_s: 10.0, ..observation() };
        assert_eq!(admitted(&mut aimd, &idle), 1000.0);
    }
}
