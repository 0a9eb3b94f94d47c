//! The one place of this crate that reads clocks.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// A monotonic clock with an origin of its own, and the wall clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
    #[cfg(test)]
    stands_at_ns: Option<u64>,
}

impl Default for Clock {
    fn default() -> Self {
        Self {
            origin: Instant::now(),
            #[cfg(test)]
            stands_at_ns: None,
        }
    }
}

impl Clock {
    /// A clock that stands.
    #[cfg(test)]
    pub(crate) fn standing_at(now_ns: u64) -> Self {
        Self { stands_at_ns: Some(now_ns), ..Self::default() }
    }

    /// Nanoseconds since this clock was made.
    #[must_use]
    pub fn now_ns(&self) -> u64 {
        #[cfg(test)]
        if let Some(now_ns) = self.stands_at_ns {
            return now_ns;
        }
        self.at_ns(Instant::now())
    }

    /// The same for an instant that was read earlier.
    #[must_use]
    pub fn at_ns(&self, instant: Instant) -> u64 {
        u64::try_from(instant.saturating_duration_since(self.origin).as_nanos()).unwrap_or(u64::MAX)
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub fn unix_ms() -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}
