//! How a collector is set up.

use std::time::Duration;

use http::Uri;
use http::uri::{PathAndQuery, Scheme};
use openclaw_controller::{Bounds, GuardLaw};
use openclaw_protocol::BucketPolicy;

use crate::breaker::RetrySettings;
use crate::spool::SpoolSettings;
use crate::trust::Trust;

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
    pub(crate) event_url: Uri,
    pub(crate) batch_url: Option<Uri>,
    pub(crate) token: Option<String>,
    pub(crate) timeout: Duration,
    pub(crate) trust: Option<Trust>,
}

impl std::fmt::Debug for EdgeTarget {
    // Without the token: settings are logged.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EdgeTarget").field("event_url", &self.event_url).finish_non_exhaustive()
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
    /// The edge behind the single-event URL `endpoint` (the brief's `EVENT_ENDPOINT`), by HTTP or by TLS. The batch URL
    /// is derived from it: `…/event` becomes `…/events`; an endpoint that ends otherwise takes single events only.
    ///
    /// # Errors
    /// [`InvalidEndpoint`] where it is no http or https URL.
    pub fn new(endpoint: &str, token: Option<String>, timeout: Duration) -> Result<Self, InvalidEndpoint> {
        let invalid = |reason: String| InvalidEndpoint { endpoint: endpoint.to_owned(), reason };
        if names_a_user(endpoint) {
            // URLs are logged; this one must not even be shown here.
            let (endpoint, reason) =
                ("http://...@...".to_owned(), "a password in it would be logged; set a token");
            return Err(InvalidEndpoint { endpoint, reason: reason.to_owned() });
        }
        let event_url: Uri =
            endpoint.parse().map_err(|error: http::uri::InvalidUri| invalid(error.to_string()))?;
        let is_http = [Some(&Scheme::HTTP), Some(&Scheme::HTTPS)].contains(&event_url.scheme());
        if !is_http || event_url.host().is_none_or(str::is_empty) {
            return Err(invalid("it must begin with http:// or https:// and name a host".to_owned()));
        }
        let batch_url = batch_url(&event_url).map_err(|error| invalid(error.to_string()))?;
        Ok(Self { event_url, batch_url, token, timeout, trust: None })
    }

    /// Where single events go.
    #[must_use]
    pub fn event_url(&self) -> &Uri {
        &self.event_url
    }

    /// The same, believing `trust` where it is reached by TLS. Without it the system's authorities are believed.
    #[must_use]
    pub fn trusting(self, trust: Trust) -> Self {
        Self { trust: Some(trust), ..self }
    }
}

/// Whether a user stands before the host of this URL, if it is one.
fn names_a_user(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().is_some_and(|authority| authority.contains('@'))
}

/// Where batches go, where the edge takes any.
fn batch_url(event_url: &Uri) -> Result<Option<Uri>, http::Error> {
    if !event_url.path().ends_with("/event") {
        return Ok(None);
    }
    let query = event_url.query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut parts = event_url.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(format!("{}s{query}", event_url.path()))?);
    Ok(Some(Uri::from_parts(parts)?))
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
        assert_eq!(found.batch_url.unwrap(), "http://edge-rl-service/api/v1/events");
        assert!(target("http://edge/other").unwrap().batch_url.is_none());
    }

    #[test]
    fn a_password_in_the_url_is_refused_and_not_repeated() {
        for endpoint in [
            "http://ann:secret@edge/api/v1/event",
            "http://secret@edge/api/v1/event",
            "https://ann:sec ret@edge/event",
        ] {
            let reason = target(endpoint).unwrap_err().to_string();
            assert!(reason.contains("set a token") && !reason.contains("ret@"), "{reason}");
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
