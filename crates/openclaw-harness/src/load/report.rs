//! What a load run says at its end.

use serde::Serialize;

/// The result of a load run.
///
/// Figures per second, percentiles and fractions leave out the warm-up (the first 2 s by default); counts
/// cover the whole run, and `attempts = accepted + throttled + failed + timeouts`, where `failed` includes
/// `overflowed`. An attempt belongs to the second of its intended time.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadReport {
    /// Length in seconds, warm-up included; shorter than planned where the run was ended early.
    pub duration_s: f64,
    /// Whether the run was ended early.
    pub ended_early: bool,
    /// The SLO in milliseconds.
    pub slo_ms: f64,
    /// The client timeout in milliseconds.
    pub timeout_ms: f64,
    /// All attempts, retries included.
    pub attempts: u64,
    /// Attempts that were not retries.
    pub first_attempts: u64,
    /// Answered with 200, 201 or 207.
    pub accepted: u64,
    /// Refused: 429 or 503.
    pub throttled: u64,
    /// Of these, by a token bucket (429).
    pub throttled_by_bucket: u64,
    /// Of these, by the guard (503).
    pub throttled_by_guard: u64,
    /// Other statuses, transport errors, and what overflowed.
    pub failed: u64,
    /// No complete answer within the client timeout.
    pub timeouts: u64,
    /// Not sent, because too many requests were outstanding: the generator was too small for this test.
    pub overflowed: u64,
    /// Why attempts failed, by reason.
    pub failures: std::collections::BTreeMap<String, u64>,
    /// Attempts per second.
    pub offered_per_s: f64,
    /// First attempts per second.
    pub first_attempts_per_s: f64,
    /// Accepted per second.
    pub accepted_per_s: f64,
    /// Accepted within the SLO per second.
    pub goodput_per_s: f64,
    /// The same, counting only the windows of 1 s whose p95 meets the SLO.
    pub goodput_in_slo_windows_per_s: f64,
    /// The same in plain requests, counting each user only up to its entitlement so far: max-min fair,
    /// dominant-resource fair where there are dependencies. Scenarios only.
    pub entitled_goodput_in_slo_windows_per_s: Option<f64>,
    /// Median latency of admitted requests in milliseconds. A timeout counts as infinitely late; where a
    /// percentile falls on timeouts it is given as `timeoutMs`, which no completed request can exceed.
    /// `null` where nothing was admitted.
    pub p50_ms: Option<f64>,
    /// 95th percentile, in the same way.
    pub p95_ms: Option<f64>,
    /// 99th percentile, in the same way.
    pub p99_ms: Option<f64>,
    /// Fraction of the windows of 1 s whose p95 exceeds the SLO, of those in which anything was admitted.
    pub windows_over_slo: f64,
    /// Refused attempts divided by all attempts.
    pub throttled_fraction: f64,
    /// The same over users who in that window offer at most their max-min entitlement. Scenarios only.
    pub well_behaved_throttled_fraction: Option<f64>,
    /// Work done in time, for comparison with simulated courses. Scenarios only.
    pub work: Option<WorkReport>,
    /// 99th percentile of how long after their intended time attempts were sent, in milliseconds: what the generator
    /// itself, or the machine it ran on, added to every latency.
    pub send_lag_p99_ms: f64,
    /// One entry a second, warm-up included.
    pub seconds: Vec<SecondReport>,
}

/// Work completed within the SLO after the warm-up, in plain requests: a request of a class that works six times as
/// long counts six times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkReport {
    /// All of it.
    pub good: f64,
    /// Only in windows of 1 s whose p95 meets the SLO.
    pub good_in_slo_windows: f64,
    /// The same, counting each user only up to its entitlement so far.
    pub entitled_in_slo_windows: f64,
}

/// One second of a load run, by intended times.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SecondReport {
    /// Start in seconds.
    pub start_s: f64,
    /// Attempts.
    pub offered: u64,
    /// Attempts that were not retries.
    pub first_attempts: u64,
    /// Accepted.
    pub accepted: u64,
    /// Accepted within the SLO.
    pub good: u64,
    /// Refused.
    pub throttled: u64,
    /// Failed, overflowed ones included.
    pub failed: u64,
    /// Timed out.
    pub timeouts: u64,
    /// Median latency of admitted requests in milliseconds; see [`LoadReport::p50_ms`].
    pub p50_ms: Option<f64>,
    /// 95th percentile.
    pub p95_ms: Option<f64>,
    /// What the service could do in this second, in plain requests. Scenarios only.
    pub capacity: Option<f64>,
}
