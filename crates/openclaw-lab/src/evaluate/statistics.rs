//! Means that say how sure they are.
//!
//! Scenarios differ far more than controllers do, so controllers are compared scenario by scenario and the
//! differences averaged (paired). A trimmed mean stands beside the plain one, because a single scenario in which a
//! controller collapses can carry a whole mean. Bootstrapping lost: it needs random numbers, and gave the same
//! widths.

use serde::Serialize;

/// Share of the values left out at each end of a trimmed mean.
pub const TRIMMED_FRACTION: f64 = 0.1;

/// A mean with its standard error.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// Its standard error; `None` where fewer than two values leave it unknown.
    pub standard_error: Option<f64>,
}

/// The mean of `values`, 0 where there is none.
#[must_use]
pub fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / values.len() as f64 }
}

impl Estimate {
    /// The plain mean.
    #[must_use]
    pub fn plain(values: &[f64]) -> Self {
        Self::trimmed(values, 0.0)
    }

    /// The mean without the `fraction` lowest and the `fraction` highest values (their number rounded down), and
    /// its standard error by Tukey and McLaughlin: the spread is that of the values with the ends replaced by
    /// their neighbours (Yuen, Biometrika 61, 1974).
    ///
    /// # Panics
    /// If `fraction` is not in [0, .5).
    #[must_use]
    pub fn trimmed(values: &[f64], fraction: f64) -> Self {
        assert!((0.0..0.5).contains(&fraction), "a trimmed fraction lies in [0, .5), is {fraction}");
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let cut = (fraction * sorted.len() as f64) as usize;
        let kept = &sorted[cut..sorted.len() - cut];
        let estimate = Self { mean: mean(kept), standard_error: None };
        let (Some(lowest), Some(highest)) = (kept.first(), kept.last()) else { return estimate };
        if kept.len() < 2 {
            return estimate;
        }
        let winsorised: Vec<f64> = sorted.iter().map(|value| value.clamp(*lowest, *highest)).collect();
        let centre = mean(&winsorised);
        let squares: f64 = winsorised.iter().map(|value| (value - centre).powi(2)).sum();
        let count = kept.len() as f64;
        Self { standard_error: Some((squares / (count * (count - 1.0))).sqrt()), ..estimate }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_error_is_the_deviation_over_the_root_of_the_count() {
        // Mean 5, squared deviations 9 + 1 + 1 + 1 + 0 + 0 + 4 + 16 = 32, so s = sqrt(32 / 7).
        let values = [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0];
        let estimate = Estimate::plain(&values);
        assert_eq!(estimate.mean, 5.0);
        let by_hand = (32.0_f64 / 7.0).sqrt() / 8.0_f64.sqrt();
        assert!((estimate.standard_error.unwrap() - by_hand).abs() < 1e-15);
    }

    #[test]
    fn one_value_has_a_mean_but_no_error() {
        assert_eq!(Estimate::plain(&[3.0]), Estimate { mean: 3.0, standard_error: None });
        assert_eq!(Estimate::plain(&[]), Estimate { mean: 0.0, standard_error: None });
    }

    #[test]
    fn trimming_leaves_out_both_ends_and_counts_them_as_their_neighbours() {
        // Ten values lose one at each end: 2 to 9 are left, and the spread is that of 2, 2, 3, ..., 8, 9, 9.
        let values = [1000.0, 5.0, 3.0, 4.0, -1000.0, 6.0, 7.0, 8.0, 9.0, 2.0];
        let estimate = Estimate::trimmed(&values, TRIMMED_FRACTION);
        assert_eq!(estimate.mean, 5.5);
        // Deviations from 5.5: twice 3.5 at each end, then 2.5, 1.5 and .5 on both sides.
        let squares = 4.0 * 12.25 + 2.0 * (6.25 + 2.25 + 0.25);
        let by_hand = (squares / (8.0 * 7.0_f64)).sqrt();
        assert!((estimate.standard_error.unwrap() - by_hand).abs() < 1e-15);
    }

    #[test]
    fn too_few_values_to_trim_are_all_kept() {
        let values = [0.0, 1.0, 5.0];
        assert_eq!(Estimate::trimmed(&values, TRIMMED_FRACTION), Estimate::plain(&values));
    }
}
