//! Real processes of the binary on free loopback ports, and what it takes to speak to them.

pub(crate) mod http;
pub(crate) mod process;

use std::time::{Duration, Instant};

/// How long anything may take before a test gives up on it: long enough for the slowest machine, because it
/// judges nobody's speed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Looks again and again until `look` finds something, and returns that.
///
/// # Panics
/// Where it finds nothing for as long as [`PATIENCE`] lasts; `what` says what was waited for.
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A whole number from the environment: a proof's full counts.
///
/// # Panics
/// Where the variable holds anything else.
pub(crate) fn number_from(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| {
        text.parse().unwrap_or_else(|_| panic!("{variable} must be a whole number, not {text:?}"))
    })
}
