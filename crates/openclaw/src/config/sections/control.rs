//! Keys of the loop: the objective, the limits, the guard, the collector, the edge and its controllers.

use openclaw_edge::ControllerKind;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use openclaw_admin::access::Token;
use openclaw_admin::listen::ServeLimits;

use super::{GIB, KIB, MILLION, ms, s, section};
use crate::config::kind::Kind;
use crate::config::value::{Typed, Value};

section! {
    /// The objective.
    SloKeys {
        /// Latency that 95 of 100 admitted requests must stay under, a duration; 200 ms still feel immediate.
        latency: Duration = "slo.latency", Kind::Duration(ms(1), s(60)), "200ms";
    }
}

section! {
    /// What a user gets before anything is known, and what a controller may never leave.
    LimitKeys {
        /// Bucket size of a user of whom nothing is known, in tokens (one rating takes one); two seconds of the
        /// default refill.
        bucket_size: f64 = "limits.bucketSize", Kind::Float(1.0, 1e9), "20.0";
        /// Refill rate of a user of whom nothing is known, in tokens per second; more than a person rates.
        refill_rate: f64 = "limits.refillRate", Kind::Float(0.001, 1e9), "10.0";
        /// Users with a bucket of their own at once; further ones share one bucket, so memory is bounded whatever
        /// ids clients make up.
        users_max: usize = "limits.usersMax", Kind::Integer(1, 100 * MILLION), "100000";
        /// Smallest bucket size that a controller may set, in tokens; below one nobody is ever admitted.
        bucket_size_min: f64 = "limits.bucketSizeMin", Kind::Float(1.0, 1e9), "1.2";
        /// Largest bucket size that a controller may set, in tokens; high enough not to bind by default.
        bucket_size_max: f64 = "limits.bucketSizeMax", Kind::Float(1.0, 1e9), "1000000.0";
        /// Lowest refill rate that a controller may set, in tokens per second; one rating in twenty seconds locks
        /// nobody out.
        refill_rate_min: f64 = "limits.refillRateMin", Kind::Float(0.001, 1e9), "0.05";
        /// Highest refill rate that a controller may set, in tokens per second; high enough not to bind by default.
        refill_rate_max: f64 = "limits.refillRateMax", Kind::Float(0.001, 1e9), "1000000.0";
    }
}

section! {
    /// The guard on requests in flight.
    GuardKeys {
        /// Whether requests are refused while too many are in flight; it alone meets pauses, which no bucket can.
        enabled: bool = "guard.enabled", Kind::Bool, "true";
        /// Requests in flight that are always let in while none of the last second was late; an idle service has
        /// shown no throughput yet, and a burst must not be refused for that.
        start_in_flight: u64 = "guard.startInFlight", Kind::Integer(1, MILLION), "16";
    }
}

section! {
    /// The link from the rating service to the edge.
    CollectorKeys {
        /// URL for single events; the batch URL follows from it (/event becomes /events); off leaves everything
        /// to the local controller. The variable EVENT_ENDPOINT sets it too.
        event_endpoint: Option<http::Uri> =
            "collector.eventEndpoint", Kind::Url, "http://127.0.0.1:8081/api/v1/event";
        /// Time between two batches, a duration; a second of it would cost a fifth of the goodput under overload.
        flush_interval: Duration = "collector.flushInterval", Kind::Duration(ms(10), s(60)), "100ms";
        /// Events in one batch at most; as many waiting are sent early.
        batch_events_max: usize = "collector.batchMax", Kind::Integer(1, 100_000), "1000";
        /// Events waiting in memory at most, the oldest give way; counters are cumulative, so a lost event loses no
        /// count.
        queue_events_max: usize = "collector.queueMax", Kind::Integer(1, 10 * MILLION), "10000";
        /// Time for the edge to answer a batch, a duration; ten cycles, after which its answer is of no use.
        timeout: Duration = "collector.timeout", Kind::Duration(ms(10), s(60)), "1s";
        /// Longest pause before the edge is tried again after failures, a duration; its return is noticed within it.
        retry_pause_max: Duration = "collector.retryPauseMax", Kind::Duration(ms(100), s(600)), "1s";
        /// Longest that the edge may ask to be left alone (Retry-After with 429 or 503), a duration, 0s for not listening; one
        /// that says a day is mistaken.
        retry_after_max: Duration = "collector.retryAfterMax", Kind::Duration(s(0), s(3600)), "30s";
        /// Failures in a row after which only counters without events are sent until the edge takes them.
        failures_to_open: u64 = "collector.circuitFailures", Kind::Integer(1, 1000), "5";
        /// Folder where events wait while the edge is away, made where it is missing, for one process alone; off keeps
        /// them in memory, and drops what is more than collector.queueMax.
        spool_folder: Option<PathBuf> = "collector.spoolFolder", Kind::Path, "off";
        /// Longest that folder's files may get, in bytes; about a quarter of an hour at a thousand ratings a second,
        /// then the oldest give way.
        spool_bytes_max: u64 = "collector.spoolMax", Kind::Bytes(64 * KIB, 1024 * GIB), "256MiB";
        /// How long an event in that folder may wait to be synced to disk, a duration; the end of the process loses
        /// none, a loss of power what is younger.
        spool_sync: Duration = "collector.spoolSync", Kind::Duration(s(0), s(3600)), "1s";
        /// Time for delivering what waits when the service stops, a duration; the rest is left in the spool, or dropped.
        drain: Duration = "collector.drain", Kind::Duration(ms(0), s(600)), "5s";
        /// Token that is sent to the edge, off for none.
        token: Option<Token> = "collector.token", Kind::Token, "off";
        /// File whose first line is that token, off for none; keeps it out of the configuration.
        token_file: Option<PathBuf> = "collector.tokenFile", Kind::Path, "off";
        /// Name of the service whose capacity is shared; collectors of the same name share one admitted rate.
        service: String = "collector.service", Kind::Text, "rating";
        /// Users whose attempts are counted at once; bounds memory and the size of batches.
        users_max: usize = "collector.usersMax", Kind::Integer(1, 10 * MILLION), "100000";
    }
}

section! {
    /// The edge service.
    EdgeKeys {
        /// Address and port that collectors send events to; loopback, so that nothing is exposed by accident.
        listen: SocketAddr = "edge.listen", Kind::Socket, "127.0.0.1:8081";
        /// What decides the limits; little-guard needs no training and is what services fall back on, static is the
        /// bucket in limits for everybody, the others are there for comparison.
        controller: ControllerKind =
            "edge.controller", Kind::Word(ControllerKind::NAMES), "little-guard";
        /// File of a learned policy that decides instead of edge.controller, off for none; little-guard takes over
        /// wherever its output cannot be followed.
        policy: Option<PathBuf> = "edge.policy", Kind::Path, "off";
        /// How long limits hold without being renewed, a duration; fifty cycles, after which the services decide
        /// for themselves.
        ttl: Duration = "edge.ttl", Kind::Duration(ms(100), s(3600)), "5s";
        /// Time between two decisions, a duration; 50 ms is no better, and 1 s loses a fifth of the goodput.
        tick: Duration = "edge.tick", Kind::Duration(ms(10), s(10)), "100ms";
        /// Ratings per second in all that controllers start at, except static and little-guard; all but static never
        /// admit less than a twentieth of it, so that a service that completes nothing is tried again.
        start_per_s: f64 = "edge.startRate", Kind::Float(0.1, 1e9), "1000.0";
        /// Users followed per service, forgotten when idle for edge.ttl; further ones share the newcomers' limits.
        users_max: usize = "edge.usersMax", Kind::Integer(1, 100 * MILLION), "100000";
        /// Services followed at once; one that was silent for a minute gives way to a new one, else that is refused.
        services_max: usize = "edge.servicesMax", Kind::Integer(1, 100_000), "64";
        /// Collectors followed per service; one that was silent for edge.ttl is forgotten.
        collectors_max: usize = "edge.collectorsMax", Kind::Integer(1, 100_000), "64";
        /// Ids of events remembered, so that one that a collector sends again counts once; about 18 bytes each, and
        /// only as many as come.
        event_ids_max: usize = "edge.eventIdsMax", Kind::Integer(0, 100 * MILLION), "1000000";
        /// Folder of the file that keeps the operator's overrides of users' limits, made with the first of them; off
        /// keeps them in memory until the process ends.
        folder: Option<PathBuf> = "edge.folder", Kind::Path, "./openclaw-edge-data";
        /// Users whose limits may be overridden at once; every collector holds them all.
        overrides_max: usize = "edge.overridesMax", Kind::Integer(1, 10_000), "1000";
        /// Tiers that overrides may name, each a name, a weight in the water level and perhaps bounds, such as
        /// "gold weight=4 refillRateMin=5 refillRateMax=100"; none, as what a tier is worth is yours to say.
        tiers: Vec<String> = "edge.tiers", Kind::Texts, "";
        /// Longest request body, in bytes; holds a batch of a thousand events and tens of thousands of users.
        body_bytes_max: usize = "edge.bodyMax", Kind::Bytes(KIB, GIB), "8MiB";
        /// Time for a body to arrive, a duration.
        body_timeout: Duration = "edge.bodyTimeout", Kind::Duration(ms(1), s(3600)), "10s";
        /// Connections open at once, further ones wait.
        connections_max: usize = "edge.connectionsMax", Kind::Integer(1, MILLION), "10000";
        /// Threads that serve events, 0 for one per processor core.
        workers: usize = "edge.workers", Kind::Integer(0, 1024), "0";
    }
}

impl Typed for ControllerKind {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Word(word) => word.parse().ok(),
            _ => None,
        }
    }
}

section! {
    /// The AIMD controller, for comparison.
    AimdKeys {
        /// Added to the admitted total per window, as a fraction of edge.startRate.
        increase_fraction: f64 = "aimd.increaseFraction", Kind::Float(0.000_001, 10.0), "0.02";
        /// Factor of the admitted total per window while p95 is over the objective; the 0.9 of the published rule.
        backoff_ratio: f64 = "aimd.backoffRatio", Kind::Float(0.01, 0.999), "0.9";
        /// Time between two evaluations, a duration; a percentile needs that many samples.
        window: Duration = "aimd.window", Kind::Duration(ms(10), s(600)), "1s";
    }
}

impl EdgeKeys {
    /// The limits of the edge's listener.
    pub(crate) fn serve_limits(&self, stop_timeout: Duration) -> ServeLimits {
        ServeLimits { connections_max: self.connections_max, stop_timeout, ..ServeLimits::default() }
    }
}
