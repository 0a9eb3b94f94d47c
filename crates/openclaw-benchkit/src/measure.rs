//! Taking turns: what is compared is measured alternately, so that a slow minute of the machine hits both sides.

use std::convert::Infallible;
use std::hint::black_box;
use std::time::Instant;

/// The fewest paired runs a published median may come from.
pub const RUNS_MIN: usize = 7;

/// Measures `value` and `peer` in turns, `runs` times each, and gives both medians.
///
/// Each closure takes one whole measurement and returns its figure in the row's unit. Who goes first alternates
/// from run to run, so that neither side always meets the warmer cache.
///
/// # Panics
/// Where `runs` is below [`RUNS_MIN`] or a measurement is not a finite number: both are mistakes in the benchmark.
pub fn paired(runs: usize, mut value: impl FnMut() -> f64, mut peer: impl FnMut() -> f64) -> (f64, f64) {
    let medians = try_paired(runs, || Ok::<f64, Infallible>(value()), || Ok(peer()));
    match medians {
        Ok(medians) => medians,
        Err(never) => match never {},
    }
}

/// [`paired`] for measurements that can fail, such as those that talk to a server; the first error ends it.
///
/// # Errors
/// The first error of either closure.
///
/// # Panics
/// As [`paired`] does.
pub fn try_paired<E>(
    runs: usize,
    mut value: impl FnMut() -> Result<f64, E>,
    mut peer: impl FnMut() -> Result<f64, E>,
) -> Result<(f64, f64), E> {
    assert!(
        runs >= RUNS_MIN,
        "{runs} paired runs are too few for a median worth quoting: use at least {RUNS_MIN}"
    );
    let mut values = Vec::with_capacity(runs);
    let mut peers = Vec::with_capacity(runs);
    for run in 0..runs {
        if run % 2 == 0 {
            values.push(value()?);
            peers.push(peer()?);
        } else {
            peers.push(peer()?);
            values.push(value()?);
        }
    }
    Ok((median(&mut values), median(&mut peers)))
}

/// The middle of the measurements, or the mean of the two in the middle. Sorts them in place.
///
/// # Panics
/// Where there is none, or one is not a finite number.
pub fn median(measurements: &mut [f64]) -> f64 {
    assert!(!measurements.is_empty(), "no measurement, no median");
    assert!(
        measurements.iter().all(|m| m.is_finite()),
        "a measurement is not a finite number: {measurements:?}"
    );
    measurements.sort_by(f64::total_cmp);
    let middle = measurements.len() / 2;
    if measurements.len() % 2 == 1 {
        measurements[middle]
    } else {
        f64::midpoint(measurements[middle - 1], measurements[middle])
    }
}

/// Calls `work` with 0, 1, 2 … `calls - 1` on this thread and gives the mean time of one call in nanoseconds.
/// What `work` returns is kept from being optimised away.
///
/// # Panics
/// Where `calls` is zero.
pub fn ns_per_call<T>(calls: u64, mut work: impl FnMut(u64) -> T) -> f64 {
    assert!(calls > 0, "no call, no time per call");
    let start = Instant::now();
    for call in 0..calls {
        black_box(work(black_box(call)));
    }
    start.elapsed().as_nanos() as f64 / calls as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    #[test]
    fn sides_take_turns_and_swap_who_goes_first() {
        let order = RefCell::new(String::new());
        let side = |name: char| {
            order.borrow_mut().push(name);
            1.0
        };
        paired(RUNS_MIN, || side('v'), || side('p'));
        assert_eq!(order.into_inner(), "vppvvppvvppvvp");
    }

    #[test]
    fn one_outlier_does_not_move_the_median() {
        let mut next = [9.0, 1.0, 5.0, 1000.0, 5.0, 5.0, 2.0].into_iter();
        let (value, peer) = paired(7, || next.next().unwrap(), || 4.0);
        assert_eq!((value, peer), (5.0, 4.0));
    }

    #[test]
    fn an_even_number_of_measurements_has_the_mean_of_the_middle_two() {
        assert_eq!(median(&mut [4.0, 1.0, 3.0, 100.0]), 3.5);
    }

    #[test]
    fn the_first_error_ends_the_runs() {
        let mut taken = 0;
        let outcome = try_paired(
            7,
            || {
                taken += 1;
                if taken == 3 { Err("server went away") } else { Ok(1.0) }
            },
            || Ok(1.0),
        );
        assert_eq!(outcome, Err("server went away"));
        assert_eq!(taken, 3);
    }

    #[test]
    #[should_panic(expected = "too few")]
    fn fewer_runs_than_the_minimum_are_refused() {
        paired(RUNS_MIN - 1, || 1.0, || 1.0);
    }

    #[test]
    #[should_panic(expected = "not a finite number")]
    fn a_measurement_that_is_not_a_number_is_refused() {
        paired(RUNS_MIN, || f64::NAN, || 1.0);
    }

    #[test]
    fn every_call_is_made_once_and_in_order() {
        let mut seen = Vec::new();
        let ns = ns_per_call(4, |call| seen.push(call));
        assert_eq!(seen, [0, 1, 2, 3]);
        assert!(ns >= 0.0);
    }
}
