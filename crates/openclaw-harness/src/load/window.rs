//! One second of attempts, by their intended times, and what it says when it is over.

use openclaw_scenario::{CapacityTimeline, FairDivision};

use super::Outcome;
use super::plan::ScenarioTraffic;
use super::report::SecondReport;

/// The smallest sample that at least `fraction` of the samples do not exceed; samples ascend.
pub(super) fn quantile_s(ascending: &[f32], fraction: f64) -> Option<f64> {
    let rank = (ascending.len() as f64 * fraction).ceil();
    // The bounds of a slice index make both casts safe.
    #[expect(clippy::cast_sign_loss, clippy::cast_possible_truncation, reason = "0 <= rank <= len")]
    let index = (rank as usize).saturating_sub(1);
    ascending.get(index).map(|sample| f64::from(*sample))
}

/// Counts of one window.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    pub(super) attempts: u64,
    pub(super) first_attempts: u64,
    pub(super) accepted: u64,
    pub(super) good: u64,
    pub(super) throttled_by_bucket: u64,
    pub(super) throttled_by_guard: u64,
    pub(super) failed: u64,
    pub(super) timeouts: u64,
    pub(super) overflowed: u64,
}

impl Counts {
    pub(super) fn throttled(&self) -> u64 {
        self.throttled_by_bucket + self.throttled_by_guard
    }

    pub(super) fn begin(&mut self, first: bool) {
        self.attempts += 1;
        self.first_attempts += u64::from(first);
    }

    pub(super) fn end(&mut self, outcome: &Outcome, good: bool) {
        self.good += u64::from(good);
        match outcome {
            Outcome::Accepted => self.accepted += 1,
            Outcome::ThrottledByBucket => self.throttled_by_bucket += 1,
            Outcome::ThrottledByGuard => self.throttled_by_guard += 1,
            Outcome::Failed(_) => self.failed += 1,
            Outcome::Timeout => self.timeouts += 1,
            Outcome::Overflowed => self.overflowed += 1,
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.attempts += other.attempts;
        self.first_attempts += other.first_attempts;
        self.accepted += other.accepted;
        self.good += other.good;
        self.throttled_by_bucket += other.throttled_by_bucket;
        self.throttled_by_guard += other.throttled_by_guard;
        self.failed += other.failed;
        self.timeouts += other.timeouts;
        self.overflowed += other.overflowed;
    }
}

/// One user's attempts in one window.
#[derive(Clone, Debug, Default)]
struct UserCounts {
    first_attempts: u32,
    attempts: u32,
    throttled: u32,
    good: u32,
}

/// A window that still gathers attempts.
#[derive(Debug, Default)]
pub(super) struct Window {
    pub(super) counts: Counts,
    /// Attempts that have begun and not ended.
    pub(super) open: u64,
    /// Of admitted requests; a timeout is infinite.
    latencies_s: Vec<f32>,
    /// By user, where there is a scenario.
    users: Vec<UserCounts>,
}

impl Window {
    pub(super) fn new(users: usize) -> Self {
        Self { users: vec![UserCounts::default(); users], ..Self::default() }
    }

    pub(super) fn begin(&mut self, user: Option<u32>, first: bool) {
        self.open += 1;
        self.counts.begin(first);
        if let Some(user) = self.user(user) {
            user.attempts += 1;
            user.first_attempts += u32::from(first);
        }
    }

    pub(super) fn end(&mut self, user: Option<u32>, outcome: &Outcome, latency_s: f32, good: bool) {
        self.open -= 1;
        self.counts.end(outcome, good);
        match outcome {
            Outcome::Accepted => self.latencies_s.push(latency_s),
            Outcome::Timeout => self.latencies_s.push(f32::INFINITY),
            _ => {}
        }
        if let Some(user) = self.user(user) {
            user.throttled += u32::from(outcome.is_refusal());
            user.good += u32::from(good);
        }
    }

    fn user(&mut self, user: Option<u32>) -> Option<&mut UserCounts> {
        self.users.get_mut(user? as usize)
    }
}

/// How a window is judged when it is over.
#[derive(Debug)]
pub(super) struct Judge {
    pub(super) slo_s: f64,
    pub(super) timeout_s: f64,
    pub(super) shares: Option<FairShares>,
}

/// What fairness in a scenario is measured by.
#[derive(Debug)]
pub(super) struct FairShares {
    /// The service, then the dependencies.
    timelines: Vec<CapacityTimeline>,
    workers: Vec<f64>,
    /// Seconds of a worker that a plain request takes at the service.
    plain_work_s: f64,
    division: FairDivision,
    /// By user.
    classes: Vec<usize>,
    /// By user, the work of one request in plain requests.
    costs: Vec<f64>,
}

/// What a window says when it is over.
#[derive(Clone, Debug)]
pub(super) struct Closed {
    pub(super) report: SecondReport,
    pub(super) counts: Counts,
    /// `None` where nothing was admitted.
    pub(super) over_slo: Option<bool>,
    pub(super) fairness: Option<Fairness>,
}

/// How a window treated its users.
#[derive(Clone, Debug)]
pub(super) struct Fairness {
    /// Attempts of well-behaved users.
    pub(super) attempts: u64,
    /// How many of them were refused.
    pub(super) throttled: u64,
    /// For each user, completions within the SLO and the requests it was entitled to.
    pub(super) shares: Vec<(f64, f64)>,
    /// Work completed within the SLO, in plain requests.
    pub(super) good_work: f64,
}

impl FairShares {
    pub(super) fn new(traffic: &ScenarioTraffic) -> Self {
        let scenario = traffic.scenario();
        let dependencies = 0..scenario.dependencies.len();
        let called = dependencies.filter_map(|index| CapacityTimeline::for_dependency(scenario, index));
        let workers = scenario.dependencies.iter().map(|dependency| dependency.workers);
        let classes: Vec<usize> = traffic.population().users().iter().map(|user| user.class.into()).collect();
        Self {
            timelines: std::iter::once(CapacityTimeline::for_service(scenario)).chain(called).collect(),
            workers: std::iter::once(scenario.service.workers).chain(workers).map(f64::from).collect(),
            plain_work_s: scenario.service.service_time.mean_s(),
            division: FairDivision::for_scenario(scenario),
            costs: classes.iter().map(|class| scenario.service_time_factor(*class)).collect(),
            classes,
        }
    }

    pub(super) fn users(&self) -> usize {
        self.classes.len()
    }

    /// By user, the work of one request in plain requests.
    pub(super) fn costs(&self) -> &[f64] {
        &self.costs
    }

    /// Seconds of a worker that each stage has in a window.
    fn capacities_s(&self, from_s: f64, to_s: f64) -> Vec<f64> {
        let stages = self.timelines.iter().zip(&self.workers);
        stages
            .map(|(timeline, workers)| workers * timeline.mean_level(from_s, to_s) * (to_s - from_s))
            .collect()
    }

    /// A user's demand is its first attempts: counting retries would make a user ill-behaved by being
    /// refused.
    fn judge(&self, users: &[UserCounts], capacities_s: &[f64]) -> Fairness {
        let demands =
            self.classes.iter().zip(users).map(|(class, counts)| (*class, f64::from(counts.first_attempts)));
        let demands: Vec<(usize, f64)> = demands.collect();
        let entitled = self.division.entitlements(&demands, capacities_s);
        let shares = Vec::with_capacity(users.len());
        let mut fairness = Fairness { attempts: 0, throttled: 0, shares, good_work: 0.0 };
        for ((counts, entitled), cost) in users.iter().zip(entitled).zip(&self.costs) {
            fairness.shares.push((f64::from(counts.good), entitled));
            fairness.good_work += f64::from(counts.good) * cost;
            // Demands are whole numbers, so rounding cannot pass for ill behaviour.
            if f64::from(counts.first_attempts) <= entitled + 1e-6 {
                fairness.attempts += u64::from(counts.attempts);
                fairness.throttled += u64::from(counts.throttled);
            }
        }
        fairness
    }
}

impl Judge {
    /// Judges the window from `from_s` to `to_s`, which is the last one where the load ended in it.
    pub(super) fn close(&self, mut window: Window, from_s: f64, to_s: f64) -> Closed {
        window.latencies_s.sort_unstable_by(f32::total_cmp);
        let in_ms = |fraction| quantile_s(&window.latencies_s, fraction).map(|s| s.min(self.timeout_s) * 1e3);
        let over_slo = quantile_s(&window.latencies_s, 0.95).map(|p95_s| p95_s > self.slo_s);
        let counts = window.counts.clone();
        let capacities_s = self.shares.as_ref().map(|shares| (shares, shares.capacities_s(from_s, to_s)));
        let capacity =
            capacities_s.as_ref().map(|(shares, capacities_s)| capacities_s[0] / shares.plain_work_s);
        let report = SecondReport {
            start_s: from_s,
            offered: counts.attempts,
            first_attempts: counts.first_attempts,
            accepted: counts.accepted,
            good: counts.good,
            throttled: counts.throttled(),
            failed: counts.failed + counts.overflowed,
            timeouts: counts.timeouts,
            p50_ms: in_ms(0.5),
            p95_ms: in_ms(0.95),
            capacity,
        };
        let fairness = capacities_s.map(|(shares, capacities_s)| shares.judge(&window.users, &capacities_s));
        Closed { report, counts, over_slo, fairness }
    }
}

#[cfg(test)]
mod tests;
