//! One course's figures, in the same terms whether it was played or simulated.

use openclaw_harness::{LoadReport, SecondReport};
use openclaw_sim::{Run, TimelinePoint, share_of_oracle};
use serde::Serialize;

/// What one controller got on one course. Counts cover the whole course; everything per second, percentiles, fractions
/// of windows and scores leave out the first two seconds.
///
/// One rule differs, and blurs what happens at the edges of a second: a played attempt belongs to the second it was
/// intended for, a simulated one to the second it ended in. Entitlements come from the same ledger.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Side {
    /// Work completed within the SLO, divided by the simulated oracle's.
    #[serde(rename = "G")]
    pub g: f64,
    /// The same, counting only windows whose p95 meets the SLO.
    #[serde(rename = "J")]
    pub j: f64,
    /// The same, counting each user only up to its max-min entitlement.
    #[serde(rename = "JF")]
    pub jf: f64,
    /// Attempts, retries included.
    pub offered: u64,
    /// Admitted and completed, in time or late.
    pub accepted: u64,
    /// Refused.
    pub throttled: u64,
    /// Broken off, refused by a full queue behind the service, or not sent.
    pub failed: u64,
    /// Given up by clients.
    pub timeouts: u64,
    /// On their way when the course ended, in the simulator only: a played course waits for them.
    pub in_flight: u64,
    /// Attempts per second.
    pub offered_per_s: f64,
    /// Completed within the SLO, per second.
    pub good_per_s: f64,
    /// Work completed within the SLO, in plain requests.
    pub good_work: f64,
    /// The same, in windows whose p95 met the SLO.
    pub good_work_in_slo: f64,
    /// The same, each user up to its entitlement.
    pub fair_work_in_slo: f64,
    /// Refused attempts divided by all.
    pub throttled_fraction: f64,
    /// Median latency of admitted requests.
    pub p50_ms: Option<f64>,
    /// 95th percentile, a timeout counting as the client timeout.
    pub p95_ms: Option<f64>,
    /// 99th percentile.
    pub p99_ms: Option<f64>,
    /// Fraction of the windows of 1 s whose p95 missed the SLO.
    pub windows_over_slo: f64,
    /// Fraction refused of what users asked for who asked for no more than their share.
    pub well_behaved_throttled: f64,
    /// Second by second.
    #[serde(skip)]
    pub seconds: Vec<TimelinePoint>,
}

impl Side {
    /// A played course. The report must be of a scenario's traffic: without users' shares there is nothing to score,
    /// and every score is 0.
    #[must_use]
    pub fn played(report: &LoadReport, oracle: &Run) -> Self {
        let work = report.work.unwrap_or_default();
        Self {
            offered: report.attempts,
            accepted: report.accepted,
            throttled: report.throttled,
            failed: report.failed,
            timeouts: report.timeouts,
            in_flight: 0,
            offered_per_s: report.offered_per_s,
            good_per_s: report.goodput_per_s,
            good_work: work.good,
            good_work_in_slo: work.good_in_slo_windows,
            fair_work_in_slo: work.entitled_in_slo_windows,
            throttled_fraction: report.throttled_fraction,
            p50_ms: report.p50_ms,
            p95_ms: report.p95_ms,
            p99_ms: report.p99_ms,
            windows_over_slo: report.windows_over_slo,
            well_behaved_throttled: report.well_behaved_throttled_fraction.unwrap_or(0.0),
            seconds: report.seconds.iter().map(|second| point(second, report.slo_ms)).collect(),
            ..Self::default()
        }
        .scored(oracle)
    }

    /// A simulated course of `duration_s` seconds.
    #[must_use]
    pub fn simulated(run: &Run, duration_s: f64, oracle: &Run) -> Self {
        let (whole, counted) = (&run.whole, &run.figures);
        let counted_s = (duration_s - 2.0).max(1e-9);
        Self {
            offered: whole.offered,
            accepted: whole.good + whole.late,
            throttled: whole.throttled,
            failed: whole.overflowed,
            timeouts: whole.timeouts,
            in_flight: whole.in_flight,
            offered_per_s: counted.offered as f64 / counted_s,
            good_per_s: counted.good as f64 / counted_s,
            good_work: counted.good_work,
            good_work_in_slo: counted.good_work_in_slo,
            fair_work_in_slo: counted.fair_work_in_slo,
            throttled_fraction: counted.throttled as f64 / counted.offered.max(1) as f64,
            p50_ms: run.p50_ms,
            p95_ms: run.p95_ms,
            p99_ms: run.p99_ms,
            windows_over_slo: run.over_slo_fraction(),
            well_behaved_throttled: run.well_behaved_throttled_fraction(),
            seconds: run.timeline.clone(),
            ..Self::default()
        }
        .scored(oracle)
    }

    fn scored(self, oracle: &Run) -> Self {
        let best = &oracle.figures;
        Self {
            g: share_of_oracle(self.good_work, best.good_work),
            j: share_of_oracle(self.good_work_in_slo, best.good_work_in_slo),
            jf: share_of_oracle(self.fair_work_in_slo, best.fair_work_in_slo),
            ..self
        }
    }
}

/// A second of a load as a time line shows it; what only a simulator knows is left out.
fn point(second: &SecondReport, slo_ms: f64) -> TimelinePoint {
    TimelinePoint {
        start_s: second.start_s,
        offered: second.offered,
        first_attempts: second.first_attempts,
        accepted: second.accepted + second.timeouts,
        good: second.good,
        late: second.accepted - second.good,
        failed: second.failed + second.timeouts,
        p50_ms: second.p50_ms,
        p95_ms: second.p95_ms,
        meets_slo: second.p95_ms.is_none_or(|p95_ms| p95_ms <= slo_ms),
        capacity: second.capacity.unwrap_or(0.0),
        ..TimelinePoint::default()
    }
}

#[cfg(test)]
mod tests;
