//! What the course of a controller is worth beside the oracle's.

use serde::Serialize;

use crate::run::Run;

/// Ratios above this count as this: luck on one scenario must not hide what happened on the others.
const RATIO_MAX: f64 = 1.2;

/// The scores of one course. All leave out the first two seconds; work is counted in plain requests, so that nobody
/// scores by serving only what is cheap. Windows are seconds, and a request belongs to the one in which it ended.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Scores {
    /// Work completed within the SLO, divided by the oracle's, at most 1.2.
    pub g: f64,
    /// The same, counting only windows whose p95 over admitted requests (those that failed count as endless) meets
    /// the SLO.
    pub j: f64,
    /// The same, counting only work within its users' max-min entitlements.
    pub jf: f64,
    /// Fraction of the windows whose p95 misses the SLO.
    pub over_slo: f64,
    /// Median latency of what was admitted, in ms, at most the client timeout.
    pub p50_ms: Option<f64>,
    /// 95th percentile.
    pub p95_ms: Option<f64>,
    /// 99th percentile.
    pub p99_ms: Option<f64>,
    /// Fraction refused of the first attempts of users that asked for no more than their entitlement.
    pub well_behaved_throttled: f64,
    /// Jain's index of the users' good work over their entitlement.
    pub jain: f64,
    /// Mean time from a drop of capacity until a second with at most 5 % late begins, in seconds.
    pub recovery_s: Option<f64>,
    /// Mean |change of ln accepted| from second to second.
    pub oscillation: f64,
    /// Good work over what all users were entitled to: the share of the work bound, min(demand, capacity).
    pub of_work_bound: f64,
}

/// The scores of `run`, beside the oracle's course of the same world.
#[must_use]
pub fn score(run: &Run, oracle: &Run) -> Scores {
    let (own, best) = (&run.figures, &oracle.figures);
    Scores {
        g: share_of_oracle(own.good_work, best.good_work),
        j: share_of_oracle(own.good_work_in_slo, best.good_work_in_slo),
        jf: share_of_oracle(own.fair_work_in_slo, best.fair_work_in_slo),
        over_slo: run.over_slo_fraction(),
        p50_ms: run.p50_ms,
        p95_ms: run.p95_ms,
        p99_ms: run.p99_ms,
        well_behaved_throttled: run.well_behaved_throttled_fraction(),
        jain: run.jain,
        recovery_s: run.recovery_s,
        oscillation: run.oscillation,
        of_work_bound: if own.entitled_work > 0.0 { own.good_work / own.entitled_work } else { 1.0 },
    }
}

/// Work over the oracle's, at most 1.2. Where nobody could do anything, whoever did nothing did as well as the oracle.
#[must_use]
pub fn share_of_oracle(own: f64, best: f64) -> f64 {
    if best > 0.0 {
        (own / best).min(RATIO_MAX)
    } else if own > 0.0 {
        RATIO_MAX
    } else {
        1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Figures;

    fn run(good_work: f64, in_slo: f64, fair: f64) -> Run {
        let figures = Figures {
            good_work,
            good_work_in_slo: in_slo,
            fair_work_in_slo: fair,
            entitled_work: 1000.0,
            well_behaved: 50,
            well_behaved_throttled: 5,
            ..Figures::default()
        };
        Run {
            scenario: "hand-made".into(),
            seed: 1,
            controller: "hand".into(),
            figures,
            whole: figures,
            windows: 20,
            windows_over_slo: 3,
            p50_ms: Some(20.0),
            p95_ms: Some(190.0),
            p99_ms: None,
            jain: 0.9,
            recovery_s: None,
            oscillation: 0.1,
            decisions: 200,
            timeline: Vec::new(),
        }
    }

    #[test]
    fn scores_are_shares_of_what_the_oracle_did() {
        let scores = score(&run(900.0, 800.0, 600.0), &run(1000.0, 1000.0, 960.0));
        assert_eq!((scores.g, scores.j, scores.jf), (0.9, 0.8, 0.625));
        assert_eq!((scores.over_slo, scores.well_behaved_throttled, scores.of_work_bound), (0.15, 0.1, 0.9));
    }

    #[test]
    fn luck_is_capped_and_nothing_out_of_nothing_is_all() {
        let scores = score(&run(900.0, 0.0, 5.0), &run(500.0, 0.0, 0.0));
        assert_eq!((scores.g, scores.j, scores.jf), (1.2, 1.0, 1.2));
    }
}
