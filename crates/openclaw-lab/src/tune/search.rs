//! The search that every controller's settings go through, with one budget for all.
//!
//! Half of the candidates look around, half look closer: first the published settings and a Latin hypercube over the
//! bounds, then Gaussian steps of shrinking length from the best so far. CMA-ES lost: with some dozens of candidates
//! it has hardly adapted, and it has settings of its own.

use openclaw_controller::Parameter;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use super::space::{Point, defaults, latin_hypercube, values};

/// Standard deviations of the first and the last step, as fractions of a parameter's bounds.
const STEPS: (f64, f64) = (0.2, 0.02);
/// The probability that a step moves one parameter: moving all at once hides which of them helped.
const MOVED: f64 = 0.5;

/// One try.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Candidate {
    /// The settings, in the order of the parameters.
    pub(super) values: Vec<f64>,
    /// What they scored; higher is better.
    pub(super) objective: f64,
}

/// Tries `count` settings, the published ones first, and returns them in the order of the tries. A controller without
/// parameters has one.
pub(super) fn search(
    parameters: &[Parameter],
    count: usize,
    seed: u64,
    mut objective: impl FnMut(&[f64]) -> f64,
) -> Vec<Candidate> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let count = if parameters.is_empty() { 1 } else { count };
    let around = count.div_ceil(2);
    let mut points = vec![defaults(parameters)];
    points.extend(latin_hypercube(around.saturating_sub(1), parameters.len(), &mut rng));
    let mut best: Option<(Point, f64)> = None;
    let mut tried = Vec::with_capacity(count);
    for number in 0..count {
        let point = match (points.get(number), &best) {
            (Some(point), _) => point.clone(),
            (None, Some((best, _))) => step(best, length(number - around, count - around), &mut rng),
            (None, None) => break,
        };
        // The published settings as published, without the rounding of a way through the cube.
        let values = if number == 0 { published(parameters) } else { values(parameters, &point) };
        let objective = objective(&values);
        if best.as_ref().is_none_or(|(_, highest)| objective > *highest) {
            best = Some((point, objective));
        }
        tried.push(Candidate { values, objective });
    }
    tried
}

/// The best of the tries, the earlier one of equals.
pub(super) fn best(tried: &[Candidate]) -> Option<&Candidate> {
    tried.iter().reduce(|best, next| if next.objective > best.objective { next } else { best })
}

fn published(parameters: &[Parameter]) -> Vec<f64> {
    parameters.iter().map(|parameter| parameter.default).collect()
}

/// The length of step `number` of `count`, falling geometrically.
fn length(number: usize, count: usize) -> f64 {
    let (first, last) = STEPS;
    let done = number as f64 / (count.max(2) - 1) as f64;
    first * (last / first).powf(done)
}

fn step(from: &[f64], length: f64, rng: &mut impl Rng) -> Point {
    let certain = rng.random_range(0..from.len());
    let moved = |(dimension, place): (usize, &f64)| {
        // Both are drawn always, so that a step's randomness does not depend on the steps before.
        let (chosen, way) = (rng.random_bool(MOVED), rng.sample::<f64, _>(StandardNormal));
        if chosen || dimension == certain { reflect(place + length * way) } else { *place }
    };
    from.iter().enumerate().map(moved).collect()
}

/// Turns back at the bounds of the cube, since clamping would pile candidates up on them.
fn reflect(place: f64) -> f64 {
    let there = place.rem_euclid(2.0);
    if there > 1.0 { 2.0 - there } else { there }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARAMETERS: [Parameter; 2] = [
        Parameter { name: "even", lowest: -1.0, highest: 3.0, default: 0.0, log: false },
        Parameter { name: "log", lowest: 0.01, highest: 100.0, default: 10.0, log: true },
    ];

    /// A hill with its top of 0 at (1.2, 0.5).
    fn hill(values: &[f64]) -> f64 {
        -((values[0] - 1.2).powi(2) + (values[1] / 0.5).ln().powi(2))
    }

    #[test]
    fn the_published_settings_are_tried_first_and_the_budget_is_kept() {
        let tried = search(&PARAMETERS, 24, 1, hill);
        assert_eq!(tried.len(), 24);
        assert_eq!(tried[0].values, [0.0, 10.0]);
        for candidate in &tried {
            assert!((-1.0..=3.0).contains(&candidate.values[0]), "{candidate:?}");
            assert!((0.01..=100.0).contains(&candidate.values[1]), "{candidate:?}");
        }
    }

    #[test]
    fn it_climbs_close_to_the_top_and_the_second_half_helps() {
        let tried = search(&PARAMETERS, 60, 1, hill);
        let (first, all) = (best(&tried[..30]).unwrap(), best(&tried).unwrap());
        assert!(all.objective > first.objective);
        assert!(all.objective > -0.05, "{all:?}");
    }

    #[test]
    fn the_same_seed_tries_the_same_settings() {
        let values = |seed| search(&PARAMETERS, 12, seed, hill);
        assert_eq!(values(5), values(5));
        assert_ne!(values(5), values(6));
    }

    #[test]
    fn of_equals_the_first_is_the_best() {
        let tried = search(&PARAMETERS, 8, 1, |_| 0.5);
        assert_eq!(best(&tried), tried.first());
    }

    #[test]
    fn nothing_to_tune_is_one_try_and_one_candidate_the_published_settings() {
        let nothing = search(&[], 20, 1, |_| 0.5);
        assert_eq!(nothing, [Candidate { values: Vec::new(), objective: 0.5 }]);
        assert_eq!(search(&PARAMETERS, 1, 1, hill)[0].values, [0.0, 10.0]);
    }

    #[test]
    fn places_past_a_bound_turn_back() {
        for (place, there) in [(0.3, 0.3), (1.2, 0.8), (-0.1, 0.1), (2.5, 0.5)] {
            assert!((reflect(place) - there).abs() < 1e-12);
        }
    }
}
