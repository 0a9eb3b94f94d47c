//! Costs, and refusals that are only foretold.

use super::*;

fn admission(bucket_size: f64) -> Admission {
    let defaults = BucketPolicy { bucket_size, refill_rate: 1.0 };
    Admission::new(&CollectorSettings { defaults, ..CollectorSettings::default() })
}

fn user() -> UserId {
    UserId::new("ann").unwrap()
}

#[test]
fn work_that_costs_more_takes_more_tokens() {
    let admission = admission(10.0);
    assert!(admission.take_cost(&user(), &Context::default(), 8.0).is_allowed());
    assert!(!admission.take_cost(&user(), &Context::default(), 8.0).is_allowed());
    assert!(admission.take(&user(), &Context::default()).is_allowed(), "a smaller one still fits");
    assert!(!admission.take_cost(&user(), &Context::default(), f64::NAN).is_allowed());
}

#[test]
fn foretold_refusals_count_as_admitted_because_the_work_goes_on() {
    let admission = admission(1.0);
    let decisions: Vec<bool> =
        (0..3).map(|_| admission.foretell(&user(), &Context::default(), 1.0).is_allowed()).collect();
    assert_eq!(decisions, [true, false, false]);
    let totals = admission.counters.totals();
    assert_eq!((totals.accepted, totals.throttled), (3, 0));
    assert_eq!(admission.ratings_in_flight.load(Relaxed), 3);
}

#[test]
fn what_enters_regardless_is_in_flight_until_it_leaves() {
    let admission = admission(1.0);
    let in_flight = admission.enter_regardless(&user());
    assert_eq!(admission.requests_in_flight(), 1);
    drop(in_flight);
    assert_eq!(admission.requests_in_flight(), 0);
}
