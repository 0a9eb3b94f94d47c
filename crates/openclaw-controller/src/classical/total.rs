//! R, between a floor that keeps every service tried and a ceiling that keeps rules from running away.
//!
//! The floor: a service that admits nothing completes nothing, and a rule that sees no latency would never raise R
//! again. The ceiling: while a limit binds nobody, most rules raise it for as long as that lasts, and would need as long
//! to come down when it matters. The originals have fixed bounds for both, in requests (20 to 200, say); these scale.

use super::Handout;
use super::tame::FLOW_MOST_PER_S;
use crate::observation::{Action, Observation};

/// Always admitted, as a fraction of the peak throughput.
const FLOOR_OF_PEAK: f64 = 0.03;
/// Always admitted, as a fraction of the configured start.
const FLOOR_OF_START: f64 = 0.05;
/// R is at most this multiple of the highest of demand, peak throughput and start: the same factor at which the
/// published rules call a limit unused.
const CEILING: f64 = 2.0;

/// A total admitted rate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Total {
    start_per_s: f64,
    per_s: f64,
}

impl Total {
    /// Begins at `start_per_s`, the configured start of the total admitted rate.
    pub(super) fn new(start_per_s: f64) -> Self {
        // A start that is none would make every bound nothing.
        let start_per_s = if start_per_s > 0.0 { start_per_s.clamp(1e-9, FLOW_MOST_PER_S) } else { 1e-9 };
        Self { start_per_s, per_s: start_per_s }
    }

    /// The configured start.
    pub(super) fn start_per_s(&self) -> f64 {
        self.start_per_s
    }

    /// R.
    pub(super) fn per_s(&self) -> f64 {
        self.per_s
    }

    /// The least that R may be. Takes a tame observation, as all that follow.
    pub(super) fn floor_per_s(&self, seen: &Observation) -> f64 {
        (FLOOR_OF_PEAK * seen.throughput_peak_per_s).max(FLOOR_OF_START * self.start_per_s)
    }

    /// The most that R may be.
    pub(super) fn ceiling_per_s(&self, seen: &Observation) -> f64 {
        let asked = seen.demand_fast_per_s.max(seen.demand_slow_per_s);
        CEILING * asked.max(seen.throughput_peak_per_s).max(self.start_per_s)
    }

    /// Moves R to `per_s`, or as near to it as floor and ceiling let it.
    pub(super) fn set(&mut self, per_s: f64) {
        self.per_s = per_s;
    }

    /// R within its bounds, handed out.
    pub(super) fn action(&mut self, handout: &Handout, seen: &Observation) -> Action {
        self.settle(seen);
        handout.action(self.per_s, seen)
    }

    /// Brings R within the bounds of what is seen now.
    pub(super) fn settle(&mut self, seen: &Observation) {
        self.per_s = self.per_s.clamp(self.floor_per_s(seen), self.ceiling_per_s(seen));
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::shared;
    use super::*;
    use crate::observation::tests::observation;

    const BUCKETS: Handout = Handout { bucket_s: 1.0, headroom: 3.0, guard: None };

    fn settled(start_per_s: f64, per_s: f64, seen: &Observation) -> f64 {
        let mut total = Total::new(start_per_s);
        total.set(per_s);
        shared(total.action(&BUCKETS, seen)).admitted_per_s
    }

    #[test]
    fn a_twentieth_of_the_start_and_a_little_of_the_peak_are_always_admitted() {
        let seen = observation();
        assert_eq!(settled(1000.0, 0.0, &seen), 50.0);
        assert_eq!(settled(100.0, 0.0, &seen), 24.0);
    }

    #[test]
    fn a_total_that_binds_nobody_grows_no_further() {
        let seen = observation();
        assert_eq!(settled(100.0, 1e9, &seen), 1600.0, "twice the peak");
        assert_eq!(settled(1000.0, 1e9, &seen), 2000.0, "twice the start");
        let asked = Observation { demand_fast_per_s: 3000.0, ..seen };
        assert_eq!(settled(1000.0, 1e9, &asked), 6000.0, "twice what is asked for");
    }

    #[test]
    fn a_start_that_is_none_still_gives_a_total() {
        assert!(Total::new(0.0).per_s() > 0.0);
        assert!(Total::new(f64::NAN).per_s() > 0.0);
        assert!(Total::new(f64::INFINITY).per_s().is_finite());
    }
}
