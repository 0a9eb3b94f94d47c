//! The histogram's level against the exact one.

use proptest::prelude::*;

use super::*;
use crate::division::Needs;
use crate::parts::PerDependency;

const S: u64 = 1_000_000_000;

/// The exact level by bisection.
fn exact(demands: &[f64], admitted: f64) -> f64 {
    let total: f64 = demands.iter().sum();
    let highest = demands.iter().copied().fold(0.0, f64::max);
    if total <= admitted {
        return highest * admitted / total;
    }
    let (mut low, mut high) = (0.0, highest);
    for _ in 0..200 {
        let level = f64::midpoint(low, high);
        if demands.iter().map(|d| d.min(level)).sum::<f64>() < admitted { low = level } else { high = level }
    }
    low
}

fn enter(demand: &mut Demand, attempts: &[u64], now_ns: u64) -> Vec<Mark> {
    attempts
        .iter()
        .map(|&n| {
            let mark = demand.raised(Mark::default(), n as f64, now_ns);
            demand.replace((0, Mark::default()), (0, mark));
            mark
        })
        .collect()
}

/// Level, users and total demand where all are plain.
fn plain(demand: &mut Demand, admitted_per_s: f64, now_ns: u64) -> (f64, u64, f64) {
    let needs = [Needs { cost: 1.0, calls: PerDependency::new(), level: 1.0 }];
    let shared = Shared { admitted_per_s, dependencies_per_s: PerDependency::new(), classes: &needs };
    let level = demand.level(&shared, now_ns);
    (level.of(0), level.users, level.total_per_s)
}

#[test]
fn equal_users_share_equally() {
    let mut demand = Demand::new(0);
    enter(&mut demand, &[50; 20], S);
    let level = plain(&mut demand, 100.0, S);
    assert!((level.0 - 5.0).abs() < 0.01, "{level:?}");
    assert_eq!(level.1, 20);
}

#[test]
fn small_users_keep_what_they_ask_for() {
    let mut demand = Demand::new(0);
    enter(&mut demand, &[1, 1, 1, 1, 100], S);
    assert!((plain(&mut demand, 54.0, S).0 - 50.0).abs() < 0.2);
}

#[test]
fn nobody_asking_leaves_everything_to_the_first() {
    assert_eq!(plain(&mut Demand::new(0), 70.0, 5 * S), (70.0, 0, 0.0));
}

#[test]
fn demand_fades_with_its_time_constant_and_a_removed_user_is_gone() {
    let mut demand = Demand::new(0);
    let marks = enter(&mut demand, &[100], S);
    let later = plain(&mut demand, 1.0, 2 * S).2;
    assert!((later - 100.0 / std::f64::consts::E).abs() < 0.01, "{later}");
    demand.remove(0, marks[0]);
    assert_eq!(plain(&mut demand, 1.0, 2 * S).1, 0);
}

#[test]
fn weeks_of_running_neither_overflow_nor_lose_new_demand() {
    let mut demand = Demand::new(0);
    let mut mark = Mark::default();
    for step in 0..5_000_u64 {
        let now_ns = step * 1000 * S;
        let next = demand.raised(mark, 10.0, now_ns);
        demand.replace((0, mark), (0, next));
        mark = next;
        let level = plain(&mut demand, 5.0, now_ns);
        assert!((level.2 - 10.0).abs() < 1e-6 && (level.0 - 5.0).abs() < 1e-6, "{level:?}");
    }
}

#[test]
fn steady_attempts_give_their_rate() {
    let demand = Demand::new(0);
    let mut mark = Mark::default();
    for tick in 1..=100 {
        mark = demand.raised(mark, 8.0, tick * S / 10);
    }
    let per_s = demand.per_s(mark, 10 * S);
    assert!((76.0..88.0).contains(&per_s), "{per_s}");
}

proptest! {
    #[test]
    fn the_level_is_close_to_the_exact_one(
        attempts in proptest::collection::vec(1_u64..100_000, 1..200), share in 0.01..1.5_f64,
    ) {
        let mut demand = Demand::new(0);
        enter(&mut demand, &attempts, 7 * S);
        let demands: Vec<f64> = attempts.iter().map(|&n| n as f64).collect();
        let admitted = share * demands.iter().sum::<f64>();
        let (found, exact) = (plain(&mut demand, admitted, 7 * S).0, exact(&demands, admitted));
        // A bin is 7.5 % wide and stands for its mean; the level is never off by more than one bin.
        prop_assert!((found / exact - 1.0).abs() < 0.075, "{found} against {exact}");
        let given: f64 = demands.iter().map(|d| d.min(found)).sum();
        prop_assert!(given <= admitted.max(0.0) * 1.04 + 1e-9, "gives {given} of {admitted}");
    }

    #[test]
    fn what_goes_in_comes_out(attempts in proptest::collection::vec(1_u64..1_000_000, 1..50)) {
        let mut demand = Demand::new(0);
        let marks = enter(&mut demand, &attempts, S);
        marks.into_iter().for_each(|mark| demand.remove(0, mark));
        prop_assert_eq!(plain(&mut demand, 1.0, S).1, 0);
    }
}
