//! How far luck alone carries a course: the same users, attempts and disturbances, with service times drawn anew.
//!
//! A played course draws its service times in the order in which requests happen to arrive, so it is one draw of many.
//! Where many windows lie near the objective, as with requests of very different costs, a single draw says little: a
//! window that just misses it takes all of its work out of J and JF.

use serde::Serialize;

/// Draws that a simulated course is repeated with, the scenario's own included.
pub const DRAWS: u64 = 16;

/// JF over many draws of one simulated course.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Chance {
    /// Draws.
    pub draws: u64,
    /// Mean JF.
    #[serde(rename = "meanJF")]
    pub mean_jf: f64,
    /// Standard deviation of one draw.
    #[serde(rename = "deviationJF")]
    pub deviation_jf: f64,
    /// The worst draw.
    #[serde(rename = "lowestJF")]
    pub lowest_jf: f64,
    /// The best draw.
    #[serde(rename = "highestJF")]
    pub highest_jf: f64,
}

impl Chance {
    /// From the JF of each draw; all 0 where there is none.
    #[must_use]
    pub fn of(draws: &[f64]) -> Self {
        if draws.is_empty() {
            return Self::default();
        }
        let count = draws.len() as f64;
        let mean_jf = draws.iter().sum::<f64>() / count;
        let squares: f64 = draws.iter().map(|jf| (jf - mean_jf).powi(2)).sum();
        Self {
            draws: draws.len() as u64,
            mean_jf,
            deviation_jf: (squares / (count - 1.0).max(1.0)).sqrt(),
            lowest_jf: draws.iter().copied().fold(f64::INFINITY, f64::min),
            highest_jf: draws.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        }
    }

    /// The most that a single draw is off the mean where nothing but luck is at work, but for one in twenty.
    #[must_use]
    pub fn reach(&self) -> f64 {
        2.0 * self.deviation_jf
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_is_that_of_a_sample() {
        let chance = Chance::of(&[0.8, 0.9, 1.0]);
        assert_eq!((chance.draws, chance.lowest_jf, chance.highest_jf), (3, 0.8, 1.0));
        assert!((chance.mean_jf - 0.9).abs() < 1e-12 && (chance.deviation_jf - 0.1).abs() < 1e-12);
        assert!((chance.reach() - 0.2).abs() < 1e-12);
    }

    #[test]
    fn one_draw_has_no_spread_and_none_is_no_error() {
        assert_eq!(Chance::of(&[0.7]).deviation_jf, 0.0);
        assert_eq!(Chance::of(&[]), Chance::default());
    }
}
