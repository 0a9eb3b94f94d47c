//! Observations within bounds that arithmetic survives.
//!
//! A timeout makes a percentile infinite, and a rule that averages it once would stay infinite for ever. Every rule
//! therefore looks at what [`tame`] leaves: latencies of at most ten times the SLO, which no rule here tells from worse
//! ones, and flows that squares and products keep finite. Checks in every rule were the alternative; one forgotten
//! would have been found in production.

use crate::observation::Observation;

/// Latencies count up to this many times the SLO.
const LATEST_SLOS: f64 = 10.0;
/// Flows count up to this, in ratings per second; more than any service sees.
pub(super) const FLOW_MOST_PER_S: f64 = 1e12;
/// SLOs that are sensible, in seconds.
const SLO_S: (f64, f64) = (1e-6, 1e6);

/// What was seen, every number finite and not negative.
pub(super) fn tame(seen: &Observation) -> Observation {
    let slo_s = bounded(seen.slo_s, SLO_S.0, SLO_S.1);
    let latency_s = |value: f64| bounded(value, 0.0, LATEST_SLOS * slo_s);
    let flow_per_s = |value: f64| bounded(value, 0.0, FLOW_MOST_PER_S);
    Observation {
        slo_s,
        base_s: latency_s(seen.base_s),
        p50_s: latency_s(seen.p50_s),
        p95_s: latency_s(seen.p95_s),
        p95_fast_s: latency_s(seen.p95_fast_s),
        late_fraction: bounded(seen.late_fraction, 0.0, 1.0),
        in_flight: bounded(seen.in_flight, 0.0, FLOW_MOST_PER_S),
        throughput_fast_per_s: flow_per_s(seen.throughput_fast_per_s),
        throughput_slow_per_s: flow_per_s(seen.throughput_slow_per_s),
        throughput_peak_per_s: flow_per_s(seen.throughput_peak_per_s),
        accepted_fast_per_s: flow_per_s(seen.accepted_fast_per_s),
        demand_fast_per_s: flow_per_s(seen.demand_fast_per_s),
        demand_slow_per_s: flow_per_s(seen.demand_slow_per_s),
        failed_fast_per_s: flow_per_s(seen.failed_fast_per_s),
        ..*seen
    }
}

/// `value` within the bounds; the lower one where it is no number.
fn bounded(value: f64, lowest: f64, highest: f64) -> f64 {
    if value.is_nan() { lowest } else { value.clamp(lowest, highest) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::tests::observation;

    #[test]
    fn what_is_sound_stays_as_it_is() {
        assert_eq!(tame(&observation()), observation());
    }

    #[test]
    fn timeouts_count_as_ten_times_the_slo_and_what_is_no_number_as_nothing() {
        let seen = Observation {
            slo_s: 0.5,
            p95_s: f64::INFINITY,
            p50_s: f64::NAN,
            in_flight: -1.0,
            demand_fast_per_s: f64::MAX,
            ..observation()
        };
        let tamed = tame(&seen);
        assert_eq!((tamed.p95_s, tamed.p50_s, tamed.in_flight), (5.0, 0.0, 0.0));
        assert_eq!(tamed.demand_fast_per_s, FLOW_MOST_PER_S);
    }
}
