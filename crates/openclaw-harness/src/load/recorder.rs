//! Gathers attempts into windows and windows into a report.
//!
//! Windows are closed in order as soon as every attempt in them has ended, so that memory holds a few
//! seconds of samples, whatever the length of the run. Percentiles over the run come from a histogram with
//! three significant digits (0.1 %), those of windows are exact.

use std::collections::{BTreeMap, VecDeque};

use hdrhistogram::Histogram;

use super::Outcome;
use super::live::{LiveSecond, Progress};
use super::report::{LoadReport, SecondReport, WorkReport};
use super::shares::FairShares;
use super::window::{Closed, Counts, Judge, Window};

/// Distinct reasons that are told apart; the rest are counted together.
const REASONS_MAX: usize = 16;
const OTHER_REASONS: &str = "other";
/// 1 us to 1 h, the longest client timeout.
const LATENCY_US_MAX: u64 = 3_600_000_000;

/// An attempt that has begun.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub(super) at_s: f64,
    pub(super) user: Option<u32>,
    pub(super) first: bool,
    /// A first attempt of a user who asked for no more than its share then; known once it has begun.
    pub(super) well_behaved: bool,
}

impl Sent {
    pub(super) fn new(at_s: f64, user: Option<u32>, first: bool) -> Self {
        Self { at_s, user, first, well_behaved: false }
    }
}

/// All measurements of a load.
#[derive(Debug)]
pub(super) struct Recorder {
    judge: Judge,
    shares: Option<FairShares>,
    duration_s: f64,
    warm_up_s: f64,
    windows: VecDeque<Window>,
    totals: Counts,
    measured: Measured,
    failures: BTreeMap<String, u64>,
    seconds: Vec<SecondReport>,
    live: LiveSecond,
    live_since_s: f64,
}

/// What is summed up over the windows after the warm-up.
#[derive(Debug)]
struct Measured {
    counts: Counts,
    latency_us: Histogram<u64>,
    timeouts: u64,
    good_in_slo_windows: u64,
    windows: u64,
    windows_over_slo: u64,
    well_behaved: (u64, u64),
    /// In plain requests.
    work: WorkReport,
    send_lag_us: Histogram<u64>,
}

impl Recorder {
    pub(super) fn new(
        slo_s: f64,
        timeout_s: f64,
        warm_up_s: f64,
        duration_s: f64,
        shares: Option<FairShares>,
    ) -> Self {
        #[expect(clippy::expect_used, reason = "constant bounds, which the constructor accepts")]
        let histogram = || Histogram::new_with_bounds(1, LATENCY_US_MAX, 3).expect("valid histogram bounds");
        let measured = Measured {
            counts: Counts::default(),
            latency_us: histogram(),
            timeouts: 0,
            good_in_slo_windows: 0,
            windows: 0,
            windows_over_slo: 0,
            well_behaved: (0, 0),
            work: WorkReport::default(),
            send_lag_us: histogram(),
        };
        Self {
            judge: Judge {
                slo_s,
                timeout_s,
                capacity: shares.as_ref().map(|shares| shares.capacity().clone()),
            },
            shares,
            duration_s,
            warm_up_s,
            windows: VecDeque::new(),
            totals: Counts::default(),
            measured,
            failures: BTreeMap::new(),
            seconds: Vec::new(),
            live: LiveSecond::default(),
            live_since_s: 0.0,
        }
    }

    /// An attempt is about to be sent.
    pub(super) fn begin(&mut self, mut sent: Sent) -> Sent {
        self.live.begin();
        self.totals.begin(sent.first);
        self.advance_shares(sent.at_s);
        if let (Some(shares), Some(user)) = (&self.shares, sent.user) {
            sent.well_behaved = sent.first && shares.is_well_behaved(user);
        }
        self.window(sent.at_s).begin(&sent);
        sent
    }

    /// Entitles everybody for the windows up to an attempt's intended time, so that it is judged by its own; what that
    /// covers of earlier work counts in the second under way.
    fn advance_shares(&mut self, now_s: f64) {
        let Some(shares) = &mut self.shares else { return };
        let covered = shares.advance(now_s);
        if covered > 0.0 {
            self.window(now_s).book(0.0, covered);
        }
    }

    /// An attempt intended for `at_s` leaves `lag_s` later.
    #[expect(
        clippy::cast_sign_loss,
        clippy::cast_possible_truncation,
        reason = "a lag is from 0 to the client timeout, 1 h at most"
    )]
    pub(super) fn left(&mut self, at_s: f64, lag_s: f64) {
        if at_s >= self.warm_up_s {
            self.measured.send_lag_us.saturating_record((lag_s * 1e6) as u64);
        }
    }

    /// An attempt that was begun has ended at `now_s`.
    pub(super) fn end(&mut self, sent: Sent, outcome: &Outcome, now_s: f64) {
        let latency_s = (now_s - sent.at_s).max(0.0);
        let good = *outcome == Outcome::Accepted && latency_s <= self.judge.slo_s;
        self.totals.end(outcome, good);
        #[expect(clippy::cast_possible_truncation, reason = "seven digits are exact enough for a latency")]
        let sample_s = latency_s as f32;
        self.live.end(outcome, sample_s, good);
        self.window(sent.at_s).end(&sent, outcome, sample_s, good);
        if let (Some(shares), Some(user), true) = (&mut self.shares, sent.user, good) {
            let (work, covered) = shares.good(user);
            self.window(sent.at_s).book(work, covered);
        }
        if sent.at_s >= self.warm_up_s {
            self.measured.sample(outcome, latency_s);
        }
        if let Outcome::Failed(reason) = outcome {
            self.count_failure(reason);
        }
    }

    fn count_failure(&mut self, reason: &str) {
        if let Some(count) = self.failures.get_mut(reason) {
            *count += 1;
        } else {
            let known = self.failures.len() < REASONS_MAX;
            let key = if known { reason } else { OTHER_REASONS };
            *self.failures.entry(key.to_owned()).or_default() += 1;
        }
    }

    /// The window of an intended time; it is open, because its attempts are begun before it passes.
    fn window(&mut self, at_s: f64) -> &mut Window {
        #[expect(
            clippy::cast_sign_loss,
            clippy::cast_possible_truncation,
            reason = "at_s >= 0, a week at most"
        )]
        let index = (at_s as usize).saturating_sub(self.seconds.len());
        while self.windows.len() <= index {
            self.windows.push_back(Window::default());
        }
        &mut self.windows[index]
    }

    /// Closes every window that has passed and in which nothing is under way.
    pub(super) fn close_passed(&mut self, now_s: f64) {
        // A second of grace: an attempt intended for a window may be begun a little after its end.
        while self.seconds.len() as f64 + 2.0 <= now_s
            && self.windows.front().is_none_or(|window| window.open == 0)
        {
            self.close_first(f64::INFINITY);
        }
    }

    fn close_first(&mut self, end_s: f64) {
        let from_s = self.seconds.len() as f64;
        let window = self.windows.pop_front().unwrap_or_default();
        let closed = self.judge.close(window, from_s, (from_s + 1.0).min(end_s));
        if from_s >= self.warm_up_s {
            self.measured.add(&closed);
        }
        self.seconds.push(closed.report);
    }

    /// Reads out the second that has gone by.
    pub(super) fn progress(&mut self, now_s: f64) -> Progress {
        self.close_passed(now_s);
        let length_s = (now_s - self.live_since_s).max(1e-3);
        self.live_since_s = now_s;
        let totals = &self.totals;
        let ended =
            totals.accepted + totals.throttled() + totals.failed + totals.timeouts + totals.overflowed;
        Progress {
            elapsed_s: now_s,
            duration_s: self.duration_s,
            failed: totals.failed + totals.overflowed,
            timeouts: totals.timeouts,
            outstanding: totals.attempts - ended,
            ..self.live.take(length_s, self.judge.timeout_s)
        }
    }

    /// The report of a load that sent until `end_s` and in which nothing is under way any more.
    pub(super) fn finish(&mut self, end_s: f64) -> LoadReport {
        while (self.seconds.len() as f64) < end_s {
            self.close_first(end_s);
        }
        let measured_s = (end_s - self.warm_up_s).max(0.0);
        let (totals, measured) = (&self.totals, &self.measured);
        let per_s = |count: f64| if measured_s > 0.0 { count / measured_s } else { 0.0 };
        let fair = self.shares.is_some();
        let percentile = |fraction| measured.percentile_ms(fraction, self.judge.timeout_s);
        LoadReport {
            duration_s: end_s,
            ended_early: end_s < self.duration_s,
            slo_ms: self.judge.slo_s * 1e3,
            timeout_ms: self.judge.timeout_s * 1e3,
            attempts: totals.attempts,
            first_attempts: totals.first_attempts,
            accepted: totals.accepted,
            throttled: totals.throttled(),
            throttled_by_bucket: totals.throttled_by_bucket,
            throttled_by_guard: totals.throttled_by_guard,
            failed: totals.failed + totals.overflowed,
            timeouts: totals.timeouts,
            overflowed: totals.overflowed,
            offered_per_s: per_s(measured.counts.attempts as f64),
            first_attempts_per_s: per_s(measured.counts.first_attempts as f64),
            accepted_per_s: per_s(measured.counts.accepted as f64),
            goodput_per_s: per_s(measured.counts.good as f64),
            goodput_in_slo_windows_per_s: per_s(measured.good_in_slo_windows as f64),
            entitled_goodput_in_slo_windows_per_s: fair.then(|| per_s(measured.work.entitled_in_slo_windows)),
            p50_ms: percentile(0.5),
            p95_ms: percentile(0.95),
            p99_ms: percentile(0.99),
            windows_over_slo: fraction(measured.windows_over_slo, measured.windows),
            throttled_fraction: fraction(measured.counts.throttled(), measured.counts.attempts),
            well_behaved_throttled_fraction: fair
                .then(|| fraction(measured.well_behaved.1, measured.well_behaved.0)),
            work: fair.then_some(measured.work),
            send_lag_p99_ms: measured.send_lag_us.value_at_quantile(0.99) as f64 / 1e3,
            failures: self.failures.clone(),
            seconds: self.seconds.clone(),
        }
    }
}

impl Measured {
    #[expect(
        clippy::cast_sign_loss,
        clippy::cast_possible_truncation,
        reason = "latencies are from 0 to 1 h"
    )]
    fn sample(&mut self, outcome: &Outcome, latency_s: f64) {
        match outcome {
            Outcome::Accepted => self.latency_us.saturating_record((latency_s * 1e6) as u64),
            Outcome::Timeout => self.timeouts += 1,
            _ => {}
        }
    }

    fn add(&mut self, closed: &Closed) {
        self.counts.add(&closed.counts);
        self.windows += u64::from(closed.over_slo.is_some());
        self.windows_over_slo += u64::from(closed.over_slo == Some(true));
        let within_slo = closed.over_slo == Some(false);
        if within_slo {
            self.good_in_slo_windows += closed.counts.good;
        }
        self.well_behaved.0 += closed.well_behaved.0;
        self.well_behaved.1 += closed.well_behaved.1;
        self.work.good += closed.good_work;
        if within_slo {
            self.work.good_in_slo_windows += closed.good_work;
            self.work.entitled_in_slo_windows += closed.fair_work;
        }
    }

    /// Nearest rank over completions and timeouts, which are the slowest.
    fn percentile_ms(&self, fraction: f64, timeout_s: f64) -> Option<f64> {
        let completed = self.latency_us.len() as f64;
        let all = completed + self.timeouts as f64;
        let rank = (all * fraction).ceil();
        if all == 0.0 {
            None
        } else if rank > completed {
            Some(timeout_s * 1e3)
        } else {
            let value_us = self.latency_us.value_at_quantile(rank / completed) as f64;
            Some((value_us / 1e3).min(timeout_s * 1e3))
        }
    }
}

fn fraction(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests;
