//! How likely a service time, or the sum of several, is to exceed what is left until the SLO.

use openclaw_scenario::ServiceTime;

/// Coefficient of variation that a Pareto time counts with in a sum: its own may be infinite.
const PARETO_CV: f64 = 1.5;

/// Probability that the times of `parts` add up to more than `left_s`. Each part is a distribution and what its
/// times are multiplied by.
///
/// One part is exact; a sum counts as lognormal with the same mean and variance.
pub(crate) fn exceeds(left_s: f64, parts: impl Iterator<Item = (ServiceTime, f64)> + Clone) -> f64 {
    if left_s <= 0.0 {
        return 1.0;
    }
    let mut first = parts.clone();
    if let (Some((time, factor)), None) = (first.next(), first.next()) {
        return tail(time, left_s / factor);
    }
    let (mut mean, mut variance) = (0.0, 0.0);
    for (time, factor) in parts {
        let part = time.mean_s() * factor;
        mean += part;
        variance += (part * cv(time)).powi(2);
    }
    if mean > 0.0 { lognormal_tail(left_s / mean, variance.sqrt() / mean) } else { 0.0 }
}

/// Mean time left of a piece of work that is looked at while it is done, over its mean length.
pub(crate) fn residual(time: ServiceTime) -> f64 {
    (1.0 + cv(time).powi(2)) / 2.0
}

fn cv(time: ServiceTime) -> f64 {
    match time {
        ServiceTime::Lognormal { cv, .. } => cv,
        ServiceTime::Pareto { alpha, .. } if alpha > 2.0 => (alpha * (alpha - 2.0)).powf(-0.5).min(PARETO_CV),
        ServiceTime::Pareto { .. } => PARETO_CV,
    }
}

fn tail(time: ServiceTime, left_s: f64) -> f64 {
    let ratio = left_s / time.mean_s();
    match time {
        ServiceTime::Lognormal { cv, .. } => lognormal_tail(ratio, cv),
        ServiceTime::Pareto { alpha, .. } => (ratio * alpha / (alpha - 1.0)).powf(-alpha).min(1.0),
    }
}

/// Probability that a lognormal time exceeds `ratio` times its mean.
fn lognormal_tail(ratio: f64, cv: f64) -> f64 {
    if cv <= 0.0 {
        return f64::from(u8::from(ratio < 1.0));
    }
    let variance = (1.0 + cv * cv).ln();
    normal_tail((ratio.ln() + variance / 2.0) / variance.sqrt())
}

/// Probability that a standard normal exceeds `z`; within 8e-8 (Abramowitz and Stegun, 26.2.17).
fn normal_tail(z: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * z.abs());
    let series = [1.330_274_429, -1.821_255_978, 1.781_477_937, -0.356_563_782, 0.319_381_530]
        .into_iter()
        .fold(0.0, |sum, coefficient| (sum + coefficient) * t);
    let upper = (-z * z / 2.0).exp() / std::f64::consts::TAU.sqrt() * series;
    if z < 0.0 { 1.0 - upper } else { upper }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_normal_tail_is_the_known_one() {
        for (z, expected) in [(0.0, 0.5), (1.0, 0.158_655_25), (1.959_964, 0.025), (-1.0, 0.841_344_75)] {
            assert!((normal_tail(z) - expected).abs() < 1e-6, "{z}");
        }
    }

    #[test]
    fn a_pareto_time_exceeds_what_its_law_says() {
        let time = ServiceTime::Pareto { mean_ms: 20.0, alpha: 3.0 };
        // The scale is 2/3 of the mean; twice that is exceeded with probability 1/8.
        assert!((exceeds(0.02 * 4.0 / 3.0, [(time, 1.0)].into_iter()) - 0.125).abs() < 1e-9);
        assert_eq!(exceeds(0.001, [(time, 1.0)].into_iter()), 1.0);
        assert_eq!(exceeds(0.0, [(time, 1.0)].into_iter()), 1.0);
    }

    #[test]
    fn a_sum_varies_less_than_its_parts() {
        let time = ServiceTime::Lognormal { mean_ms: 20.0, cv: 0.5 };
        let one = exceeds(0.04, [(time, 1.0)].into_iter());
        let two = exceeds(0.08, [(time, 1.0), (time, 1.0)].into_iter());
        assert!(two < one, "{two} {one}");
    }
}
