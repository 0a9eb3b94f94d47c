//! What the collector measures: handles made once, because looking one up by name costs more than a decision.
//!
//! A handle belongs to the recorder that is installed when it is made, so a service installs its recorder before
//! it starts a collector.

use metrics::{Counter, Gauge};

/// Handles made once.
#[derive(Clone, Debug)]
pub(crate) struct Meters {
    pub(crate) throttled_by_guard: Counter,
    pub(crate) throttled_by_bucket: Counter,
    pub(crate) users_untracked: Counter,
    pub(crate) events_dropped: Counter,
    pub(crate) events_delivered: Counter,
    pub(crate) events_rejected: Counter,
    pub(crate) posts_delivered: Counter,
    pub(crate) posts_failed: Counter,
    pub(crate) policies_refused: Counter,
    pub(crate) events_waiting: Gauge,
    pub(crate) spool_events: Gauge,
    pub(crate) spool_bytes: Gauge,
    pub(crate) circuit_open: Gauge,
    pub(crate) leases: Gauge,
    pub(crate) edge_controls: Gauge,
    pub(crate) guard_cap: Gauge,
    pub(crate) in_flight: Gauge,
}

impl Meters {
    pub(crate) fn new() -> Self {
        use metrics::{counter, gauge};
        let throttled = |by: &'static str| counter!("openclaw_rating_throttled_total", "by" => by);
        let posts = |result: &'static str| counter!("openclaw_collector_posts_total", "result" => result);
        Self {
            throttled_by_guard: throttled("guard"),
            throttled_by_bucket: throttled("bucket"),
            users_untracked: counter!("openclaw_collector_users_untracked_total"),
            events_dropped: counter!("openclaw_collector_events_dropped_total"),
            events_delivered: counter!("openclaw_collector_events_delivered_total"),
            events_rejected: counter!("openclaw_collector_events_rejected_total"),
            posts_delivered: posts("delivered"),
            posts_failed: posts("failed"),
            policies_refused: counter!("openclaw_collector_policies_refused_total"),
            events_waiting: gauge!("openclaw_collector_events_waiting"),
            spool_events: gauge!("openclaw_collector_spool_events"),
            spool_bytes: gauge!("openclaw_collector_spool_bytes"),
            circuit_open: gauge!("openclaw_collector_edge_circuit_open"),
            leases: gauge!("openclaw_collector_leases"),
            edge_controls: gauge!("openclaw_collector_edge_controls"),
            guard_cap: gauge!("openclaw_collector_guard_cap_requests"),
            in_flight: gauge!("openclaw_collector_in_flight_requests"),
        }
    }
}

/// Registers what this crate measures.
pub fn describe_metrics() {
    use metrics::{Unit, describe_counter, describe_gauge};
    let counters = [
        ("openclaw_rating_throttled_total", "Ratings refused, by guard or bucket"),
        (
            "openclaw_collector_users_untracked_total",
            "Attempts of users that no longer fit the table of counters",
        ),
        (
            "openclaw_collector_events_dropped_total",
            "Events dropped: too many waited, the edge refused them, or the collector stopped before it took them",
        ),
        ("openclaw_collector_events_delivered_total", "Events that the edge took"),
        ("openclaw_collector_events_rejected_total", "Events that the edge took out of a batch as invalid"),
        ("openclaw_collector_posts_total", "Requests to the edge, batches and single events, by result"),
        (
            "openclaw_collector_policies_refused_total",
            "Parts of answers not applied: no usable numbers, or users that were not asked about",
        ),
    ];
    for (name, text) in counters {
        describe_counter!(name, Unit::Count, text);
    }
    let gauges = [
        ("openclaw_collector_events_waiting", "Events waiting for delivery"),
        ("openclaw_collector_spool_events", "Events waiting on disk"),
        (
            "openclaw_collector_edge_circuit_open",
            "1 while nothing is sent to the edge, 0.5 while a probe is under way, 0 otherwise",
        ),
        ("openclaw_collector_leases", "Users whose parameters are leased"),
        (
            "openclaw_collector_edge_controls",
            "1 while the edge's answers hold, 0 while the local loop decides",
        ),
        ("openclaw_collector_guard_cap_requests", "Requests that may be in flight"),
        ("openclaw_collector_in_flight_requests", "Requests in flight"),
    ];
    describe_gauge!("openclaw_collector_spool_bytes", Unit::Bytes, "Length of the spool of events on disk");
    for (name, text) in gauges {
        describe_gauge!(name, Unit::Count, text);
    }
}
