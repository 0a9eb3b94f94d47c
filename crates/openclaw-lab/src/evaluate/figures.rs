//! The scores of one course, and their means.

use serde::{Serialize, Serializer};

/// How one controller did on one or many courses; fractions are 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    /// Completions within the SLO, divided by the oracle's.
    #[serde(rename = "G")]
    pub g: f64,
    /// The same, counting only 1 s windows whose p95 meets the SLO.
    #[serde(rename = "J")]
    pub j: f64,
    /// J in which a user's completions count only up to that user's fair share.
    #[serde(rename = "JF")]
    pub jf: f64,
    /// Fraction of the 1 s windows whose p95 misses the SLO.
    pub windows_over_slo: f64,
    /// Median latency of what was admitted; 0 where nothing was.
    pub p50_ms: f64,
    /// 95th percentile; a client that gave up counts as having waited for its whole timeout.
    pub p95_ms: f64,
    /// 99th percentile, likewise.
    pub p99_ms: f64,
    /// Fraction of the attempts of users within their fair share that were refused.
    pub well_behaved_throttled: f64,
    /// Jain's index of satisfied over entitled, 1 where all users fare alike.
    pub jain: f64,
    /// Seconds until goodput is back after a drop of capacity; `None`, written as 0, where there is no drop.
    #[serde(rename = "recoveryS", serialize_with = "zero_for_none")]
    pub recovery_s: Option<f64>,
    /// Mean change of ln(accepted per second) from second to second.
    pub oscillation: f64,
    /// Work completed within the SLO over what demand and capacity allowed: the share of the work bound.
    pub of_work_bound: f64,
}

/// Readers of the results average whole columns: a number everywhere serves them better than gaps.
fn zero_for_none<S: Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(value.unwrap_or(0.0))
}

impl Figures {
    /// The mean of each figure, that of the recovery over those that have one; all 0 where there is nothing to average.
    #[must_use]
    pub fn mean<'a>(of: impl IntoIterator<Item = &'a Self>) -> Self {
        let all: Vec<&Self> = of.into_iter().collect();
        let mean = |figure: fn(&Self) -> f64| {
            all.iter().map(|figures| figure(figures)).sum::<f64>() / all.len().max(1) as f64
        };
        let recoveries: Vec<f64> = all.iter().filter_map(|figures| figures.recovery_s).collect();
        Self {
            g: mean(|figures| figures.g),
            j: mean(|figures| figures.j),
            jf: mean(|figures| figures.jf),
            windows_over_slo: mean(|figures| figures.windows_over_slo),
            p50_ms: mean(|figures| figures.p50_ms),
            p95_ms: mean(|figures| figures.p95_ms),
            p99_ms: mean(|figures| figures.p99_ms),
            well_behaved_throttled: mean(|figures| figures.well_behaved_throttled),
            jain: mean(|figures| figures.jain),
            recovery_s: (!recoveries.is_empty()).then(|| super::statistics::mean(&recoveries)),
            oscillation: mean(|figures| figures.oscillation),
            of_work_bound: mean(|figures| figures.of_work_bound),
        }
    }

    /// Half J, half JF: what is tuned and selected by.
    #[must_use]
    pub fn objective(&self) -> f64 {
        0.5 * (self.j + self.jf)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_figure_is_averaged_by_itself_and_recovery_where_there_is_one() {
        let one = Figures { g: 1.0, j: 0.5, p95_ms: 100.0, recovery_s: Some(3.0), ..Figures::default() };
        let other = Figures { g: 0.5, j: 0.7, p95_ms: 300.0, oscillation: 0.2, ..Figures::default() };
        let mean = Figures::mean([&one, &other]);
        assert_eq!((mean.g, mean.p95_ms, mean.recovery_s), (0.75, 200.0, Some(3.0)));
        assert!((mean.j - 0.6).abs() < 1e-12 && (mean.oscillation - 0.1).abs() < 1e-12);
        assert_eq!(Figures::mean([&other]).recovery_s, None);
        assert_eq!(Figures::mean([]), Figures::default());
    }

    #[test]
    fn a_course_without_a_drop_recovers_in_no_time() {
        let json = serde_json::to_value(Figures { g: 0.25, ..Figures::default() }).unwrap();
        assert_eq!((&json["recoveryS"], &json["G"]), (&0.0.into(), &0.25.into()));
    }
}
