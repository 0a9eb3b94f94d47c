//! PID on the balance of what enters and what leaves, as in Uber's Cinnamon.
//!
//! Source: Uber's "Cinnamon: using century-old tech to build a mean load shedder" and a third-party port of it: every
//! 500 ms, e = (in - out - free) / out with free = limit - in flight; x = .1 e + 1.4 (sum of e over 60 s); the fraction
//! x of what is offered is refused (the port: 1 - exp(-x), which never refuses everything). Adapted: the limit, which
//! Cinnamon tunes by a Vegas of its own, is what the service completes within a share of the SLO, so that there is an
//! objective; the sum fades over its 60 s and stays between nothing and what refuses nearly all, since an hour of quiet
//! must not be paid back first; who is refused is water-filling's choice instead of priorities'.

use super::limit::throughput_per_s;
use super::{Pace, Parameter, Total, settings, tame};
use crate::observation::{Action, Controller, Observation};

settings! {
    /// Settings of [`Pid`].
    PidSettings, guard 0.0 {
        /// Weight of the error.
        proportional: Parameter::log("proportional", 0.005, 2.0, 0.1);
        /// Weight of the errors' sum.
        integral: Parameter::log("integral", 0.01, 5.0, 1.4);
        /// What may be in flight, in units of the SLO's time at the present throughput.
        goal: Parameter::even("goal", 0.1, 1.0, 0.5);
        /// Time between two evaluations, in seconds.
        window_s: Parameter::log("windowS", 0.1, 2.0, 0.5);
    }
}

/// Time over which errors are summed, in seconds.
const SUM_S: f64 = 60.0;
/// Errors count up to this; a service that completes nothing would show an infinite one.
const ERROR_MOST: f64 = 5.0;
/// The sum's part of x is at most this: 98 % refused.
const SUM_PART_MOST: f64 = 4.0;

/// The PID controller.
#[derive(Clone, Copy, Debug)]
pub struct Pid {
    settings: PidSettings,
    pace: Pace,
    total: Total,
    sum: f64,
    refused_fraction: f64,
}

impl Pid {
    /// A service's share of traffic to refuse; `start_per_s` is the configured start of the total admitted rate.
    #[must_use]
    pub fn new(start_per_s: f64, settings: PidSettings) -> Self {
        let (pace, total) = (Pace::new(settings.window_s), Total::new(start_per_s));
        Self { settings, pace, total, sum: 0.0, refused_fraction: 0.0 }
    }

    fn evaluate(&mut self, seen: &Observation) {
        let PidSettings { proportional, integral, window_s, .. } = self.settings;
        let error = self.error(seen);
        self.sum = self.sum * (1.0 - window_s / SUM_S) + error;
        self.sum = self.sum.clamp(0.0, SUM_PART_MOST / integral);
        let x = proportional * error + integral * self.sum;
        self.refused_fraction = 1.0 - (-x.max(0.0)).exp();
    }

    /// Requests too many, in units of what leaves in one window.
    fn error(&self, seen: &Observation) -> f64 {
        let PidSettings { goal, window_s, .. } = self.settings;
        let entered = seen.accepted_fast_per_s * window_s;
        let left = seen.throughput_fast_per_s * window_s;
        let free = goal * seen.slo_s * throughput_per_s(seen) - seen.in_flight;
        // One request is what the slowest service can be told from a stopped one by.
        ((entered - left - free) / left.max(1.0)).clamp(-ERROR_MOST, ERROR_MOST)
    }
}

impl Controller for Pid {
    fn name(&self) -> &'static str {
        "pid"
    }

    fn guards(&self) -> bool {
        self.settings.handout.guard.is_some()
    }

    fn decide(&mut self, seen: &Observation) -> Action {
        let seen = tame(seen);
        if self.pace.is_due(seen.now_ns) {
            self.evaluate(&seen);
        }
        // Nothing refused means no limit, not a limit at today's demand.
        let admitted_per_s = if self.refused_fraction > 0.0 {
            seen.demand_fast_per_s * (1.0 - self.refused_fraction)
        } else {
            f64::MAX
        };
        self.total.set(admitted_per_s);
        self.total.action(&self.settings.handout, &seen)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{admitted, later};
    use super::*;
    use crate::observation::tests::observation;

    /// 1200/s offered and admitted, 600/s completed, 180 in flight.
    fn overload() -> Observation {
        Observation {
            in_flight: 180.0,
            accepted_fast_per_s: 1200.0,
            demand_fast_per_s: 1200.0,
            ..observation()
        }
    }

    #[test]
    fn it_refuses_the_share_that_error_and_sum_call_for() {
        let mut pid = Pid::new(1000.0, PidSettings::default());
        // In 600, out 300, limit .5 x .2 x 600 = 60, free -120: e = 420 / 300 = 1.4, the sum the same.
        let expected = 1200.0 * (-(0.1 * 1.4 + 1.4 * 1.4_f64)).exp();
        assert!((admitted(&mut pid, &overload()) - expected).abs() < 1e-6);
    }

    #[test]
    fn between_two_evaluations_the_share_stays() {
        let mut pid = Pid::new(1000.0, PidSettings::default());
        let first = admitted(&mut pid, &overload());
        assert_eq!(admitted(&mut pid, &later(&overload(), 0.4)), first);
        assert!(admitted(&mut pid, &later(&overload(), 0.5)) < first);
    }

    #[test]
    fn quiet_hours_are_not_paid_back() {
        let mut pid = Pid::new(1000.0, PidSettings::default());
        let mut seen = observation();
        for _ in 0..100 {
            assert_eq!(admitted(&mut pid, &seen), 2000.0, "nothing is refused");
            seen = later(&seen, 0.5);
        }
        assert!(admitted(&mut pid, &Observation { now_ns: seen.now_ns, ..overload() }) < 300.0);
    }

    #[test]
    fn a_service_that_recovers_is_given_everything_again() {
        let mut pid = Pid::new(1000.0, PidSettings::default());
        let mut seen = overload();
        for _ in 0..20 {
            admitted(&mut pid, &seen);
            seen = later(&seen, 0.5);
        }
        for _ in 0..60 {
            seen = later(&Observation { now_ns: seen.now_ns, ..observation() }, 0.5);
            admitted(&mut pid, &seen);
        }
        assert_eq!(admitted(&mut pid, &seen), 2000.0);
    }
}
