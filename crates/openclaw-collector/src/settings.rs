//! How a collector is set up.

use std::time::Duration;

use openclaw_controller::{Bounds, GuardLaw};
use openclaw_protocol::BucketPolicy;
use reqwest::Url;

use crate::breaker::RetrySettings;
use crate::spool::SpoolSettings;

/// Settings of a [`Collector`](crate::Collector).
#[derive(Clone, Debug)]
pub struct CollectorSettings {
    /// The service whose capacity the edge manages; collectors of the same name share it.
    pub service: String,
    /// Where events go; `None` leaves everything to the local loop.
    pub edge: Option<EdgeTarget>,
    /// The latency goal for the 95th percentile.
    pub slo: Duration,
    /// Time between two cycles.
    pub flush_interval: Duration,
    /// Events per batch at most; as many waiting start a cycle early.
    pub batch_max: usize,
    /// Events waiting for the edge at most; the oldest give way. As many again may wait for the next cycle,
    /// where the newest do: that happens only where cycles are held up.
    pub queue_max: usize,
    /// Users counted, and buckets kept, at most.
    pub users_max: usize,
    /// What a user gets while nothing is known.
    pub defaults: BucketPolicy,
    /// What a user gets at least and at most, whatever the edge says.
    pub bounds: Bounds,
    /// The total admitted rate that the local loop begins with, ratings per second.
    pub start_per_s: f64,
    /// Whether requests in flight are guarded at all.
    pub guard: bool,
    /// The guard's law.
    pub guard_law: GuardLaw,
    /// Dependencies whose calls the service counts, at most four; see [`Admission::call`](crate::Admission::call).
    pub dependencies: Vec<String>,
    /// How long the local loop's own decisions hold, and how long idle users are remembered.
    pub ttl: Duration,
    /// When the edge is tried again after failures.
    pub retry: RetrySettings,
    /// Where events wait while the edge is away; `None` for memory alone.
    pub spool: Option<SpoolSettings>,
    /// How long [`Collector::stop`](crate::Collector::stop) goes on delivering.
    pub drain: Duration,
}

impl Default for CollectorSettings {
    fn default() -> Self {
        Self {
            service: "rating".to_owned(),
            edge: None,
            slo: Duration::from_millis(200),
            flush_interval: Duration::from_millis(100),
            batch_max: 1000,
            queue_max: 10_000,
            users_max: 100_000,
            defaults: BucketPolicy { bucket_size: 20.0, refill_rate: 10.0 },
            bounds: Bounds::default(),
            start_per_s: 1000.0,
            guard: true,
            guard_law: GuardLaw::default(),
            dependencies: Vec::new(),
            ttl: Duration::from_secs(5),
            retry: RetrySettings::default(),
            spool: None,
            drain: Duration::from_secs(5),
        }
    }
}

/// Where events go, and how.
#[derive(Clone)]
pub struct EdgeTarget {
    pub(crate) event_url: Url,
    pub(crate) batch_url: Option<Url>,
    pub(crate) token: Option<String>,
    pub(crate) timeout: Duration,
}

impl std::fmt::Debug for EdgeTarget {
    // Without the token: settings are logged.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EdgeTarget").field("event_url", &self.event_url.as_str()).finish_non_exhaustive()
    }
}

/// Why a text is not an event endpoint.
#[derive(Debug, thiserror::Error)]
#[error(
    "the event endpoint {endpoint:?} is not usable: {reason}; it looks like http://127.0.0.1:8081/api/v1/event"
)]
pub struct InvalidEndpoint {
    endpoint: String,
    reason: String,
}

impl EdgeTarget {
    /// The edge behind the single-event URL `endpoint` (the brief's `EVENT_ENDPOINT`). The batch URL is derived
    /// from it: `…/event` becomes `…/events`; an endpoint that ends otherwise takes single events only.
    ///
    /// # Errors
    /// [`InvalidEndpoint`] where it is not an http URL.
    pub fn new(endpoint: &str, token: Option<String>, timeout: Duration) -> Result<Self, InvalidEndpoint> {
        let invalid = |reason: String| InvalidEndpoint { endpoint: endpoint.to_owned(), reason };
        let event_url = Url::parse(endpoint).map_err(|error| invalid(error.to_string()))?;
        if !event_url.username().is_empty() || event_url.password().is_some() {
            // URLs are logged; this one must not even be shown here.
            let (endpoint, reason) =
                ("http://...@...".to_owned(), "a password in it would be logged; set a token");
            return Err(InvalidEndpoint { endpoint, reason: reason.to_owned() });
        }
        if event_url.scheme() != "http" || event_url.host().is_none() {
            return Err(invalid("it must begin with http:// and name a host".to_owned()));
        }
        let mut batch_url = None;
        if event_url.path().ends_with("/event") {
            let mut url = event_url.clone();
            url.set_path(&format!("{}s", event_url.path()));
            batch_url = Some(url);
        }
        Ok(Self { event_url, batch_url, token, timeout })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(endpoint: &str) -> Result<EdgeTarget, InvalidEndpoint> {
        EdgeTarget::new(endpoint, None, Duration::from_secs(1))
    }

    #[test]
    fn the_batch_url_is_derived_from_the_event_url() {
        let found = target("http://edge-rl-service/api/v1/event").unwrap();
        assert_eq!(found.batch_url.unwrap().as_str(), "http://edge-rl-service/api/v1/events");
        assert!(target("http://edge/other").unwrap().batch_url.is_none());
    }

    #[test]
    fn a_password_in_the_url_is_refused_and_not_repeated() {
        for endpoint in ["http://ann:secret@edge/api/v1/event", "http://secret@edge/api/v1/event"] {
            let reason = target(endpoint).unwrap_err().to_string();
            assert!(reason.contains("set a token") && !reason.contains("secret"), "{reason}");
        }
    }

    #[test]
    fn what_is_not_an_http_url_is_refused_with_an_example() {
        for endpoint in ["", "edge:8081", "ftp://edge/api/v1/event", "unix:/run/edge"] {
            let reason = target(endpoint).unwrap_err().to_string();
            assert!(reason.contains("it looks like http://127.0.0.1:8081/api/v1/event"), "{reason}");
        }
    }
}
