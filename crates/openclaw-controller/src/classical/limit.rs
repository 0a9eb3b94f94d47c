//! A concurrency limit, acted out through rate buckets.
//!
//! By Little's law a service that holds L requests of a latency l completes L / l per second, so R = L / l lets in what
//! keeps L in flight; and a guard time of W = L / throughput refuses at L exactly, as the originals do. l is the median,
//! which one slow request does not move; that it lies under the mean scales L and nothing else, and every rule finds its
//! own L. The originals bound L by numbers of requests; here by what R's bounds mean at the base and at the SLO.

use super::Handout;
use super::total::Total;
use crate::observation::{Action, Observation};

/// A limit on requests in flight.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    total: Total,
    in_flight: Option<f64>,
}

impl Limit {
    /// Begins at what `start_per_s` keeps in flight at the first latency seen.
    pub(super) fn new(start_per_s: f64) -> Self {
        Self { total: Total::new(start_per_s), in_flight: None }
    }

    /// L, in requests. Takes a tame observation, as all that follow.
    pub(super) fn get(&self, seen: &Observation) -> f64 {
        let limit = self.in_flight.unwrap_or_else(|| self.total.start_per_s() * latency_s(seen));
        self.bounded(limit, seen)
    }

    /// Moves L to `limit` requests, or as near as its bounds let it.
    pub(super) fn set(&mut self, limit: f64, seen: &Observation) {
        self.in_flight = Some(self.bounded(limit, seen));
    }

    /// L that the configured start keeps in flight at the base, in requests.
    pub(super) fn start(&self, seen: &Observation) -> f64 {
        (self.total.start_per_s() * base_s(seen)).max(1.0)
    }

    /// Whether at least half of L is in use: the published rules let no other limit grow.
    pub(super) fn is_used(&self, seen: &Observation) -> bool {
        2.0 * seen.in_flight >= self.get(seen)
    }

    /// R that keeps L in flight.
    pub(super) fn admitted_per_s(&mut self, seen: &Observation) -> f64 {
        self.total.set(self.get(seen) / latency_s(seen));
        self.total.settle(seen);
        self.total.per_s()
    }

    /// R and W that keep L in flight, handed out.
    pub(super) fn action(&mut self, handout: &Handout, seen: &Observation) -> Action {
        let limit = self.get(seen);
        self.act_out(limit, handout, seen)
    }

    /// The same for another limit, which is not kept.
    pub(super) fn act_out(&mut self, limit: f64, handout: &Handout, seen: &Observation) -> Action {
        self.total.set(limit / latency_s(seen));
        self.total.settle(seen);
        handout.guarded_action(self.total.per_s(), limit / throughput_per_s(seen), seen)
    }

    fn bounded(&self, limit: f64, seen: &Observation) -> f64 {
        let lowest = (self.total.floor_per_s(seen) * base_s(seen)).max(1.0);
        let highest = (self.total.ceiling_per_s(seen) * seen.slo_s).max(lowest);
        limit.clamp(lowest, highest)
    }
}

/// Latency now, in seconds, above nothing; the base where nothing was completed.
pub(super) fn latency_s(seen: &Observation) -> f64 {
    let latency_s = if seen.samples == 0 { seen.base_s } else { seen.p50_s };
    latency_s.max(1e-3 * seen.slo_s)
}

/// Latency floor, in seconds, above nothing and at most the SLO.
pub(super) fn base_s(seen: &Observation) -> f64 {
    seen.base_s.clamp(1e-3 * seen.slo_s, seen.slo_s)
}

/// Time that the newest arrival will wait before it is served, in seconds: what is in flight takes in_flight /
/// throughput by Little's law, of which the base is no waiting.
pub(super) fn queueing_s(seen: &Observation) -> f64 {
    if seen.in_flight < 1.0 {
        return 0.0;
    }
    // More than ten SLOs tell nothing more, and a service that completes nothing shows an infinity.
    (seen.in_flight / throughput_per_s(seen) - base_s(seen)).clamp(0.0, 10.0 * seen.slo_s)
}

/// Throughput as the in-flight guard weighs it.
pub(super) fn throughput_per_s(seen: &Observation) -> f64 {
    0.71 * seen.throughput_fast_per_s + 0.29 * seen.throughput_slow_per_s
}

#[cfg(test)]
mod tests {
    use super::super::tests::shared;
    use super::*;
    use crate::observation::tests::observation;

    const GUARDED: Handout = Handout { bucket_s: 1.0, headroom: 3.0, guard: Some(0.9) };

    #[test]
    fn a_limit_is_acted_out_by_littles_law() {
        let seen = observation();
        let mut limit = Limit::new(1000.0);
        limit.set(24.0, &seen);
        let action = shared(limit.action(&GUARDED, &seen));
        assert!((action.admitted_per_s - 24.0 / 0.03).abs() < 1e-9);
        assert!((action.guard_s.unwrap() - 24.0 / 600.0).abs() < 1e-12);
    }

    #[test]
    fn a_limit_begins_at_what_the_start_keeps_in_flight() {
        assert!((Limit::new(1000.0).get(&observation()) - 30.0).abs() < 1e-9);
    }

    #[test]
    fn a_limit_lies_between_one_request_and_what_the_ceiling_means_at_the_slo() {
        let seen = observation();
        let mut limit = Limit::new(1000.0);
        limit.set(0.0, &seen);
        assert_eq!(limit.get(&seen), 1.0);
        limit.set(1e9, &seen);
        assert!((limit.get(&seen) - 2000.0 * 0.2).abs() < 1e-9);
    }

    #[test]
    fn a_service_that_completes_nothing_is_guarded_at_the_configured_time() {
        let seen = Observation { throughput_fast_per_s: 0.0, throughput_slow_per_s: 0.0, ..observation() };
        let action = shared(Limit::new(1000.0).action(&GUARDED, &seen));
        assert!((action.guard_s.unwrap() - 0.18).abs() < 1e-12);
    }
}
