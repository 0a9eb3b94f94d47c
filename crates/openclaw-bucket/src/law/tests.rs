//! What two words must hold: the parameters as they were set, and a refill that is theirs to the unit.

use proptest::prelude::*;

use super::*;
use crate::{CAPACITY_MAX, REFILL_RATE_MAX};

const UNITS: u128 = 1 << 20;
const SECOND_NS: u64 = 1_000_000_000;

fn params(capacity: f64, refill_rate: f64) -> BucketParams {
    BucketParams::new(capacity, refill_rate).expect("valid parameters")
}

/// The smallest, the greatest, the powers of two and their neighbours.
fn telling(least: f64, most: f64) -> Vec<f64> {
    let powers =
        std::iter::successors(Some(least), |power| Some(power * 2.0)).take_while(|power| *power <= most);
    let near = powers.flat_map(|power| [power.next_down(), power, power.next_up(), power * 4.0 / 3.0]);
    near.chain([0.0, 0.1, 1e-3, 1.2, 99.99, 1e6 / 3.0]).filter(|number| *number <= most).collect()
}

#[test]
fn every_power_of_two_and_its_neighbours_are_recovered_exactly() {
    for capacity in telling(exp2(-21), CAPACITY_MAX) {
        for refill_rate in telling(exp2(-56), REFILL_RATE_MAX) {
            let set = params(capacity, refill_rate);
            assert_eq!(Law::of(set).params(), set);
        }
    }
}

#[test]
fn a_capacity_is_counted_in_whole_units_rounded_down() {
    for capacity in telling(exp2(-21), CAPACITY_MAX) {
        let set = params(capacity, 0.0);
        assert_eq!(Law::of(set).capacity(), (set.capacity() * UNITS_PER_TOKEN) as u64, "{capacity}");
    }
}

#[test]
fn whole_seconds_refill_whole_tokens_exactly() {
    for refill_rate in [1_u32, 3, 7, 10, 511, 512, 513, 1_000, 999_983] {
        let law = Law::of(params(1.0, f64::from(refill_rate)));
        for seconds in [1, 2, 59, 3_600, 86_400] {
            let units = u128::from(seconds * u64::from(refill_rate)) * UNITS;
            assert_eq!(law.refilled(seconds * SECOND_NS), units, "{refill_rate} in {seconds} s");
        }
    }
}

#[test]
fn without_a_refill_rate_nothing_comes_however_long_it_takes() {
    assert_eq!(Law::of(params(1.0, 0.0)).refilled(u64::MAX), 0);
    assert!(!Law::of(params(1.0, 0.0)).refills());
}

proptest! {
    #[test]
    fn parameters_are_recovered_exactly(
        capacity in 0.0..=CAPACITY_MAX,
        refill_rate in 0.0..=REFILL_RATE_MAX,
        [smaller, slower] in [0..53, 0..86_i32],
    ) {
        let set = params(capacity * exp2(-smaller), refill_rate * exp2(-slower));
        prop_assert_eq!(Law::of(set).params(), set);
    }

    /// The exact refill is mantissa * 2^exponent * 2^20 / 10^9 units a nanosecond, of which a speed keeps 59 bits
    /// and more, rounded up.
    #[test]
    fn refills_are_exact_to_one_part_in_two_to_the_59th(
        refill_rate in 1.0..=REFILL_RATE_MAX,
        now_ns in 0..u64::MAX,
    ) {
        // In 2^-20 token per second, so that the product with a time is a whole number.
        let steps = (refill_rate * 1_048_576.0).floor();
        let law = Law::of(params(1.0, steps / 1_048_576.0));
        let exact = u128::from(steps as u64) * u128::from(now_ns) / u128::from(SECOND_NS);
        let refilled = law.refilled(now_ns);
        prop_assert!(refilled >= exact && refilled - exact <= 1 + (exact >> 59), "{} for {}", refilled, exact);
    }
}
