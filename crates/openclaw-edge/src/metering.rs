//! The brief's four metrics, names exact, and the edge's own.

use std::collections::HashMap;

use metrics::{Counter, Histogram};
use openclaw_admin::metrics::{Exporter, GaugeFamily};
use openclaw_protocol::{BucketPolicy, RatingEvent};

use crate::services::Edge;

/// The label value of everyone who is not among the busiest.
const OTHER: &str = "_other";

/// Handles made once: the event path records without looking anything up.
#[derive(Clone, Debug)]
pub(crate) struct Meters {
    events: Counter,
    latency: Histogram,
    pub(crate) rejected: Counter,
    pub(crate) batches: Counter,
    pub(crate) unlisted: Counter,
    pub(crate) repeated: Counter,
    pub(crate) late: Counter,
}

impl Meters {
    pub(crate) fn new() -> Self {
        Self {
            events: metrics::counter!("rating_events_total"),
            latency: metrics::histogram!("rating_event_latency_seconds"),
            rejected: metrics::counter!("openclaw_edge_events_rejected_total"),
            batches: metrics::counter!("openclaw_edge_batches_total"),
            unlisted: metrics::counter!("openclaw_edge_contexts_unlisted_total"),
            repeated: metrics::counter!("openclaw_edge_events_repeated_total"),
            late: metrics::counter!("openclaw_edge_events_late_total"),
        }
    }

    /// Counts an event. Its latency is what the sender measured, else how old it is on arrival.
    pub(crate) fn event(&self, event: &RatingEvent, arrival_ms: u64) {
        self.events.increment(1);
        let latency_ms =
            event.latency_ms.unwrap_or_else(|| arrival_ms.saturating_sub(event.timestamp) as f64);
        self.latency.record(latency_ms / 1e3);
    }
}

/// Registers what this crate measures.
pub fn describe_metrics() {
    use metrics::{Unit, describe_counter, describe_histogram};
    describe_counter!("rating_events_total", Unit::Count, "Rating events received");
    describe_histogram!(
        "rating_event_latency_seconds",
        Unit::Seconds,
        "Latency of rating events: as measured by their sender, else their age on arrival"
    );
    describe_counter!("openclaw_edge_events_rejected_total", Unit::Count, "Events that were not valid");
    describe_counter!("openclaw_edge_batches_total", Unit::Count, "Batches received");
    describe_counter!(
        "openclaw_edge_events_repeated_total",
        Unit::Count,
        "Events whose id came before; they count nowhere else"
    );
    describe_counter!(
        "openclaw_edge_events_late_total",
        Unit::Count,
        "Events that a collector had kept while it could not deliver them; they do not move limits"
    );
    describe_counter!(
        "openclaw_edge_contexts_unlisted_total",
        Unit::Count,
        "Contexts of events and users with a value that is not configured; they counted as none"
    );
    metrics::describe_gauge!(
        "openclaw_edge_overrides",
        Unit::Count,
        "Users whose limits the operator has overridden"
    );
    describe_counter!(
        "openclaw_edge_override_write_failures_total",
        Unit::Count,
        "Changes of overrides that could not be made durable and were refused"
    );
    families(0).iter().for_each(GaugeFamily::describe);
}

fn families(users_max: usize) -> [GaugeFamily; 2] {
    let family = |name, help| GaugeFamily { name, label: "user", help, series_max: users_max + 1 };
    [
        family(
            "rl_policy_bucket_size",
            "Bucket capacity of the busiest users in tokens; the mean of all others as _other",
        ),
        family(
            "rl_policy_refill_rate",
            "Refill rate of the busiest users in tokens per second; the mean of all others as _other",
        ),
    ]
}

impl Edge {
    /// Lets `exporter` show the busiest users' parameters at every scrape.
    pub fn export(&self, exporter: &Exporter) {
        let [size, rate] = families(self.settings().metrics_users_max);
        let edge = self.clone();
        exporter.provide(size, move || edge.series(|policy| policy.bucket_size));
        let edge = self.clone();
        exporter.provide(rate, move || edge.series(|policy| policy.refill_rate));
    }

    fn series(&self, of: fn(&BucketPolicy) -> f64) -> Vec<(String, f64)> {
        let (busiest, rest) = self.busiest();
        let mut seen = HashMap::new();
        let mut series: Vec<(String, f64)> = Vec::with_capacity(busiest.len() + 1);
        for user in &busiest {
            // A user of two services has one series: what it may do in all.
            let index = *seen.entry(&user.user_id).or_insert(series.len());
            match series.get_mut(index) {
                Some((_, sum)) => *sum += of(&user.policy),
                None => series.push((label(&user.user_id), of(&user.policy))),
            }
        }
        series.extend(rest.map(|policy| (OTHER.to_owned(), of(&policy))));
        series
    }
}

/// A user's label. A real user called `_other` (or that with more underscores) gets one more.
fn label(user: &str) -> String {
    if user.trim_start_matches('_') == "other" && user.starts_with('_') {
        return format!("_{user}");
    }
    user.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_real_user_never_has_the_label_of_all_others() {
        assert_eq!(label("_other"), "__other");
        assert_eq!(label("__other"), "___other");
        assert_eq!(label("other"), "other");
        assert_eq!(label("_another"), "_another");
    }
}
