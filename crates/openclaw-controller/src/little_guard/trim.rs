//! How much of the objective may be spent waiting, as far as lateness tells.
//!
//! Little's law knows the mean wait. Where few of the requests do all the waiting, behind a dependency that no gauge
//! reports for example, the mean is short and those few are late. So the shares of the objective that wait goal and
//! guard time are made of shrink while requests come late, and grow back slowly. They are not shrunk without end: what
//! is late for other reasons than waiting cannot be helped by starving the service.

use crate::little_guard::LittleGuardSettings;
use crate::observation::Observation;

/// Longest time that counts as one step, in seconds.
const STEP_MAX_S: f64 = 1.0;

/// What is left of the shares.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trim {
    left: f64,
    seen_ns: Option<u64>,
}

impl Default for Trim {
    fn default() -> Self {
        Self { left: 1.0, seen_ns: None }
    }
}

impl Trim {
    /// What is left after this observation, at most 1.
    pub(super) fn left(&mut self, by: &LittleGuardSettings, seen: &Observation) -> f64 {
        let before_ns = self.seen_ns.replace(seen.now_ns).unwrap_or(seen.now_ns);
        let step_s = (seen.now_ns.saturating_sub(before_ns) as f64 / crate::NS_PER_S).min(STEP_MAX_S);
        let late = seen.late_fraction_fast > by.late_fraction;
        if late || self.left < 1.0 {
            let ln_per_s = if late { -by.shrink_per_s } else { by.grow_per_s };
            self.left = (self.left * (ln_per_s * step_s).exp()).max(by.shrink_min).min(1.0);
        }
        self.left
    }
}
