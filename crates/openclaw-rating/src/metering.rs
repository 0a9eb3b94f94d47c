//! What the rating service measures.

use std::time::Duration;

use metrics::{Counter, Histogram};
use openclaw_protocol::Outcome;

/// Handles made once.
#[derive(Clone, Debug)]
pub(crate) struct Meters {
    accepted: Counter,
    failed: Counter,
    timeout: Counter,
    pub(crate) invalid: Counter,
    latency: Histogram,
}

impl Meters {
    pub(crate) fn new() -> Self {
        let ratings =
            |outcome: &'static str| metrics::counter!("openclaw_rating_ratings_total", "outcome" => outcome);
        Self {
            accepted: ratings("accepted"),
            failed: ratings("failed"),
            timeout: ratings("timeout"),
            invalid: ratings("invalid"),
            latency: metrics::histogram!("openclaw_rating_latency_seconds"),
        }
    }

    pub(crate) fn finished(&self, outcome: Outcome, latency: Duration) {
        match outcome {
            Outcome::Accepted => self.accepted.increment(1),
            Outcome::Timeout => self.timeout.increment(1),
            Outcome::Failed | Outcome::Throttled => self.failed.increment(1),
        }
        self.latency.record(latency.as_secs_f64());
    }
}

/// Registers what this crate measures.
pub fn describe_metrics() {
    use metrics::{Unit, describe_counter, describe_histogram};
    describe_counter!(
        "openclaw_rating_ratings_total",
        Unit::Count,
        "Ratings admitted, by outcome, and invalid ones"
    );
    describe_histogram!(
        "openclaw_rating_latency_seconds",
        Unit::Seconds,
        "Time from a request's header fields to its answer, per admitted rating"
    );
}
