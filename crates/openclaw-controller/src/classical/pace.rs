//! When a rule is evaluated: the originals work once per second, per window or per round trip, not once per tick.

use crate::NS_PER_S;

/// Fires at most once per period.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    every_ns: u64,
    due_ns: Option<u64>,
}

impl Pace {
    /// Fires at once, then every `every_s` seconds.
    pub(super) fn new(every_s: f64) -> Self {
        // `as` saturates.
        Self { every_ns: ((every_s * NS_PER_S) as u64).max(1), due_ns: None }
    }

    /// Whether a period has begun. Ticks come early and late; periods begin at multiples of their length, so that a
    /// period of one tick is not missed every other time.
    pub(super) fn is_due(&mut self, now_ns: u64) -> bool {
        let due_ns = self.due_ns.unwrap_or(now_ns);
        if now_ns < due_ns {
            return false;
        }
        let begun = (now_ns - due_ns) / self.every_ns + 1;
        self.due_ns = Some(due_ns.saturating_add(begun.saturating_mul(self.every_ns)));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn early_and_late_ticks_average_out() {
        let mut pace = Pace::new(0.1);
        let fired = [0, 95, 195, 310, 401, 499, 601].map(|ms: u64| pace.is_due(ms * 1_000_000));
        assert_eq!(fired, [true, false, true, true, true, false, true]);
    }

    #[test]
    fn a_long_silence_is_not_made_up_for() {
        let mut pace = Pace::new(1.0);
        let fired = [0, 10_000, 10_001, 10_999, 11_002].map(|ms: u64| pace.is_due(ms * 1_000_000));
        assert_eq!(fired, [true, true, false, false, true]);
    }
}
