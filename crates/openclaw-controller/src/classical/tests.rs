//! What the tests of all rules look at actions through.

use crate::observation::{Action, Controller, Observation, SharedAction};

pub(super) fn shared(action: Action) -> SharedAction {
    match action {
        Action::Shared(shared) => shared,
        Action::PerUser(_) => unreachable!("this rule shares a total"),
    }
}

/// R of the next decision.
pub(super) fn admitted(controller: &mut dyn Controller, seen: &Observation) -> f64 {
    shared(controller.decide(seen)).admitted_per_s
}

/// The same, `after_s` seconds later.
pub(super) fn later(seen: &Observation, after_s: f64) -> Observation {
    Observation { now_ns: seen.now_ns + (after_s * crate::NS_PER_S).round() as u64, ..*seen }
}
