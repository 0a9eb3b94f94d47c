//! A controller's settings as points of the unit cube, so that one search treats all controllers alike.

use openclaw_controller::Parameter;
use rand::seq::SliceRandom;
use rand::{Rng, RngExt};

/// A point: one number from 0 to 1 for each parameter.
pub(super) type Point = Vec<f64>;

/// The settings that the point stands for: bounds at 0 and 1, in between evenly or by the logarithm.
pub(super) fn values(parameters: &[Parameter], point: &[f64]) -> Vec<f64> {
    let value = |(parameter, place): (&Parameter, &f64)| {
        let (low, high) = (parameter.lowest, parameter.highest);
        let value = if parameter.log { low * (high / low).powf(*place) } else { low + place * (high - low) };
        // Rounding must not lead past a bound.
        value.clamp(low, high)
    };
    parameters.iter().zip(point).map(value).collect()
}

/// The point of the published settings.
pub(super) fn defaults(parameters: &[Parameter]) -> Point {
    let place = |parameter: &Parameter| {
        let (low, high, value) = (parameter.lowest, parameter.highest, parameter.default);
        if high <= low {
            return 0.0;
        }
        if parameter.log {
            (value.ln() - low.ln()) / (high.ln() - low.ln())
        } else {
            (value - low) / (high - low)
        }
    };
    parameters.iter().map(place).collect()
}

/// A Latin hypercube: `count` points that together visit every one of `count` equal slices of every parameter
/// (McKay, Beckman and Conover, Technometrics 21, 1979).
pub(super) fn latin_hypercube(count: usize, dimensions: usize, rng: &mut impl Rng) -> Vec<Point> {
    let mut points = vec![vec![0.0; dimensions]; count];
    for dimension in 0..dimensions {
        let mut slices: Vec<usize> = (0..count).collect();
        slices.shuffle(rng);
        for (point, slice) in points.iter_mut().zip(slices) {
            point[dimension] = (slice as f64 + rng.random::<f64>()) / count as f64;
        }
    }
    points
}

#[cfg(test)]
mod tests {
    use openclaw_controller::ControllerKind;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    const PARAMETERS: [Parameter; 2] = [
        Parameter { name: "even", lowest: 1.0, highest: 3.0, default: 1.5, log: false },
        Parameter { name: "log", lowest: 0.01, highest: 100.0, default: 10.0, log: true },
    ];

    #[test]
    fn corners_are_bounds_and_the_middle_is_even_or_geometric() {
        assert_eq!(values(&PARAMETERS, &[0.0, 0.0]), [1.0, 0.01]);
        let highest = values(&PARAMETERS, &[1.0, 1.0]);
        assert!(highest[0] == 3.0 && (highest[1] - 100.0).abs() < 1e-9, "{highest:?}");
        let middle = values(&PARAMETERS, &[0.5, 0.5]);
        assert!(middle[0] == 2.0 && (middle[1] - 1.0).abs() < 1e-12, "{middle:?}");
    }

    #[test]
    fn the_defaults_of_every_controller_are_points_that_lead_back_to_them() {
        assert_eq!(defaults(&PARAMETERS)[0], 0.25);
        for kind in ControllerKind::ALL {
            let point = defaults(kind.parameters());
            assert!(point.iter().all(|place| (0.0..=1.0).contains(place)), "{kind}: {point:?}");
            for (value, default) in values(kind.parameters(), &point).iter().zip(kind.defaults()) {
                assert!((value - default).abs() <= 1e-9 * default.abs(), "{kind}: {value} for {default}");
            }
        }
    }

    #[test]
    fn a_latin_hypercube_visits_every_slice_of_every_parameter_once() {
        let points = latin_hypercube(16, 3, &mut ChaCha8Rng::seed_from_u64(3));
        for dimension in 0..3 {
            let mut slices: Vec<_> = points.iter().map(|point| (point[dimension] * 16.0) as usize).collect();
            slices.sort_unstable();
            assert_eq!(slices, (0..16).collect::<Vec<_>>());
        }
    }
}
