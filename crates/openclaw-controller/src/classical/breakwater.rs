//! Breakwater-like: a pool of credits steered by queueing delay.
//!
//! Source: Cho et al., "Overload Control for us-scale RPCs with Breakwater" (OSDI 2020), Caladan's `bw_server.c`: once
//! per round trip, with queueing delay d and target d_t = 40 % of the SLO, C += A n while d < d_t, else
//! C *= max(1 - B (d - d_t) / d_t, .5), A = .001, B = .02, n clients; arrivals that find a delay of 2 d_t are dropped.
//! Adapted: the pool is acted out as a concurrency limit; d is Little's wait over the base, the freshest signal there
//! is; a round trip is a tick; A n is a fraction of what the start keeps in flight, as an observation knows no clients
//! (.02: one credit for a thousand clients, on a pool of fifty). Handing out spare credits is water-filling's part; the
//! drop is the guard's, hence its default of 2 x 40 %.

use super::limit::queueing_s;
use super::{Limit, Pace, Parameter, settings, tame};
use crate::observation::{Action, Controller, Observation};

settings! {
    /// Settings of [`Breakwater`].
    BreakwaterSettings, guard 0.8 {
        /// Credits added per evaluation, as a fraction of what the start keeps in flight.
        increase: Parameter::log("increase", 0.001, 0.5, 0.02);
        /// B: how strongly an excess of delay shrinks the pool.
        decrease: Parameter::log("decrease", 0.002, 1.0, 0.02);
        /// d_t: queueing delay aimed at, as a fraction of the SLO.
        target: Parameter::even("target", 0.05, 0.8, 0.4);
        /// The pool shrinks at most by this factor in one evaluation.
        shrink_least: Parameter::even("shrinkLeast", 0.2, 0.95, 0.5);
        /// Time between two evaluations, in seconds.
        window_s: Parameter::log("windowS", 0.05, 1.0, 0.1);
    }
}

/// The Breakwater-like controller.
#[derive(Clone, Copy, Debug)]
pub struct Breakwater {
    settings: BreakwaterSettings,
    pace: Pace,
    credits: Limit,
}

impl Breakwater {
    /// Begins at what `start_per_s`, the configured start of the total admitted rate, keeps in flight.
    #[must_use]
    pub fn new(start_per_s: f64, settings: BreakwaterSettings) -> Self {
        Self { settings, pace: Pace::new(settings.window_s), credits: Limit::new(start_per_s) }
    }

    fn evaluate(&mut self, seen: &Observation) {
        let BreakwaterSettings { increase, decrease, target, shrink_least, .. } = self.settings;
        let (delay_s, target_s) = (queueing_s(seen), target * seen.slo_s);
        let credits = self.credits.get(seen);
        let credits = if delay_s < target_s {
            credits + increase * self.credits.start(seen)
        } else {
            credits * (1.0 - decrease * (delay_s - target_s) / target_s).max(shrink_least)
        };
        self.credits.set(credits, seen);
    }
}

impl Controller for Breakwater {
    fn name(&self) -> &'static str {
        "breakwater"
    }

    fn guards(&self) -> bool {
        self.settings.handout.guard.is_some()
    }

    fn decide(&mut self, seen: &Observation) -> Action {
        let seen = tame(seen);
        if self.pace.is_due(seen.now_ns) {
            self.evaluate(&seen);
        }
        // The drop is at a delay of its own and not at the pool's size: credits given out are not yet in flight.
        let admitted = self.credits.admitted_per_s(&seen);
        self.settings.handout.action(admitted, &seen)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{admitted, shared};
    use super::*;
    use crate::observation::tests::observation;

    #[test]
    fn under_the_target_delay_credits_are_added() {
        let mut breakwater = Breakwater::new(1000.0, BreakwaterSettings::default());
        // Pool 1000/s x 30 ms = 30; added .02 of 1000/s x 20 ms.
        assert!((admitted(&mut breakwater, &observation()) - 30.4 / 0.03).abs() < 1e-9);
    }

    #[test]
    fn over_the_target_delay_the_pool_shrinks_with_the_excess() {
        let mut breakwater = Breakwater::new(1000.0, BreakwaterSettings::default());
        // d = 108 / 600 - 20 ms = 160 ms = 2 d_t: the pool of 180 shrinks by B.
        let seen = Observation { in_flight: 108.0, p50_s: 0.18, ..observation() };
        assert!((admitted(&mut breakwater, &seen) - 1000.0 * 0.98).abs() < 1e-9);
    }

    #[test]
    fn it_shrinks_at_most_by_half() {
        let settings = BreakwaterSettings { decrease: 1.0, ..BreakwaterSettings::default() };
        let mut breakwater = Breakwater::new(1000.0, settings);
        let seen = Observation { in_flight: 1e6, ..observation() };
        assert!((admitted(&mut breakwater, &seen) - 500.0).abs() < 1e-9);
    }

    #[test]
    fn arrivals_are_dropped_at_twice_the_target() {
        let mut breakwater = Breakwater::new(1000.0, BreakwaterSettings::default());
        let guard_s = shared(breakwater.decide(&observation())).guard_s.unwrap();
        assert!((guard_s - 0.16).abs() < 1e-12);
    }
}
