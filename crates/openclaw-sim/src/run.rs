//! What a simulated course came to, in absolute figures.

use serde::Serialize;

/// One second of a course.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TimelinePoint {
    /// Start in seconds.
    pub start_s: f64,
    /// Attempts, retries included.
    pub offered: u64,
    /// First attempts.
    pub first_attempts: u64,
    /// Attempts let through.
    pub accepted: u64,
    /// Requests completed within the SLO.
    pub good: u64,
    /// Requests completed after it.
    pub late: u64,
    /// Requests that failed: their client left, or a queue was full.
    pub failed: u64,
    /// Median latency of what ended in this second, at most the client timeout; `None` where nothing ended.
    pub p50_ms: Option<f64>,
    /// 95th percentile of what ended in this second, at most the client timeout.
    pub p95_ms: Option<f64>,
    /// Whether p95 is within the SLO; a second in which nothing ended has not missed it.
    pub meets_slo: bool,
    /// Work that the service's workers can do, in plain requests.
    pub capacity: f64,
    /// Work that all users were entitled to: the lesser of capacity and demand.
    pub entitled_work: f64,
    /// Work completed within the SLO.
    pub good_work: f64,
    /// The part of it that was within its users' entitlements.
    pub fair_work: f64,
    /// R at the end of the second, in work units per second, where one was decided.
    pub admitted_per_s: Option<f64>,
    /// W at the end of the second, where there is a guard.
    pub guard_ms: Option<f64>,
    /// Requests in flight at the end of the second.
    pub in_flight: u64,
}

/// Everything that happened in a course, or in the part of it that counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    /// Attempts, retries included.
    pub offered: u64,
    /// First attempts.
    pub first_attempts: u64,
    /// Attempts refused.
    pub throttled: u64,
    /// Attempts let through.
    pub accepted: u64,
    /// Requests completed within the SLO.
    pub good: u64,
    /// Requests completed after it.
    pub late: u64,
    /// Requests whose client left.
    pub timeouts: u64,
    /// Requests that found a queue full.
    pub overflowed: u64,
    /// Requests still waited for at the end.
    pub in_flight: u64,
    /// First attempts of users that asked for no more than their entitlement at that time.
    pub well_behaved: u64,
    /// Of these, the refused ones.
    pub well_behaved_throttled: u64,
    /// Work completed within the SLO, in plain requests.
    pub good_work: f64,
    /// The same, in windows whose p95 met the SLO only.
    pub good_work_in_slo: f64,
    /// The part of that which was within its users' entitlements.
    pub fair_work_in_slo: f64,
    /// Work that all users were entitled to: the lesser of capacity and demand.
    pub entitled_work: f64,
}

impl Figures {
    pub(crate) fn add(&mut self, more: &Self) {
        self.offered += more.offered;
        self.first_attempts += more.first_attempts;
        self.throttled += more.throttled;
        self.accepted += more.accepted;
        self.good += more.good;
        self.late += more.late;
        self.timeouts += more.timeouts;
        self.overflowed += more.overflowed;
        self.in_flight += more.in_flight;
        self.well_behaved += more.well_behaved;
        self.well_behaved_throttled += more.well_behaved_throttled;
        self.good_work += more.good_work;
        self.good_work_in_slo += more.good_work_in_slo;
        self.fair_work_in_slo += more.fair_work_in_slo;
        self.entitled_work += more.entitled_work;
    }

    /// Requests that came to any end.
    pub(crate) fn ended(&self) -> u64 {
        self.good + self.not_good()
    }

    /// Requests that came late or failed.
    pub(crate) fn not_good(&self) -> u64 {
        self.late + self.timeouts + self.overflowed
    }
}

/// One controller's course of one scenario. Everything but [`timeline`](Self::timeline) and
/// [`whole`](Self::whole) leaves out the first two seconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// The scenario's name.
    pub scenario: String,
    /// The seed that was played.
    pub seed: u64,
    /// Who decided.
    pub controller: String,
    /// What counts for the scores.
    pub figures: Figures,
    /// The whole course, from its first instant.
    pub whole: Figures,
    /// Windows of a second in which something ended.
    pub windows: u64,
    /// Of these, those whose p95 missed the SLO.
    pub windows_over_slo: u64,
    /// Median latency of what was admitted, in ms, at most the client timeout; `None` where nothing ended.
    pub p50_ms: Option<f64>,
    /// 95th percentile.
    pub p95_ms: Option<f64>,
    /// 99th percentile.
    pub p99_ms: Option<f64>,
    /// Jain's index of the users' good work over their entitlement: 1 where all are treated alike.
    pub jain: f64,
    /// Mean time after a drop of capacity until no more than 5 % was late for a second, in seconds; `None` where
    /// capacity never drops.
    pub recovery_s: Option<f64>,
    /// Mean change of ln(accepted) from second to second.
    pub oscillation: f64,
    /// Decisions made.
    pub decisions: u64,
    /// Second by second.
    pub timeline: Vec<TimelinePoint>,
}

impl Run {
    /// Fraction of the windows whose p95 missed the SLO.
    #[must_use]
    pub fn over_slo_fraction(&self) -> f64 {
        fraction(self.windows_over_slo, self.windows)
    }

    /// Fraction of the well-behaved users' first attempts that was refused.
    #[must_use]
    pub fn well_behaved_throttled_fraction(&self) -> f64 {
        fraction(self.figures.well_behaved_throttled, self.figures.well_behaved)
    }
}

fn fraction(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
