//! From attempts to a report, in simulated time.
