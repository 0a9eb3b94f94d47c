//! The in-flight guard's law: how much work may be in flight, from how fast it leaves.
//!
//! By Little's law, work in flight divided by throughput is the time that the newest arrival will take. The
//! edge says how long that may be (W); the service, which sees every completion at once, turns W into a number
//! of requests. Pauses can only be met here: no answer from an edge is fast enough.

/// How much of the guard time comes from where.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GuardLaw {
    /// Share of the fast (0.25 s) throughput; the slow one (2.5 s) has the rest.
    pub fast_share: f64,
    /// Requests always allowed, even when the throughput has fallen to nothing.
    pub floor: f64,
    /// Requests allowed while nothing has been late: an idle service has shown no throughput, and a burst that
    /// finds it idle must not be refused for that.
    pub floor_in_time: f64,
}

impl Default for GuardLaw {
    fn default() -> Self {
        Self { fast_share: 0.71, floor: 2.0, floor_in_time: 16.0 }
    }
}

/// What the law looks at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GuardTime {
    /// W, in seconds.
    pub guard_s: f64,
    /// Requests completed per second, averaged over 0.25 s.
    pub throughput_fast_per_s: f64,
    /// Requests completed per second, averaged over 2.5 s.
    pub throughput_slow_per_s: f64,
    /// Highest slow throughput, fading over 30 s.
    pub throughput_peak_per_s: f64,
    /// Whether any request of the last second took longer than W.
    pub late: bool,
}

impl GuardLaw {
    /// The throughput that counts.
    pub(crate) fn throughput_per_s(&self, fast_per_s: f64, slow_per_s: f64) -> f64 {
        self.fast_share * fast_per_s + (1.0 - self.fast_share) * slow_per_s
    }

    /// Requests that may be in flight.
    #[must_use]
    pub fn cap(&self, now: &GuardTime) -> u32 {
        let throughput = self.throughput_per_s(now.throughput_fast_per_s, now.throughput_slow_per_s);
        let floor = if now.late { self.floor } else { self.floor_in_time.max(self.floor) };
        // `as` saturates, and NaN becomes 0, which the floor then lifts.
        let cap = (now.guard_s * throughput).max(0.02 * now.throughput_peak_per_s * now.guard_s).max(floor);
        cap.round() as u32
    }
}

/// The least and most that W may be: a guard time under the service's own latency would starve it (a 250 ms
/// floor under a 180 ms guard fell from 400 to 8 ratings/s), so W is at least 1.5 times the base, of which no
/// more than half the SLO counts.
#[must_use]
pub(crate) fn bounded_guard_s(guard_s: f64, base_s: f64, slo_s: f64) -> f64 {
    let lowest = (1.5 * base_s.min(0.5 * slo_s)).max(0.15 * slo_s);
    guard_s.clamp(0.15 * slo_s, 0.9 * slo_s).max(lowest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time() -> GuardTime {
        GuardTime {
            guard_s: 0.1,
            throughput_fast_per_s: 800.0,
            throughput_slow_per_s: 800.0,
            throughput_peak_per_s: 800.0,
            late: true,
        }
    }

    #[test]
    fn a_busy_service_may_hold_what_it_completes_within_the_guard_time() {
        assert_eq!(GuardLaw::default().cap(&time()), 80);
    }

    #[test]
    fn a_stalled_service_falls_to_the_floor_but_not_below() {
        let stalled = GuardTime {
            throughput_fast_per_s: 0.0,
            throughput_slow_per_s: 0.0,
            throughput_peak_per_s: 800.0,
            ..time()
        };
        assert_eq!(GuardLaw::default().cap(&stalled), 2);
        let broken = GuardTime { throughput_fast_per_s: f64::NAN, ..stalled };
        assert_eq!(GuardLaw::default().cap(&broken), 2);
    }

    #[test]
    fn an_idle_service_takes_a_burst() {
        let idle = GuardTime {
            throughput_fast_per_s: 0.0,
            throughput_slow_per_s: 0.0,
            throughput_peak_per_s: 0.0,
            late: false,
            ..time()
        };
        assert_eq!(GuardLaw::default().cap(&idle), 16);
    }

    #[test]
    fn the_guard_time_never_lies_under_a_slow_services_own_latency() {
        assert!((bounded_guard_s(0.03, 0.02, 0.2) - 0.03).abs() < 1e-12);
        assert!((bounded_guard_s(0.03, 0.05, 0.2) - 0.075).abs() < 1e-12);
        assert!((bounded_guard_s(0.5, 0.25, 0.2) - 0.18).abs() < 1e-12, "at most .9 of the SLO");
        assert!(
            (bounded_guard_s(0.01, 0.25, 0.2) - 0.15).abs() < 1e-12,
            "a base over the SLO counts as half"
        );
    }
}
