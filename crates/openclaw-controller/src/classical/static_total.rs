//! A static total: a constant admitted rate, shared by water-filling. Best in hindsight when tuned.
//!
//! The fair half of the static baseline. [`Fixed`](super::Fixed) is what services run, with one limit per user; this
//! one has the water-filling of all other rules and lacks the feedback alone, so what separates it from them is worth
//! of feedback. An oracle for a steady load at a known capacity, and lost where either moves.

use super::{Handout, Parameter, Total, settings, tame};
use crate::observation::{Action, Controller, Observation};

settings! {
    /// Settings of [`StaticTotal`].
    StaticTotalSettings, guard 0.0 {
        /// The total, as a fraction of the configured start.
        admitted: Parameter::log("admitted", 0.1, 5.0, 1.0);
    }
}

/// The static total.
#[derive(Clone, Copy, Debug)]
pub struct StaticTotal {
    admitted_per_s: f64,
    handout: Handout,
    total: Total,
}

impl StaticTotal {
    /// Admits `settings.admitted` of `start_per_s`, the configured start of the total admitted rate.
    #[must_use]
    pub fn new(start_per_s: f64, settings: StaticTotalSettings) -> Self {
        let total = Total::new(start_per_s);
        let admitted_per_s = settings.admitted * total.start_per_s();
        Self { admitted_per_s, handout: settings.handout, total }
    }
}

impl Controller for StaticTotal {
    fn name(&self) -> &'static str {
        "static-total"
    }

    fn guards(&self) -> bool {
        self.handout.guard.is_some()
    }

    fn decide(&mut self, seen: &Observation) -> Action {
        let seen = tame(seen);
        // A constant runs away from nothing: the floor holds, the ceiling does not.
        let admitted_per_s = self.admitted_per_s.max(self.total.floor_per_s(&seen));
        self.handout.action(admitted_per_s, &seen)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::admitted;
    use super::*;
    use crate::observation::tests::observation;

    #[test]
    fn the_total_is_the_same_whatever_is_seen() {
        let settings = StaticTotalSettings { admitted: 0.8, ..StaticTotalSettings::default() };
        let mut constant = StaticTotal::new(1000.0, settings);
        assert_eq!(admitted(&mut constant, &observation()), 800.0);
        let late = Observation { p95_s: 3.0, in_flight: 900.0, ..observation() };
        assert_eq!(admitted(&mut constant, &late), 800.0);
    }

    #[test]
    fn the_floor_follows_the_peak() {
        let settings = StaticTotalSettings { admitted: 0.1, ..StaticTotalSettings::default() };
        let busy = Observation { throughput_peak_per_s: 1e5, ..observation() };
        assert_eq!(admitted(&mut StaticTotal::new(1000.0, settings), &busy), 3000.0);
    }
}
