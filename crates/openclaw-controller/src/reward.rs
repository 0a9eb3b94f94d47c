//! What a tick was worth: the one formula, for training in the simulator and for learning online.
//!
//! It is aligned with the score (good work counted up to each user's fair share, in windows that meet the SLO): a
//! reward that was not rose while the score fell. Goodput alone lost too, and so did leaving out the fairness terms:
//! 8 to 11 points of the score.

/// Weight of the increase of fairly shared good work.
const FAIR: f64 = 0.8;
/// Weight of good work, whoever it was for.
const GOOD: f64 = 0.2;
/// Weight of work that came late or failed.
const LATE: f64 = 0.4;
/// Taken off while at least [`LATE_FRACTION_OVER`] comes late, the less below that, and nothing up to
/// [`LATE_FRACTION_FREE`].
const OVER_SLO: f64 = 1.0;
/// Weight of first attempts refused to users who asked for no more than their share.
const WELL_BEHAVED: f64 = 0.5;
/// The SLO is on the 95th percentile: a window with a twentieth late counts, one with more does not. A step at that
/// point is worth nothing to a policy that stands well beyond it, since no small change of what it does would move its
/// reward; so the step is a slope around it.
const LATE_FRACTION_FREE: f64 = 0.03;
const LATE_FRACTION_OVER: f64 = 0.07;
/// Bounds of one tick's reward.
const BOUNDS: (f64, f64) = (-5.0, 3.0);

/// What one tick came to, in work units: the cost of one plain request.
///
/// The simulator knows all of it; a service measures it, with its own estimate of the water level.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RewardInputs {
    /// Increase of F: the sum over users of the lesser of good work done and work entitled to, both since the
    /// beginning.
    pub fair_gain: f64,
    /// Work completed within the SLO.
    pub good: f64,
    /// Work completed after the SLO.
    pub late: f64,
    /// Work admitted that failed, or whose client left.
    pub failed: f64,
    /// Of the requests that ended in the last second, the fraction that was late or failed, 0 to 1.
    pub late_fraction: f64,
    /// First attempts refused to users below the water level.
    pub well_behaved_throttled: f64,
    /// What a perfect controller would have done in a tick: the lesser of capacity and demand, averaged over 2 s.
    pub reference: f64,
}

impl RewardInputs {
    /// The reward: about 1 for a tick in which all that could be done was done in time and fairly, always within
    /// -5 and 3. A tick in which there was nothing to do is worth 0, less what is late.
    #[must_use]
    pub fn reward(&self) -> f64 {
        let work = FAIR * self.fair_gain + GOOD * self.good
            - LATE * (self.late + self.failed)
            - WELL_BEHAVED * self.well_behaved_throttled;
        // Without a reference nothing was asked and nothing could be done; what still ends is of no account.
        let share = if self.reference > 0.0 { work / self.reference } else { 0.0 };
        let over = (self.late_fraction - LATE_FRACTION_FREE) / (LATE_FRACTION_OVER - LATE_FRACTION_FREE);
        (share - OVER_SLO * over.clamp(0.0, 1.0)).clamp(BOUNDS.0, BOUNDS.1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn perfect() -> RewardInputs {
        RewardInputs { fair_gain: 80.0, good: 80.0, reference: 80.0, ..RewardInputs::default() }
    }

    #[test]
    fn a_perfect_tick_is_worth_one() {
        assert!((perfect().reward() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn good_work_beyond_a_fair_share_is_worth_a_fifth() {
        let unfair = RewardInputs { fair_gain: 0.0, ..perfect() };
        assert!((unfair.reward() - 0.2).abs() < 1e-12);
    }

    #[test]
    fn late_and_failed_work_costs_the_same() {
        let late = RewardInputs { late: 8.0, ..perfect() };
        let failed = RewardInputs { failed: 8.0, ..perfect() };
        assert!((late.reward() - 0.96).abs() < 1e-12);
        assert_eq!(late.reward(), failed.reward());
    }

    #[test]
    fn missing_the_slo_costs_as_much_as_a_perfect_tick_is_worth() {
        let late = |late_fraction| RewardInputs { late_fraction, ..perfect() }.reward();
        assert_eq!(late(0.03), perfect().reward());
        assert!((late(0.05) - (perfect().reward() - 0.5)).abs() < 1e-12, "half of it at a twentieth");
        assert!((late(0.07) - (perfect().reward() - 1.0)).abs() < 1e-12);
        assert_eq!(late(0.07), late(0.5));
    }

    #[test]
    fn refusing_the_well_behaved_costs_half_of_what_serving_them_would_bring() {
        let refused = RewardInputs { well_behaved_throttled: 8.0, ..perfect() };
        assert!((refused.reward() - 0.95).abs() < 1e-12);
    }

    #[test]
    fn a_tick_without_anything_to_do_is_worth_nothing() {
        assert_eq!(RewardInputs::default().reward(), 0.0);
    }

    proptest! {
        #[test]
        fn no_tick_leaves_the_bounds(
            fair_gain in 0.0..1e6_f64, good in 0.0..1e6_f64, late in 0.0..1e6_f64, failed in 0.0..1e6_f64,
            late_fraction in 0.0..1.0_f64, well_behaved_throttled in 0.0..1e6_f64, reference in 0.0..1e6_f64,
        ) {
            let inputs = RewardInputs {
                fair_gain, good, late, failed, late_fraction, well_behaved_throttled, reference,
            };
            prop_assert!((BOUNDS.0..=BOUNDS.1).contains(&inputs.reward()));
        }
    }
}
