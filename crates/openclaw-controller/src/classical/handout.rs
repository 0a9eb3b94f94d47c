//! How a rule's total reaches the users: bucket depth, headroom and guard, the same three numbers for every rule.

use super::Parameter;
use super::parameter::Values;
use crate::guard::bounded_guard_s;
use crate::observation::{Action, Observation, SharedAction};

/// How a total admitted rate is handed out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Handout {
    /// A bucket holds what it refills in this many seconds.
    pub bucket_s: f64,
    /// A user's refill rate is at most this multiple of its own demand.
    pub headroom: f64,
    /// Guard time as a fraction of the SLO; `None` leaves the guard open, so that buckets act alone.
    pub guard: Option<f64>,
}

/// A guard time under this fraction of the SLO is never in force, so a setting below it means no guard.
const GUARD_LEAST: f64 = 0.15;

impl Handout {
    /// The specification's 1.5 s.
    pub(crate) const BUCKET_S: Parameter = Parameter::log("bucketS", 0.1, 5.0, 1.5);
    /// The specification's 2.9.
    pub(crate) const HEADROOM: Parameter = Parameter::log("headroom", 1.0, 10.0, 2.9);

    /// Under .15: no guard. One number instead of a switch and a number, as tuners search numbers.
    pub(crate) const fn guard_parameter(default: f64) -> Parameter {
        Parameter::even("guard", 0.0, 0.9, default)
    }

    pub(crate) fn from_values(values: &mut Values<'_>) -> Self {
        let (bucket_s, headroom, guard) = (values.take(), values.take(), values.take());
        Self { bucket_s, headroom, guard: (guard >= GUARD_LEAST).then_some(guard) }
    }

    /// Hands out `admitted_per_s`, with the guard at its configured time.
    pub(crate) fn action(&self, admitted_per_s: f64, seen: &Observation) -> Action {
        self.guarded_action(admitted_per_s, f64::INFINITY, seen)
    }

    /// Hands out `admitted_per_s`, with the guard at `guard_s` but no later than at its configured time.
    pub(crate) fn guarded_action(&self, admitted_per_s: f64, guard_s: f64, seen: &Observation) -> Action {
        let guard_s = self.guard.map(|guard| guard_s.min(guard * seen.slo_s));
        let guard_s = guard_s.map(|guard_s| bounded_guard_s(guard_s, seen.base_s, seen.slo_s));
        Action::Shared(SharedAction::new(admitted_per_s, guard_s, self.bucket_s, self.headroom))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::shared;
    use super::*;
    use crate::observation::tests::observation;

    const BUCKETS: Handout = Handout { bucket_s: 1.0, headroom: 3.0, guard: None };

    #[test]
    fn without_a_guard_buckets_act_alone() {
        let action = shared(BUCKETS.guarded_action(100.0, 0.1, &observation()));
        assert_eq!((action.admitted_per_s, action.guard_s), (100.0, None));
    }

    #[test]
    fn a_rules_own_guard_time_holds_up_to_the_configured_one() {
        let handout = Handout { guard: Some(0.5), ..BUCKETS };
        let seen = Observation { slo_s: 0.4, ..observation() };
        assert_eq!(shared(handout.guarded_action(100.0, 0.1, &seen)).guard_s, Some(0.1));
        assert_eq!(shared(handout.guarded_action(100.0, 0.3, &seen)).guard_s, Some(0.2));
        assert_eq!(shared(handout.action(100.0, &seen)).guard_s, Some(0.2));
    }
}
