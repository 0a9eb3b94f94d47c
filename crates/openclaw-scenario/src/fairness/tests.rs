//! Fair shares: all is given out, nobody asks in vain for what is left, greed gains nothing.

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

/// Plain requests need the first resource; the other class needs both.
fn division() -> FairDivision {
    FairDivision::new(vec![vec![1.0, 0.0], vec![1.0, 2.0]])
}

#[test]
fn one_resource_is_divided_by_the_water_level() {
    let division = FairDivision::new(vec![vec![1.0]]);
    let users = [1.0, 10.0, 4.0, 10.0].map(|requests| (0, requests));
    let given = division.entitlements(&users, &[15.0]);
    assert!(
        given.iter().zip([1.0, 5.0, 4.0, 5.0]).all(|(given, expected)| (given - expected).abs() < 1e-12),
        "{given:?}"
    );
}

#[test]
fn a_binding_dependency_stops_its_callers_and_the_rest_rise_on() {
    // The callers get half of the dependency each; what they leave of the service goes to the plain user.
    let given = division().entitlements(&[(0, 100.0), (1, 100.0), (1, 100.0)], &[30.0, 20.0]);
    assert!(
        given.iter().zip([20.0, 5.0, 5.0]).all(|(given, expected)| (given - expected).abs() < 1e-9),
        "{given:?}"
    );
}

#[test]
fn a_resource_that_stands_still_gives_nothing_to_those_who_need_it() {
    assert_eq!(division().entitlements(&[(0, 7.0), (1, 7.0)], &[30.0, 0.0]), [7.0, 0.0]);
    assert_eq!(division().entitlements(&[(0, 7.0), (1, 0.0)], &[0.0, 0.0]), [0.0, 0.0]);
}

proptest! {
    #[test]
    fn a_division_fits_and_leaves_nobody_short_for_nothing(
        users in prop::collection::vec((0..2_usize, 0.0..100.0_f64), 1..40),
        capacities in prop::array::uniform2(0.1..500.0_f64),
    ) {
        let division = division();
        let given = division.entitlements(&users, &capacities);
        let used = |resource: usize| -> f64 {
            given.iter().zip(&users).map(|(given, (class, _))| given * division.costs[*class][resource]).sum()
        };
        let full = [0, 1].map(|resource| used(resource) >= capacities[resource] * (1.0 - 1e-9));
        for resource in [0, 1] {
            prop_assert!(used(resource) <= capacities[resource] * (1.0 + 1e-9));
        }
        for (given, (class, asked)) in given.iter().zip(&users) {
            prop_assert!(*given <= asked * (1.0 + 1e-9));
            let short = *given < asked * (1.0 - 1e-9);
            prop_assert!(!short || full[0] || (*class == 1 && full[1]), "{given} of {asked}");
        }
    }

    #[test]
    fn with_one_resource_both_ways_agree(
        demands in prop::collection::vec(0.0..100.0_f64, 1..40),
        capacity in 0.1..1000.0_f64,
    ) {
        let water = WaterLevel::new(&demands, capacity);
        let users: Vec<(usize, f64)> = demands.iter().map(|demand| (0, *demand)).collect();
        let given = FairDivision::new(vec![vec![1.0]]).entitlements(&users, &[capacity]);
        for (given, demand) in given.iter().zip(&demands) {
            prop_assert!((given - water.entitlement(*demand)).abs() <= 1e-9 * (1.0 + demand));
        }
    }
}
