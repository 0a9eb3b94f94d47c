//! The levels against the exact division, user by user.

use openclaw_scenario::FairDivision;
use proptest::prelude::*;

use super::*;

/// One user: its class, and what it asks for per second.
type User = (usize, f64);

fn ladders(users: &[User], classes: usize) -> Vec<Ladder> {
    (0..classes)
        .map(|class| {
            let mut asked: Vec<f64> =
                users.iter().filter(|user| user.0 == class).map(|user| user.1).collect();
            asked.sort_by(|a, b| b.total_cmp(a));
            let mut ladder = Ladder::default();
            asked.into_iter().for_each(|per_s| ladder.push(1, per_s));
            ladder
        })
        .collect()
}

fn needs(costs: &[Vec<f64>]) -> Vec<Needs> {
    let needs =
        |cost: &Vec<f64>| Needs { cost: cost[0], calls: cost[1..].iter().copied().collect(), level: 1.0 };
    costs.iter().map(needs).collect()
}

fn solve(users: &[User], costs: &[Vec<f64>], capacities: &[f64]) -> Level {
    let needs = needs(costs);
    let dependencies_per_s = capacities[1..].iter().copied().collect();
    let shared = Shared { admitted_per_s: capacities[0], dependencies_per_s, classes: &needs };
    divide(&ladders(users, costs.len()), &shared)
}

#[test]
fn users_of_a_costly_class_get_the_same_work_in_fewer_ratings() {
    let level = solve(&[(0, 100.0), (1, 100.0)], &[vec![1.0], vec![4.0]], &[80.0]);
    assert_eq!((level.of(0), level.of(1)), (40.0, 10.0));
    assert_eq!((level.users, level.total_per_s), (2, 500.0));
    assert_eq!((level.equal_part_of(0), level.equal_part_of(1)), (40.0, 10.0));
    assert_eq!(level.of(7), 40.0, "who has no class is plain");
}

#[test]
fn what_callers_of_a_full_dependency_cannot_use_the_others_get() {
    let costs = [vec![1.0, 0.0], vec![1.0, 1.0]];
    // The caller stops at 10, where all of the dependency is used; plain users then share the rest.
    let level = solve(&[(0, 500.0), (1, 200.0)], &costs, &[80.0, 1.0]);
    assert!((level.of(1) - 80.0 / 81.0).abs() < 1e-9, "levelled by what it needs most: {level:?}");
    let level = solve(&[(0, 65.0), (1, 200.0)], &costs, &[80.0, 10.0]);
    assert!((level.of(1) - 10.0).abs() < 1e-9 && level.of(0) >= 65.0, "{level:?}");
}

#[test]
fn where_there_is_enough_the_largest_keeps_its_share_of_what_is_left() {
    let level = solve(&[(0, 30.0), (0, 10.0)], &[vec![1.0]], &[80.0]);
    assert!((level.of(0) - 60.0).abs() < 1e-9);
    let level = solve(&[(0, 30.0), (1, 10.0)], &[vec![1.0, 0.0], vec![1.0, 1.0]], &[80.0, 1e3]);
    assert!((level.of(0) - 60.0).abs() < 1e-9 && level.of(1) >= 20.0, "{level:?}");
}

#[test]
fn a_class_may_be_raised_above_the_others_and_the_sum_stays_what_it_was() {
    let mut needs = needs(&[vec![1.0], vec![1.0]]);
    needs[1].level = 3.0;
    let shared = Shared { admitted_per_s: 80.0, dependencies_per_s: PerDependency::new(), classes: &needs };
    let level = divide(&ladders(&[(0, 100.0), (1, 100.0)], 2), &shared);
    assert_eq!((level.of(0), level.of(1)), (20.0, 60.0));
}

#[test]
fn a_class_without_users_has_the_level_that_they_would_get() {
    let level = solve(&[(0, 100.0), (0, 100.0)], &[vec![1.0], vec![2.0]], &[80.0]);
    assert_eq!((level.of(0), level.of(1)), (40.0, 20.0));
    let nobody = solve(&[], &[vec![1.0], vec![2.0]], &[80.0]);
    assert_eq!((nobody.of(0), nobody.of(1), nobody.users), (80.0, 40.0, 0));
}

proptest! {
    #[test]
    fn the_levels_are_those_of_the_exact_division(
        costs in proptest::collection::vec(
            (0.1..10.0_f64, proptest::collection::vec(prop_oneof![Just(0.0), 0.03..1.0_f64], 4)), 1..=CLASSES_MAX,
        ),
        users in proptest::collection::vec((0..CLASSES_MAX, 0.01..200.0_f64), 1..80),
        capacities in proptest::collection::vec(1.0..2000.0_f64, 1..=RESOURCES_MAX),
    ) {
        let resources = capacities.len();
        let costs: Vec<Vec<f64>> = costs
            .into_iter()
            .map(|(cost, calls)| std::iter::once(cost).chain(calls.into_iter().take(resources - 1)).collect())
            .collect();
        let users: Vec<User> = users.into_iter().map(|(class, asked)| (class % costs.len(), asked)).collect();
        let level = solve(&users, &costs, &capacities);
        let exact = FairDivision::new(costs).entitlements(&users, &capacities);
        for (user, exact) in users.iter().zip(exact) {
            let given = user.1.min(level.of(user.0));
            prop_assert!((given - exact).abs() <= 1e-6 * exact.max(1e-3), "{given} against {exact}: {user:?} {level:?}");
        }
    }
}
