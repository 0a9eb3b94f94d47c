//! Windows and scores of courses whose every request is put in by hand: a simulated one would hide the rules.

use std::sync::Arc;

use openclaw_scenario::demo;

use super::*;

/// Two users, one of whom asks for far more than there is.
struct Course {
    world: World,
    fairness: FairLedger,
    tally: Tally,
    second: f64,
}

impl Course {
    fn new() -> Self {
        let mut scenario = demo();
        (scenario.users.count, scenario.duration_s) = (2, 6.0);
        scenario.capacity.clear();
        let world = World::new(Arc::new(scenario), None, 0);
        let (fairness, tally) =
            (FairLedger::new(&world.scenario, &world.population), Tally::new(&world, 0.2));
        Self { world, fairness, tally, second: 0.0 }
    }

    /// A second in which user 0 asks for 1000 requests, user 1 for 100, and 800 fit; what ends are
    /// `good` requests of each user and `late` ones.
    fn second(&mut self, good: [u32; 2], late: u32) {
        let users = std::iter::repeat_n(0, 1000).chain(std::iter::repeat_n(1, 100));
        let stage = &self.world.stages[0];
        self.fairness.open(users, [stage.workers]);
        for _ in 0..SLOTS_PER_S {
            self.tally.begin_slot(self.fairness.window_work() / SLOTS_PER_S as f64);
        }
        for (user, count) in (0..).zip(good) {
            for _ in 0..count {
                assert!(self.tally.ended(End::Served, 0.1, 1.0));
                self.fairness.good(user);
            }
        }
        (0..late).for_each(|_| assert!(!self.tally.ended(End::Served, 0.3, 1.0)));
        let end = SecondEnd {
            start_s: self.second,
            capacity: 800.0,
            admitted_per_s: None,
            guard_ms: None,
            in_flight: 0,
        };
        self.tally.end_second(&end, &self.fairness);
        self.second += 1.0;
    }

    fn finish(self) -> Run {
        self.tally.finish(&self.world, "hand", 0, &self.fairness)
    }
}

#[test]
fn work_counts_from_the_third_second_in_windows_that_meet_the_slo_and_up_to_fair_shares() {
    let mut course = Course::new();
    course.second([700, 100], 0);
    course.second([700, 100], 0);
    // A good window; one in which exactly a twentieth is late; one over it; an unfair one.
    course.second([700, 100], 0);
    course.second([660, 100], 40);
    course.second([660, 100], 41);
    course.second([800, 0], 0);
    let run = course.finish();
    assert_eq!(run.figures.good, 800 + 760 + 760 + 800);
    assert_eq!(run.figures.good_work_in_slo, 800.0 + 760.0 + 800.0);
    // In the unfair second the first user makes up for the 80 it missed before, and no more.
    assert_eq!(run.figures.fair_work_in_slo, 800.0 + 760.0 + 780.0);
    assert_eq!((run.windows, run.windows_over_slo), (4, 1));
    assert_eq!(run.figures.entitled_work, 4.0 * 800.0);
    assert_eq!(run.whole.good, 1600 + run.figures.good);
    assert!((run.p50_ms.unwrap() / 100.0 - 1.0).abs() < 0.01);
    assert!((run.p99_ms.unwrap() / 300.0 - 1.0).abs() < 0.01);
}

#[test]
fn equal_satisfaction_has_a_jain_index_of_one_and_a_starved_user_lowers_it() {
    let index = |good| {
        let mut course = Course::new();
        (0..6).for_each(|_| course.second(good, 0));
        course.finish().jain
    };
    assert!((index([350, 50]) - 1.0).abs() < 1e-9);
    assert!((index([700, 0]) - 0.5).abs() < 1e-9);
}

#[test]
fn requests_that_fail_are_endless_for_the_percentiles() {
    let mut course = Course::new();
    (0..2).for_each(|_| course.second([100, 100], 0));
    assert!(!course.tally.ended(End::ClientLeft, 0.1, 1.0));
    course.second([8, 8], 0);
    let run = course.finish();
    assert_eq!(run.figures.timeouts, 1);
    assert_eq!(run.p95_ms, Some(1000.0), "at the client timeout");
    assert_eq!(run.windows_over_slo, 1);
}

#[test]
fn recovery_lasts_until_a_second_begins_in_which_no_more_than_a_twentieth_is_late() {
    let mut scenario = demo();
    scenario.capacity[0].start_s = 1.0;
    let slot = |late| Slot { ended: 100, late };
    // The drop comes after ten slots; the late ones are slots 12 to 14.
    let mut slots = vec![slot(0); 40];
    slots[12..15].iter_mut().for_each(|one| *one = slot(80));
    assert!((recovery_s(&scenario, &slots).unwrap() - 0.5).abs() < 1e-9);
    let never = vec![slot(50); 40];
    assert!((recovery_s(&scenario, &never).unwrap() - 3.0).abs() < 1e-9);
    scenario.capacity.clear();
    assert_eq!(recovery_s(&scenario, &slots), None);
}
