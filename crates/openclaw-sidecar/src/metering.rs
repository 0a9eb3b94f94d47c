//! What a sidecar measures.

use std::time::Duration;

use metrics::{Counter, Gauge, Histogram};
use openclaw_protocol::Outcome;

use crate::upstream::UpstreamFailure;

/// Handles made once.
#[derive(Debug)]
pub(crate) struct Meters {
    accepted: Counter,
    failed: Counter,
    timeout: Counter,
    pub(crate) throttled: Counter,
    pub(crate) passed: Counter,
    pub(crate) foretold: Counter,
    pub(crate) unkeyed: Counter,
    head: Histogram,
    pub(crate) exchange: Histogram,
    pub(crate) failures: Failures,
    pub(crate) broken_off: Counter,
    pub(crate) tunnels: Gauge,
    pub(crate) reloaded: Counter,
}

/// Answers that did not come, by reason.
#[derive(Debug)]
pub(crate) struct Failures {
    full: Counter,
    unreachable: Counter,
    untrusted: Counter,
    connect_timeout: Counter,
    head_timeout: Counter,
    broken: Counter,
    client: Counter,
}

impl Failures {
    pub(crate) fn of(&self, failure: UpstreamFailure) -> &Counter {
        match failure {
            UpstreamFailure::Full => &self.full,
            UpstreamFailure::Unreachable => &self.unreachable,
            UpstreamFailure::Untrusted => &self.untrusted,
            UpstreamFailure::ConnectTimeout => &self.connect_timeout,
            UpstreamFailure::HeadTimeout => &self.head_timeout,
            UpstreamFailure::Broken => &self.broken,
            UpstreamFailure::Client(_) | UpstreamFailure::Target => &self.client,
        }
    }
}

impl Meters {
    pub(crate) fn new() -> Self {
        use metrics::{counter, gauge, histogram};
        let requests =
            |outcome: &'static str| counter!("openclaw_sidecar_requests_total", "outcome" => outcome);
        let failures =
            |reason: &'static str| counter!("openclaw_sidecar_upstream_failures_total", "reason" => reason);
        Self {
            accepted: requests("accepted"),
            failed: requests("failed"),
            timeout: requests("timeout"),
            throttled: requests("throttled"),
            passed: requests("passed"),
            foretold: counter!("openclaw_sidecar_foretold_total"),
            unkeyed: counter!("openclaw_sidecar_unkeyed_total"),
            head: histogram!("openclaw_sidecar_latency_seconds"),
            exchange: histogram!("openclaw_sidecar_exchange_seconds"),
            failures: Failures {
                full: failures("full"),
                unreachable: failures("unreachable"),
                untrusted: failures("untrusted"),
                connect_timeout: failures("connect_timeout"),
                head_timeout: failures("head_timeout"),
                broken: failures("broken"),
                client: failures("client"),
            },
            broken_off: counter!("openclaw_sidecar_broken_off_total"),
            tunnels: gauge!("openclaw_sidecar_tunnels"),
            reloaded: counter!("openclaw_sidecar_reloads_total"),
        }
    }

    pub(crate) fn finished(&self, outcome: Outcome, latency: Duration) {
        match outcome {
            Outcome::Accepted => self.accepted.increment(1),
            Outcome::Timeout => self.timeout.increment(1),
            Outcome::Failed | Outcome::Throttled => self.failed.increment(1),
        }
        self.head.record(latency.as_secs_f64());
    }
}

/// Registers what this crate measures.
pub fn describe_metrics() {
    use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
    let counters = [
        (
            "openclaw_sidecar_requests_total",
            "Requests by outcome: accepted, failed, timeout (clients that left among them), throttled, and passed unmetered",
        ),
        ("openclaw_sidecar_foretold_total", "Refusals that shadow mode only foretold"),
        ("openclaw_sidecar_unkeyed_total", "Metered requests without a key"),
        (
            "openclaw_sidecar_upstream_failures_total",
            "Answers that did not come, by reason: full, unreachable, connect_timeout, head_timeout, broken, client",
        ),
        ("openclaw_sidecar_broken_off_total", "Answers that broke off after their head"),
        ("openclaw_sidecar_reloads_total", "Configurations taken over without a restart"),
    ];
    for (name, text) in counters {
        describe_counter!(name, Unit::Count, text);
    }
    describe_gauge!(
        "openclaw_sidecar_tunnels",
        Unit::Count,
        "Upgraded connections, such as WebSockets, open now"
    );
    describe_histogram!(
        "openclaw_sidecar_latency_seconds",
        Unit::Seconds,
        "Latency as events tell it: to the answer's head or end as configured, without waiting for the client's body"
    );
    describe_histogram!(
        "openclaw_sidecar_exchange_seconds",
        Unit::Seconds,
        "Time from a request's header fields to the end of its answer's body, metered or not"
    );
}
