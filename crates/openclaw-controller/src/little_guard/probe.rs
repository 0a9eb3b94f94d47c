//! When the latency floor is doubted, and looked for.
//!
//! The base is the lowest median of thirty seconds. Under an overload that never pauses every median holds the queue, so
//! the base rises to what the queue was, the guard time follows the base, and the queue the guard time. As in BBR, the
//! queue is therefore kept short for a moment every so often, unless a median came near the base of its own accord.
//! (N. Cardwell et al., "BBR: Congestion-Based Congestion Control", ACM Queue 14(5), 2016.)

use crate::little_guard::LittleGuardSettings;
use crate::observation::Observation;

/// A median up to this multiple of the base confirms it.
const NEAR: f64 = 1.1;

/// Since when the base is unconfirmed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Probe {
    confirmed_ns: Option<u64>,
}

impl Probe {
    /// Whether the queue should be kept short now.
    pub(super) fn is_due(&mut self, by: &LittleGuardSettings, seen: &Observation) -> bool {
        let confirmed_ns = *self.confirmed_ns.get_or_insert(seen.now_ns);
        let doubted_s = seen.now_ns.saturating_sub(confirmed_ns) as f64 / crate::NS_PER_S;
        let due = doubted_s > by.probe_after_s;
        let over = doubted_s > by.probe_after_s + by.probe_s;
        if over || (!due && seen.p50_s <= NEAR * seen.base_s) {
            self.confirmed_ns = Some(seen.now_ns);
            return false;
        }
        due
    }
}
