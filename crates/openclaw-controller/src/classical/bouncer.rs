//! Bouncer-like: admits what can be expected to meet the percentile objective.
//!
//! Source: "Bouncer: Admission Control with Response Time Objectives" (LinkedIn, arXiv 2312.15123), by its abstract and
//! the formula as told by others: admit where the mean wait of what is queued (queued work / workers) and the 95th
//! percentile of the service time are within the objective. Adapted: no queue or worker is seen from here, so the wait
//! is Little's, in flight / throughput less the base; the service time's percentile is the lowest 1 s p95 of 30 s; and
//! since a total acts until the next tick, R is what brings the wait to its budget within a horizon, while the guard, by
//! default on, decides request by request as the original does.

use std::collections::VecDeque;

use super::limit::{base_s, queueing_s, throughput_per_s};
use super::{Pace, Parameter, Total, settings, tame};
use crate::observation::{Action, Controller, Observation};

settings! {
    /// Settings of [`Bouncer`].
    BouncerSettings, guard 0.9 {
        /// The objective, as a fraction of the SLO.
        goal: Parameter::even("goal", 0.3, 1.2, 1.0);
        /// Time in which the wait is to reach its budget, in units of the SLO.
        horizon: Parameter::log("horizon", 0.2, 10.0, 1.0);
    }
}

/// Seconds over which the service time's percentile is the lowest seen.
const SERVICE_WINDOW: usize = 30;
/// The budget of the wait is at least this fraction of the SLO: a service slower than its objective would otherwise
/// never be let try.
const BUDGET_LEAST: f64 = 0.05;

/// The Bouncer-like controller.
#[derive(Clone, Debug)]
pub struct Bouncer {
    settings: BouncerSettings,
    second: Pace,
    total: Total,
    percentiles_s: VecDeque<f64>,
}

impl Bouncer {
    /// `start_per_s` is the configured start of the total admitted rate.
    #[must_use]
    pub fn new(start_per_s: f64, settings: BouncerSettings) -> Self {
        let percentiles_s = VecDeque::with_capacity(SERVICE_WINDOW);
        Self { settings, second: Pace::new(1.0), total: Total::new(start_per_s), percentiles_s }
    }

    /// The 95th percentile of the service time, in seconds, and of nothing else: the least that was seen.
    fn service_s(&mut self, seen: &Observation) -> f64 {
        let present_s = if seen.samples == 0 { f64::INFINITY } else { seen.p95_s };
        if self.second.is_due(seen.now_ns) && present_s.is_finite() {
            if self.percentiles_s.len() == SERVICE_WINDOW {
                self.percentiles_s.pop_front();
            }
            self.percentiles_s.push_back(present_s);
        }
        let least_s = self.percentiles_s.iter().copied().fold(present_s, f64::min);
        if least_s.is_finite() { least_s.max(seen.base_s) } else { seen.base_s }
    }
}

impl Controller for Bouncer {
    fn name(&self) -> &'static str {
        "bouncer"
    }

    fn guards(&self) -> bool {
        self.settings.handout.guard.is_some()
    }

    fn decide(&mut self, seen: &Observation) -> Action {
        let seen = tame(seen);
        let BouncerSettings { goal, horizon, handout } = self.settings;
        let budget_s = (goal * seen.slo_s - self.service_s(&seen)).max(BUDGET_LEAST * seen.slo_s);
        let spare_s = budget_s - queueing_s(&seen);
        let throughput_per_s = throughput_per_s(&seen);
        // What is spare fills at the pace last shown, not at that of a service nobody asks: it would stay idle.
        let pace_per_s =
            if spare_s > 0.0 { seen.throughput_peak_per_s.max(throughput_per_s) } else { throughput_per_s };
        self.total.set(throughput_per_s + pace_per_s * spare_s / (horizon * seen.slo_s));
        self.total.settle(&seen);
        handout.guarded_action(self.total.per_s(), budget_s + base_s(&seen), &seen)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{later, shared};
    use super::*;
    use crate::observation::tests::observation;

    #[test]
    fn the_total_brings_the_wait_to_its_budget_within_the_horizon() {
        let mut bouncer = Bouncer::new(1000.0, BouncerSettings::default());
        // Budget 200 - 50 = 150 ms; wait 20 / 600 - 20 ms = 13.3 ms; 136.7 ms of the peak's 800/s over 200 ms.
        let action = shared(bouncer.decide(&observation()));
        let spare_s = 0.15 - (20.0 / 600.0 - 0.02);
        assert!((action.admitted_per_s - (600.0 + 800.0 * spare_s / 0.2)).abs() < 1e-9);
        assert!((action.guard_s.unwrap() - 0.17).abs() < 1e-12);
    }

    #[test]
    fn over_the_budget_less_is_admitted_than_leaves() {
        let mut bouncer = Bouncer::new(1000.0, BouncerSettings::default());
        bouncer.decide(&observation());
        // The service's own percentile stays at 50 ms; the wait is 120 / 600 - 20 ms = 180, 30 over the budget.
        let queued = Observation { in_flight: 120.0, p95_s: 0.3, ..later(&observation(), 1.0) };
        let action = shared(bouncer.decide(&queued));
        assert!((action.admitted_per_s - (600.0 - 600.0 * 0.03 / 0.2)).abs() < 1e-9);
    }

    #[test]
    fn a_lasting_change_of_the_service_time_is_learnt() {
        let mut bouncer = Bouncer::new(1000.0, BouncerSettings::default());
        let mut seen = observation();
        let first_s = bouncer.service_s(&seen);
        for _ in 0..30 {
            seen = Observation { p95_s: 0.1, ..later(&seen, 1.0) };
            bouncer.service_s(&seen);
        }
        assert_eq!((first_s, bouncer.service_s(&seen)), (0.05, 0.1));
    }

    #[test]
    fn a_service_slower_than_the_objective_is_still_tried() {
        let mut bouncer = Bouncer::new(1000.0, BouncerSettings::default());
        let slow = Observation { p95_s: 0.5, p50_s: 0.3, base_s: 0.25, in_flight: 0.0, ..observation() };
        let action = shared(bouncer.decide(&slow));
        assert!((action.admitted_per_s - (600.0 + 800.0 * 0.01 / 0.2)).abs() < 1e-9);
    }
}
