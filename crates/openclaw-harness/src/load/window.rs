//! One second of attempts, by their intended times, and what it says when it is over.

use super::Outcome;
use super::recorder::Sent;
use super::report::SecondReport;
use super::shares::Capacity;

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

/// A window that still gathers attempts.
#[derive(Debug, Default)]
pub(super) struct Window {
    pub(super) counts: Counts,
    /// Attempts that have begun and not ended.
    pub(super) open: u64,
    /// Of admitted requests; a timeout is infinite.
    latencies_s: Vec<f32>,
    /// First attempts of users who asked for no more than their share then, and how many of those were refused.
    well_behaved: (u64, u64),
    /// Work completed within the SLO, in plain requests.
    good_work: f64,
    /// The same as far as users are entitled to it.
    fair_work: f64,
}

impl Window {
    pub(super) fn begin(&mut self, sent: &Sent) {
        self.open += 1;
        self.counts.begin(sent.first);
        self.well_behaved.0 += u64::from(sent.well_behaved);
    }

    pub(super) fn end(&mut self, sent: &Sent, outcome: &Outcome, latency_s: f32, good: bool) {
        self.open -= 1;
        self.counts.end(outcome, good);
        match outcome {
            Outcome::Accepted => self.latencies_s.push(latency_s),
            Outcome::Timeout => self.latencies_s.push(f32::INFINITY),
            _ => {}
        }
        self.well_behaved.1 += u64::from(sent.well_behaved && outcome.is_refusal());
    }

    /// Books work within the SLO, and what of all such work is covered by entitlements since.
    pub(super) fn book(&mut self, good_work: f64, fair_work: f64) {
        self.good_work += good_work;
        self.fair_work += fair_work;
    }
}

/// How a window is judged when it is over.
#[derive(Debug)]
pub(super) struct Judge {
    pub(super) slo_s: f64,
    pub(super) timeout_s: f64,
    /// What the service can do in plain requests, where there is a scenario.
    pub(super) capacity: Option<Capacity>,
}

/// What a window says when it is over.
#[derive(Clone, Debug)]
pub(super) struct Closed {
    pub(super) report: SecondReport,
    pub(super) counts: Counts,
    /// `None` where nothing was admitted.
    pub(super) over_slo: Option<bool>,
    /// See [`Window`].
    pub(super) well_behaved: (u64, u64),
    pub(super) good_work: f64,
    pub(super) fair_work: f64,
}

impl Judge {
    /// Judges the window from `from_s` to `to_s`, which is the last one where the load ended in it.
    pub(super) fn close(&self, mut window: Window, from_s: f64, to_s: f64) -> Closed {
        window.latencies_s.sort_unstable_by(f32::total_cmp);
        let in_ms = |fraction| quantile_s(&window.latencies_s, fraction).map(|s| s.min(self.timeout_s) * 1e3);
        let over_slo = quantile_s(&window.latencies_s, 0.95).map(|p95_s| p95_s > self.slo_s);
        let counts = window.counts.clone();
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
            capacity: self.capacity.as_ref().map(|capacity| capacity.requests(from_s, to_s)),
        };
        let Window { well_behaved, good_work, fair_work, .. } = window;
        Closed { report, counts, over_slo, well_behaved, good_work, fair_work }
    }
}

#[cfg(test)]
mod tests;
