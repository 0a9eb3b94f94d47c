//! DAGOR-like: an admission level moved by queueing time, once a second.
//!
//! Source: Zhou et al., "Overload Control for Scaling WeChat Microservices" (SoCC 2018), `dagor-grpc` and Caladan's
//! `dg_server.c`: every second or 2,000 requests, where the mean queueing time is over 20 ms, (1 - alpha) of what was
//! admitted is to be admitted next, else what was admitted and beta of what came in; alpha = 5 %, beta = 1 %. Adapted:
//! the number to admit is R itself, while the original walks a histogram of priorities to the level that admits it, a
//! choice that is water-filling's here; queueing time is the median over the base; 20 ms belong to requests of 200 ms
//! and are a tenth of the SLO.

use super::limit::{base_s, latency_s};
use super::{Parameter, Total, settings, tame};
use crate::NS_PER_S;
use crate::observation::{Action, Controller, Observation};

settings! {
    /// Settings of [`Dagor`].
    DagorSettings, guard 0.0 {
        /// Fraction of what was admitted that is given up in overload.
        alpha: Parameter::log("alpha", 0.005, 0.5, 0.05);
        /// Fraction of what came in that is added otherwise.
        beta: Parameter::log("beta", 0.001, 0.3, 0.01);
        /// Queueing time that is overload, as a fraction of the SLO.
        threshold: Parameter::log("threshold", 0.02, 0.8, 0.1);
        /// Time between two evaluations, in seconds.
        window_s: Parameter::log("windowS", 0.1, 2.0, 1.0);
        /// Requests after which an evaluation does not wait for its time.
        window_requests: Parameter::log("windowRequests", 50.0, 20_000.0, 2000.0);
    }
}

/// The DAGOR-like controller.
#[derive(Clone, Copy, Debug)]
pub struct Dagor {
    settings: DagorSettings,
    total: Total,
    ticked_ns: Option<u64>,
    passed_s: f64,
    requests: f64,
}

impl Dagor {
    /// Begins at `start_per_s`, the configured start of the total admitted rate.
    #[must_use]
    pub fn new(start_per_s: f64, settings: DagorSettings) -> Self {
        let total = Total::new(start_per_s);
        Self { settings, total, ticked_ns: None, passed_s: 0.0, requests: 0.0 }
    }

    /// Whether the window is over: by time or by requests, whichever comes first.
    fn is_due(&mut self, seen: &Observation) -> bool {
        let passed_ns = self.ticked_ns.map_or(0, |then| seen.now_ns.saturating_sub(then));
        let first = self.ticked_ns.replace(seen.now_ns).is_none();
        let passed_s = passed_ns as f64 / NS_PER_S;
        self.passed_s += passed_s;
        self.requests += passed_s * seen.demand_fast_per_s;
        let over = self.passed_s >= self.settings.window_s || self.requests >= self.settings.window_requests;
        if first || over {
            (self.passed_s, self.requests) = (0.0, 0.0);
        }
        first || over
    }

    fn evaluate(&mut self, seen: &Observation) {
        let DagorSettings { alpha, beta, threshold, .. } = self.settings;
        let (allowed_per_s, admitted_per_s) = (self.total.per_s(), seen.accepted_fast_per_s);
        let queueing_s = latency_s(seen) - base_s(seen);
        self.total.set(if queueing_s > threshold * seen.slo_s {
            (1.0 - alpha) * allowed_per_s.min(admitted_per_s)
        } else {
            // A level that refuses nobody allows more than what came in.
            allowed_per_s.max(admitted_per_s) + beta * seen.demand_fast_per_s
        });
    }
}

impl Controller for Dagor {
    fn name(&self) -> &'static str {
        "dagor"
    }

    fn guards(&self) -> bool {
        self.settings.handout.guard.is_some()
    }

    fn decide(&mut self, seen: &Observation) -> Action {
        let seen = tame(seen);
        if self.is_due(&seen) && seen.samples > 0 {
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
    fn a_twentieth_of_what_was_admitted_is_given_up_in_overload() {
        let mut dagor = Dagor::new(1000.0, DagorSettings::default());
        // 30 ms over a base of 20 are no overload, 41 are: R = .95 x 600.
        let queueing = Observation { p50_s: 0.041, ..observation() };
        assert!((admitted(&mut dagor, &queueing) - 570.0).abs() < 1e-9);
    }

    #[test]
    fn a_hundredth_of_what_came_in_is_added_otherwise_once_a_second() {
        let mut dagor = Dagor::new(1000.0, DagorSettings::default());
        assert!((admitted(&mut dagor, &observation()) - 1006.0).abs() < 1e-9);
        let soon = later(&observation(), 0.9);
        assert!((admitted(&mut dagor, &soon) - 1006.0).abs() < 1e-9);
        assert!((admitted(&mut dagor, &later(&soon, 0.1)) - 1012.0).abs() < 1e-9);
    }

    #[test]
    fn two_thousand_requests_do_not_wait_for_the_second() {
        let mut dagor = Dagor::new(1000.0, DagorSettings::default());
        let crowd = Observation { demand_fast_per_s: 10_000.0, ..observation() };
        assert!((admitted(&mut dagor, &crowd) - 1100.0).abs() < 1e-9);
        assert!((admitted(&mut dagor, &later(&crowd, 0.1)) - 1100.0).abs() < 1e-9, "1000 requests");
        assert!((admitted(&mut dagor, &later(&crowd, 0.2)) - 1200.0).abs() < 1e-9, "2000 requests");
    }
}
