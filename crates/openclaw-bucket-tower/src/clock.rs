//! The one clock of this crate: the buckets take the time as an argument, and here is where it comes from.

use std::sync::LazyLock;
use std::time::Instant;

/// When this process first asked for the time.
static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Nanoseconds since this process first asked: the time that [`LimitLayer`](crate::LimitLayer) uses, and that
/// whoever changes parameters of its buckets must use too. Never goes back.
#[must_use]
pub fn now_ns() -> u64 {
    // 584 years fit.
    ORIGIN.elapsed().as_nanos() as u64
}
