//! What a progress line shows: the second that has just gone by.

use std::time::Duration;

use super::Outcome;
use super::window::quantile_s;

/// One second of a running load, by the time of the answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// Seconds since the start.
    pub elapsed_s: f64,
    /// Planned length in seconds.
    pub duration_s: f64,
    /// Attempts sent per second.
    pub offered_per_s: f64,
    /// Accepted within the SLO per second.
    pub goodput_per_s: f64,
    /// 95th percentile of the latency of admitted requests in milliseconds; the client timeout stands for
    /// timeouts. `None` while nothing was admitted.
    pub p95_ms: Option<f64>,
    /// Refused attempts divided by answered ones; 0 where there were none.
    pub throttled_fraction: f64,
    /// Attempts that failed or overflowed since the start.
    pub failed: u64,
    /// Attempts that timed out since the start.
    pub timeouts: u64,
    /// Attempts that are under way.
    pub outstanding: u64,
}

/// Gathers one second.
#[derive(Debug, Default)]
pub(super) struct LiveSecond {
    offered: u64,
    answered: u64,
    refused: u64,
    good: u64,
    latencies_s: Vec<f32>,
}

impl LiveSecond {
    pub(super) fn begin(&mut self) {
        self.offered += 1;
    }

    pub(super) fn end(&mut self, outcome: &Outcome, latency_s: f32, good: bool) {
        self.answered += 1;
        self.refused += u64::from(outcome.is_refusal());
        self.good += u64::from(good);
        match outcome {
            Outcome::Accepted => self.latencies_s.push(latency_s),
            Outcome::Timeout => self.latencies_s.push(f32::INFINITY),
            _ => {}
        }
    }

    /// Reads the second out, which was `length_s` long in truth, and begins the next one.
    pub(super) fn take(&mut self, length_s: f64, timeout_s: f64) -> Progress {
        let second = std::mem::take(self);
        let mut latencies_s = second.latencies_s;
        latencies_s.sort_unstable_by(f32::total_cmp);
        Progress {
            elapsed_s: 0.0,
            duration_s: 0.0,
            offered_per_s: second.offered as f64 / length_s,
            goodput_per_s: second.good as f64 / length_s,
            p95_ms: quantile_s(&latencies_s, 0.95).map(|p95_s| p95_s.min(timeout_s) * 1e3),
            throttled_fraction: second.refused as f64 / second.answered.max(1) as f64,
            failed: 0,
            timeouts: 0,
            outstanding: 0,
        }
    }
}

/// Whole milliseconds; a load lasts no 500 million years.
pub(super) fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
