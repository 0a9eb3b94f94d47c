//! TopFull's two rules for a limit at the entry: its MIMD baseline, and the shape of its learned policy.
//!
//! Source: Park et al., "TopFull" (SIGCOMM 2024). `deploy_mimd.py`: R *= .95 where p95 is over the SLO, else 1.01, about
//! once a second. `deploy_rl.py` and `transfer_learning.py`: a policy over (goodput / R, p95) answers a in [-.5, .5],
//! R *= 1 + a, R at most 1.1 times what is offered. The published weights belong to another system, so the policy is
//! written out as the rule that its reward teaches: down by how late and by how much of R comes to nothing, up by how
//! early, as far as R is in use; its gains are this project's and meant to be tuned. Both run all the time; the
//! original's trigger, a processor busier than 80 %, is not seen from here.

use super::{Pace, Parameter, Total, settings, tame};
use crate::observation::{Action, Controller, Observation};

settings! {
    /// Settings of [`TopFullMimd`].
    TopFullMimdSettings, guard 0.0 {
        /// Taken off R where p95 is over the goal, as a fraction.
        decrease: Parameter::log("decrease", 0.005, 0.5, 0.05);
        /// Added to R otherwise, as a fraction.
        increase: Parameter::log("increase", 0.001, 0.3, 0.01);
        /// The goal of p95, as a fraction of the SLO.
        goal: Parameter::even("goal", 0.3, 1.0, 1.0);
        /// Time between two evaluations, in seconds.
        window_s: Parameter::log("windowS", 0.1, 2.0, 1.0);
    }
}

/// Multiplicative increase, multiplicative decrease.
#[derive(Clone, Copy, Debug)]
pub struct TopFullMimd {
    settings: TopFullMimdSettings,
    pace: Pace,
    total: Total,
}

impl TopFullMimd {
    /// Begins at `start_per_s`, the configured start of the total admitted rate.
    #[must_use]
    pub fn new(start_per_s: f64, settings: TopFullMimdSettings) -> Self {
        Self { settings, pace: Pace::new(settings.window_s), total: Total::new(start_per_s) }
    }
}

impl Controller for TopFullMimd {
    fn name(&self) -> &'static str {
        "topfull-mimd"
    }

    fn guards(&self) -> bool {
        self.settings.handout.guard.is_some()
    }

    fn decide(&mut self, seen: &Observation) -> Action {
        let seen = tame(seen);
        let TopFullMimdSettings { decrease, increase, goal, handout, .. } = self.settings;
        if self.pace.is_due(seen.now_ns) && seen.samples > 0 {
            let late = seen.p95_s > goal * seen.slo_s;
            self.total.set(self.total.per_s() * if late { 1.0 - decrease } else { 1.0 + increase });
        }
        self.total.action(&handout, &seen)
    }
}

settings! {
    /// Settings of [`TopFullStep`].
    TopFullStepSettings, guard 0.0 {
        /// a for each SLO that p95 is over the goal, negated.
        late: Parameter::log("late", 0.02, 2.0, 0.3);
        /// a for the part of R that is not goodput, negated, where p95 is over the goal.
        unmet: Parameter::log("unmet", 0.01, 2.0, 0.3);
        /// a for each SLO that p95 is under the goal, where R is in use.
        early: Parameter::log("early", 0.01, 1.0, 0.3);
        /// Bound of a, on both sides.
        step_most: Parameter::even("stepMost", 0.05, 0.8, 0.5);
        /// R is at most this multiple of what is offered.
        offered_most: Parameter::log("offeredMost", 1.0, 4.0, 1.1);
        /// The goal of p95, as a fraction of the SLO.
        goal: Parameter::even("goal", 0.3, 1.0, 0.9);
        /// Time between two evaluations, in seconds.
        window_s: Parameter::log("windowS", 0.1, 2.0, 1.0);
    }
}

/// The learned policy's shape as a rule.
#[derive(Clone, Copy, Debug)]
pub struct TopFullStep {
    settings: TopFullStepSettings,
    pace: Pace,
    total: Total,
}

impl TopFullStep {
    /// Begins at `start_per_s`, the configured start of the total admitted rate.
    #[must_use]
    pub fn new(start_per_s: f64, settings: TopFullStepSettings) -> Self {
        Self { settings, pace: Pace::new(settings.window_s), total: Total::new(start_per_s) }
    }

    /// a, from goodput / R and p95.
    fn step(&self, seen: &Observation) -> f64 {
        let TopFullStepSettings { late, unmet, early, step_most, goal, .. } = self.settings;
        let goodput_per_s = seen.throughput_fast_per_s * (1.0 - seen.late_fraction);
        let met = (goodput_per_s / self.total.per_s()).min(1.0);
        let over = seen.p95_s / seen.slo_s - goal;
        let step = if over > 0.0 { -(late * over + unmet * (1.0 - met)) } else { -early * over * met };
        step.clamp(-step_most, step_most)
    }
}

impl Controller for TopFullStep {
    fn name(&self) -> &'static str {
        "topfull-step"
    }

    fn guards(&self) -> bool {
        self.settings.handout.guard.is_some()
    }

    fn decide(&mut self, seen: &Observation) -> Action {
        let seen = tame(seen);
        if self.pace.is_due(seen.now_ns) && seen.samples > 0 {
            let offered_per_s = seen.demand_fast_per_s.max(seen.demand_slow_per_s);
            let per_s = self.total.per_s() * (1.0 + self.step(&seen));
            self.total.set(per_s.min(self.settings.offered_most * offered_per_s));
        }
        self.total.action(&self.settings.handout, &seen)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{admitted, later};
    use super::*;
    use crate::observation::tests::observation;

    /// 2000/s offered and 600/s completed in time.
    fn busy() -> Observation {
        Observation { demand_fast_per_s: 2000.0, ..observation() }
    }

    #[test]
    fn mimd_takes_off_a_twentieth_while_late_and_adds_a_hundredth_while_in_time() {
        let mut mimd = TopFullMimd::new(1000.0, TopFullMimdSettings::default());
        let late = Observation { p95_s: 0.21, ..busy() };
        assert!((admitted(&mut mimd, &late) - 950.0).abs() < 1e-9);
        assert!((admitted(&mut mimd, &later(&busy(), 0.5)) - 950.0).abs() < 1e-9, "the same second");
        assert!((admitted(&mut mimd, &later(&busy(), 1.0)) - 959.5).abs() < 1e-9);
    }

    #[test]
    fn the_step_goes_up_by_how_early_as_far_as_the_total_is_in_use() {
        let mut step = TopFullStep::new(1000.0, TopFullStepSettings::default());
        // p95 is .25 SLO, .65 under the goal; 600 of 1000 are goodput: a = .3 x .65 x .6.
        assert!((admitted(&mut step, &busy()) - 1117.0).abs() < 1e-9);
    }

    #[test]
    fn the_step_goes_down_by_how_late_and_by_what_comes_to_nothing() {
        let mut step = TopFullStep::new(1000.0, TopFullStepSettings::default());
        // p95 is 1.5 SLOs, .6 over the goal; half of 600 are late, so .7 of R comes to nothing: a = -(.18 + .21).
        let late = Observation { p95_s: 0.3, late_fraction: 0.5, ..busy() };
        assert!((admitted(&mut step, &late) - 610.0).abs() < 1e-9);
    }

    #[test]
    fn a_step_is_at_most_a_half_and_the_total_little_more_than_what_is_offered() {
        let mut step = TopFullStep::new(1000.0, TopFullStepSettings::default());
        let lost = Observation { p95_s: f64::INFINITY, late_fraction: 1.0, ..busy() };
        assert!((admitted(&mut step, &lost) - 500.0).abs() < 1e-9);
        let mut step = TopFullStep::new(1000.0, TopFullStepSettings::default());
        assert!((admitted(&mut step, &observation()) - 660.0).abs() < 1e-9, "1.1 x 600");
    }
}
