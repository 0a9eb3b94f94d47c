//! What the numbers of an observation row and of an output row mean, in their order.
//!
//! An artifact carries the version and the names it was trained with; another version, or another name anywhere,
//! refuses to load. Adding, moving or redefining a feature or an action needs a new version.

use super::network::Layout;

/// Version of the meaning of all rows.
pub const SCHEMA_VERSION: u32 = 3;

/// Classes that have a slot at once: the busiest ones.
pub const SLOTS: usize = 4;
/// Dependencies that have a place in the row; further ones are not limited by a learned policy.
pub const DEPENDENCY_PLACES: usize = 2;

/// Features of the service as a whole.
///
/// `…Over…` is the logarithm of a ratio, clipped; fractions are 0 to 1; `admitted` is R, the total that the policy
/// admitted last, per second; `wait` is what Little's law makes of the work in flight, less the one in service.
/// Features of a dependency that is not there are 0. The logarithms come first, so that they are taken all at once.
pub const SHARED_FEATURES: [&str; 51] = [
    "p95FastOverSlo",
    "p95OverSlo",
    "p50OverSlo",
    "p50OverBase",
    "waitFastOverSlo",
    "waitSlowOverSlo",
    "throughputFastOverAdmitted",
    "acceptedFastOverAdmitted",
    "demandFastOverAdmitted",
    "throughputFastOverSlow",
    "throughputFastOverPeak",
    "demandFastOverSlow",
    "baseOverSlo",
    "admittedOverThroughputSlow",
    "acceptedFastOverThroughputFast",
    // The wait once what was admitted since the newest report is added (Smith's predictor).
    "correctedWaitOverSlo",
    // R now over R 500 ms ago.
    "admittedOverBefore",
    // What little-guard would admit.
    "classicalAdmittedOverThroughputSlow",
    "dependency0.waitFastOverSlo",
    "dependency0.waitSlowOverSlo",
    "dependency0.throughputFastOverPeak",
    "dependency0.baseOverSlo",
    "dependency0.admittedOverThroughputSlow",
    "dependency1.waitFastOverSlo",
    "dependency1.waitSlowOverSlo",
    "dependency1.throughputFastOverPeak",
    "dependency1.baseOverSlo",
    "dependency1.admittedOverThroughputSlow",
    "lateFractionFast",
    "lateFraction",
    // Of what is in flight over 200 ms, as a share of what completes in that time.
    "inFlightChange",
    "throttledFraction",
    "failedFraction",
    // ln(1 + latencies of the last second).
    "lnSamples",
    // The policy's own last outputs, -1 to 1; 1 is the newest.
    "admittedAction1",
    "guardAction1",
    "admittedAction2",
    "guardAction2",
    "admittedAction3",
    "guardAction3",
    // In SLOs.
    "feedbackAge",
    "sinceCompletion",
    // The guard time that little-guard would give, in SLOs.
    "classicalGuard",
    // Averages over 10 s; the stall is the longest one in SLOs, fading in 15 s.
    "lateFractionLong",
    "stallLong",
    "unevennessLong",
    "feedbackAgeLong",
    "dependency0.present",
    "dependency0.inFlightChange",
    "dependency1.present",
    "dependency1.inFlightChange",
];

/// How many of them are logarithms of ratios.
pub(super) const LOGARITHMS: usize = 28;

/// Features of one class.
pub const CLASS_FEATURES: [&str; 7] =
    // The network delay is in SLOs.
    ["present", "demandShare", "lnCost", "networkDelay", "lateFraction", "callShare0", "callShare1"];

/// Outputs for the service as a whole, -1 to 1 each.
pub const SHARED_ACTIONS: [&str; 6] = [
    "admitted",
    "guard",
    "dependency0.admitted",
    "dependency0.guard",
    "dependency1.admitted",
    "dependency1.guard",
];

/// Outputs for one class, -1 to 1 each: its level's and its guard time's factor.
pub const CLASS_ACTIONS: [&str; 2] = ["level", "guard"];

/// The cut of the rows of this version, where an action is a row of numbers.
pub const LAYOUT: Layout = Layout {
    shared: SHARED_FEATURES.len(),
    slots: SLOTS,
    slot: CLASS_FEATURES.len(),
    actions_shared: SHARED_ACTIONS.len(),
    actions_slot: CLASS_ACTIONS.len(),
};

/// Numbers in an observation row.
pub const OBSERVATION: usize = SHARED_FEATURES.len() + SLOTS * CLASS_FEATURES.len();

/// Numbers in an action row.
pub const ACTIONS: usize = SHARED_ACTIONS.len() + SLOTS * CLASS_ACTIONS.len();

/// Names every number of an observation row, in order.
pub fn feature_names() -> impl Iterator<Item = String> {
    rows(&SHARED_FEATURES, &CLASS_FEATURES)
}

/// Names every number of an action row, in order.
pub fn action_names() -> impl Iterator<Item = String> {
    rows(&SHARED_ACTIONS, &CLASS_ACTIONS)
}

fn rows(shared: &'static [&str], class: &'static [&str]) -> impl Iterator<Item = String> {
    let slots = (0..SLOTS).flat_map(move |slot| class.iter().map(move |name| format!("class{slot}.{name}")));
    shared.iter().map(|name| (*name).to_owned()).chain(slots)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_logarithms_come_first() {
        let is_logarithm = |name: &&str| name.contains("Over");
        assert!(SHARED_FEATURES[..LOGARITHMS].iter().all(is_logarithm));
        assert!(!SHARED_FEATURES[LOGARITHMS..].iter().any(is_logarithm));
    }

    #[test]
    fn every_number_has_a_name_of_its_own() {
        for (names, numbers) in [
            (feature_names().collect::<Vec<_>>(), LAYOUT.observation()),
            (action_names().collect(), LAYOUT.outputs()),
        ] {
            assert_eq!(names.len(), numbers);
            assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), numbers, "{names:?}");
        }
        assert_eq!((OBSERVATION, ACTIONS), (LAYOUT.observation(), LAYOUT.outputs()));
    }
}
