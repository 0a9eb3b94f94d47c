//! What the store tells its operators, through the `metrics` facade.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

const STORED: &str = "openclaw_store_ratings_stored_total";
const SUPERSEDED: &str = "openclaw_store_ratings_superseded_total";
const DELETED: &str = "openclaw_store_ratings_deleted_total";
const REFUSED: &str = "openclaw_store_ratings_refused_total";
const CURRENT: &str = "openclaw_store_ratings";
const WAITING: &str = "openclaw_store_waiting_ratings";
const COMMIT_RATINGS: &str = "openclaw_store_commit_ratings";
const COMMIT_SECONDS: &str = "openclaw_store_commit_duration_seconds";
const COMMIT_FAILURES: &str = "openclaw_store_commit_failures_total";
const REFUSING: &str = "openclaw_store_refusing";

/// Registers the help text and unit of every metric this crate records.
pub fn describe_metrics() {
    describe_counter!(STORED, Unit::Count, "Ratings acknowledged as current.");
    describe_counter!(
        SUPERSEDED,
        Unit::Count,
        "Ratings acknowledged that were older than the user's current one."
    );
    describe_counter!(DELETED, Unit::Count, "Ratings deleted with their users.");
    describe_counter!(
        REFUSED,
        Unit::Count,
        "Ratings not acknowledged, by reason: queue_full, refusing, failed."
    );
    describe_gauge!(CURRENT, Unit::Count, "Current ratings in the store.");
    describe_gauge!(WAITING, Unit::Count, "Ratings that wait for the writer.");
    describe_histogram!(COMMIT_RATINGS, Unit::Count, "Ratings that shared one commit and one sync.");
    describe_histogram!(COMMIT_SECONDS, Unit::Seconds, "Time of one commit, its sync included.");
    describe_counter!(COMMIT_FAILURES, Unit::Count, "Commits that failed as a whole.");
    describe_gauge!(REFUSING, "1 while ratings are refused because writing failed, else 0.");
}

/// A commit that reached the disk.
pub(crate) fn committed(stored: u64, superseded: u64, took: Duration, current: u64) {
    counter!(STORED).increment(stored);
    counter!(SUPERSEDED).increment(superseded);
    histogram!(COMMIT_RATINGS).record((stored + superseded) as f64);
    histogram!(COMMIT_SECONDS).record(took.as_secs_f64());
    gauge!(CURRENT).set(current as f64);
}

/// A commit that took ratings away.
pub(crate) fn deleted(deleted: u64, current: u64) {
    counter!(DELETED).increment(deleted);
    gauge!(CURRENT).set(current as f64);
}

/// A commit that failed as a whole.
pub(crate) fn commit_failed() {
    counter!(COMMIT_FAILURES).increment(1);
}

/// Ratings that were not acknowledged.
pub(crate) fn refused(reason: &'static str, ratings: usize) {
    counter!(REFUSED, "reason" => reason).increment(ratings as u64);
}

/// How many ratings wait for the writer.
pub(crate) fn waiting(ratings: usize) {
    gauge!(WAITING).set(ratings as f64);
}

/// Whether ratings are refused because writing failed.
pub(crate) fn refusing(refusing: bool) {
    gauge!(REFUSING).set(if refusing { 1.0 } else { 0.0 });
}

/// How many current ratings an opened store holds.
pub(crate) fn opened(current: u64) {
    gauge!(CURRENT).set(current as f64);
    refusing(false);
}
