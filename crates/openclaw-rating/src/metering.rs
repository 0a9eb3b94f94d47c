//! What the rating service measures.

use std::time::Duration;

use metrics::{Counter, Gauge, Histogram};
use openclaw_protocol::Outcome;

const FEED_RATINGS: &str = "openclaw_rating_feed_ratings_total";
const FEED_MISSED: &str = "openclaw_rating_feed_missed_total";
const SUBSCRIBERS: &str = "openclaw_rating_stream_subscribers";
const KEYS: &str = "openclaw_rating_idempotency_keys";
const KEY_REPEATED: &str = "openclaw_rating_idempotency_repeated_total";
pub(crate) const STREAMS_REFUSED: &str = "openclaw_rating_streams_refused_total";

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

/// What the feed of accepted ratings counts.
#[derive(Clone, Debug)]
pub(crate) struct FeedMeters {
    pub(crate) published: Counter,
    pub(crate) missed: Counter,
}

impl FeedMeters {
    pub(crate) fn new() -> Self {
        Self { published: metrics::counter!(FEED_RATINGS), missed: metrics::counter!(FEED_MISSED) }
    }
}

/// What becomes of requests with an `Idempotency-Key` that were begun before.
#[derive(Clone, Debug)]
pub(crate) struct IdempotencyMeters {
    pub(crate) keys: Gauge,
    pub(crate) replayed: Counter,
    pub(crate) in_progress: Counter,
    pub(crate) other_content: Counter,
}

impl IdempotencyMeters {
    pub(crate) fn new() -> Self {
        let repeated = |answer: &'static str| metrics::counter!(KEY_REPEATED, "answer" => answer);
        Self {
            keys: metrics::gauge!(KEYS),
            replayed: repeated("replayed"),
            in_progress: repeated("in_progress"),
            other_content: repeated("other_content"),
        }
    }
}

/// Counts a stream's client for as long as it is there.
#[derive(Debug)]
pub(crate) struct Subscribed(Gauge);

impl Subscribed {
    pub(crate) fn new() -> Self {
        let gauge = metrics::gauge!(SUBSCRIBERS);
        gauge.increment(1);
        Self(gauge)
    }
}

impl Drop for Subscribed {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}

/// Registers what this crate measures.
pub fn describe_metrics() {
    use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
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
    describe_counter!(
        FEED_RATINGS,
        Unit::Count,
        "Accepted ratings put on the feed that streams and hooks read"
    );
    describe_counter!(
        FEED_MISSED,
        Unit::Count,
        "Ratings that readers of the feed missed because they were too slow, counted once per reader"
    );
    describe_gauge!(SUBSCRIBERS, Unit::Count, "Clients of GET /ratings/stream");
    describe_counter!(
        STREAMS_REFUSED,
        Unit::Count,
        "Clients of GET /ratings/stream for whom there was no place"
    );
    describe_gauge!(KEYS, Unit::Count, "Requests with an Idempotency-Key that are remembered");
    describe_counter!(
        KEY_REPEATED,
        Unit::Count,
        "Requests whose Idempotency-Key was used before, by answer: replayed, in_progress, other_content"
    );
}
