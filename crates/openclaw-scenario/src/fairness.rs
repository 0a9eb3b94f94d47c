//! Max-min fair shares: who gets how much when not all can have what they ask for.
//!
//! The level `L` solves `sum of min(L, demand) = capacity`. It is computed exactly by sorting; the live
//! controller, which must answer for a million users within microseconds, approximates the same level with
//! a histogram, and is measured against this one.

/// The solved level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WaterLevel {
    level: f64,
}

impl WaterLevel {
    /// Solves for `demands` (any unit of work, each at least 0) and a `capacity` in the same unit.
    ///
    /// Users whose requests cost more than plain ones are counted in work: multiply their demand by the cost.
    #[must_use]
    pub fn new(demands: &[f64], capacity: f64) -> Self {
        let mut ascending: Vec<f64> = demands.iter().copied().filter(|demand| *demand > 0.0).collect();
        ascending.sort_unstable_by(f64::total_cmp);
        let mut left = capacity.max(0.0);
        for (satisfied, demand) in ascending.iter().enumerate() {
            let unsatisfied = (ascending.len() - satisfied) as f64;
            if demand * unsatisfied > left {
                return Self { level: left / unsatisfied };
            }
            left -= demand;
        }
        Self { level: f64::INFINITY }
    }

    /// The level; infinite when everybody gets all they ask for.
    #[must_use]
    pub fn level(self) -> f64 {
        self.level
    }

    /// What a user with this demand is entitled to.
    #[must_use]
    pub fn entitlement(self, demand: f64) -> f64 {
        demand.min(self.level)
    }

    /// Whether a user with this demand is well-behaved: asks for no more than its entitlement.
    #[must_use]
    pub fn covers(self, demand: f64) -> bool {
        demand <= self.level
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn small_demands_are_met_and_the_rest_share_equally() {
        let water = WaterLevel::new(&[1.0, 10.0, 4.0, 10.0], 15.0);
        assert!((water.level() - 5.0).abs() < 1e-12);
        assert!(water.covers(4.0) && !water.covers(10.0));
    }

    #[test]
    fn enough_capacity_covers_everybody() {
        assert_eq!(WaterLevel::new(&[3.0, 4.0], 7.0).level(), f64::INFINITY);
        assert_eq!(WaterLevel::new(&[], 0.0).level(), f64::INFINITY);
    }

    #[test]
    fn no_capacity_entitles_to_nothing() {
        let water = WaterLevel::new(&[3.0, 4.0], 0.0);
        assert_eq!(water.level(), 0.0);
        assert!(water.covers(0.0), "who asks for nothing is well-behaved");
    }

    proptest! {
        #[test]
        fn entitlements_use_up_the_capacity_or_meet_all_demand(
            demands in prop::collection::vec(0.0..1e6_f64, 0..200),
            capacity in 0.0..1e8_f64,
        ) {
            let water = WaterLevel::new(&demands, capacity);
            let given: f64 = demands.iter().map(|demand| water.entitlement(*demand)).sum();
            let wanted: f64 = demands.iter().sum();
            prop_assert!((given - wanted.min(capacity)).abs() <= 1e-9 * (1.0 + wanted));
        }

        #[test]
        fn more_capacity_never_lowers_the_level(
            demands in prop::collection::vec(0.0..1e3_f64, 1..50),
            capacity in 0.0..1e4_f64,
            more in 0.0..1e3_f64,
        ) {
            prop_assert!(WaterLevel::new(&demands, capacity + more).level() >= WaterLevel::new(&demands, capacity).level());
        }

        #[test]
        fn asking_for_more_never_takes_from_the_well_behaved(
            demands in prop::collection::vec(0.1..1e3_f64, 2..50),
            capacity in 1.0..1e4_f64,
            greed in 1.0..100.0_f64,
        ) {
            let fair = WaterLevel::new(&demands, capacity);
            let mut greedy = demands.clone();
            greedy[0] *= greed;
            // A user above the level gains nothing by asking for more, so the level stays where it was.
            if !fair.covers(demands[0]) {
                let after = WaterLevel::new(&greedy, capacity);
                prop_assert!((after.level() - fair.level()).abs() <= 1e-9 * fair.level());
            }
        }
    }
}
