//! Simulated time is in seconds, as the scenarios have it; the production code takes nanoseconds.

/// Seconds as nanoseconds; what lies before 0 is 0, and what never comes is the last instant.
pub(crate) fn nanoseconds(seconds: f64) -> u64 {
    // Half up by truncation: `round` is a function call. `as` saturates.
    (seconds * 1e9 + 0.5) as u64
}
