//! How a sidecar is set up. All of it can be changed while it runs.

use std::time::Duration;

use openclaw_collector::Trust;
use openclaw_protocol::ContextVocabulary;

use crate::fields::Telling;
use crate::jwt::JwtSettings;
use crate::key::KeySource;
use crate::network::Network;
use crate::route::Route;

/// Settings of a [`Sidecar`](crate::Sidecar).
#[derive(Clone, Debug)]
pub struct SidecarSettings {
    /// The service behind: scheme `http` or `https`, host and port.
    pub upstream: http::Uri,
    /// How the service is reached.
    pub connection: UpstreamSettings,
    /// Where keys stand, in the order in which they are looked for.
    pub keys: Vec<KeySource>,
    /// What verifies tokens, where a key is a token's claim.
    pub jwt: Option<JwtSettings>,
    /// Bytes of a body that are read to find a key in it.
    pub prefix_bytes_max: usize,
    /// What becomes of requests without a key.
    pub unkeyed: Unkeyed,
    /// Which requests are metered.
    pub routes: Vec<Route>,
    /// Whether refusals are only foretold: everything goes through, and answers say what would have been refused.
    pub shadow: bool,
    /// What happens while the edge is away.
    pub edge_away: EdgeAway,
    /// Whether latency is told once the answer's head is there, or when its body has ended.
    pub latency_until: LatencyUntil,
    /// Proxies that are trusted to name their clients.
    pub trusted: Vec<Network>,
    /// How the client is told to the service.
    pub telling: Telling,
    /// Whether the service sees the client's `Host`, or its own.
    pub preserve_host: bool,
    /// This proxy's name in `Via`; `None` leaves the field out.
    pub via: Option<String>,
    /// How long a client may be silent within a body.
    pub client_idle: Duration,
    /// The score that events carry, since a proxy knows none: one that the edge takes.
    pub event_score: f64,
    /// Words of context that client hints may fill in.
    pub vocabulary: ContextVocabulary,
    /// Region of this instance, for the context.
    pub region: Option<String>,
}

/// How the service is reached. A change makes a new pool of connections.
#[derive(Clone, Debug, PartialEq)]
pub struct UpstreamSettings {
    /// HTTP/2, without TLS by prior knowledge and with it by ALPN; else HTTP/1.1.
    pub http2: bool,
    /// Whom to believe where the service is reached by TLS; the system's authorities without it.
    pub trust: Option<Trust>,
    /// Time for a connection to be made.
    pub connect_timeout: Duration,
    /// Time for the head of an answer, once the service has the whole request; its silence while it is still being
    /// sent one counts alike.
    pub head_timeout: Duration,
    /// How long the service may be silent within a body.
    pub idle: Duration,
    /// How long both ends of an upgraded connection may be silent.
    pub tunnel_idle: Duration,
    /// Exchanges with the service at once; further ones are refused.
    pub requests_max: usize,
    /// Connections kept for reuse.
    pub pool_max: usize,
    /// How long one is kept.
    pub pool_idle: Duration,
}

impl Default for UpstreamSettings {
    fn default() -> Self {
        Self {
            http2: false,
            trust: None,
            connect_timeout: Duration::from_secs(2),
            head_timeout: Duration::from_secs(30),
            idle: Duration::from_secs(60),
            tunnel_idle: Duration::from_secs(3600),
            requests_max: 10_000,
            pool_max: 1024,
            pool_idle: Duration::from_secs(30),
        }
    }
}

/// What becomes of requests without a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unkeyed {
    /// They share one bucket, as if one user had sent them all.
    #[default]
    Share,
    /// They pass unmetered.
    Pass,
    /// They are refused (401).
    Refuse,
}

/// What happens while the edge is away: configured, and none of its answers holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EdgeAway {
    /// The local controller decides.
    #[default]
    Local,
    /// Everything is admitted.
    Open,
    /// Nothing that is metered is admitted.
    Closed,
}

/// Until when latency is measured, and a request is in flight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LatencyUntil {
    /// The answer's head: streams that last for hours are no slow answers. How fast a client reads does not count.
    #[default]
    Head,
    /// The end of the answer's body: where answers are whole and their making goes on after the head.
    End,
}

impl SidecarSettings {
    /// Settings for the service at `upstream`: everything metered, the key in the header `x-user-id`, else the
    /// client's address.
    #[must_use]
    pub fn new(upstream: http::Uri) -> Self {
        let all = "* /".parse().ok();
        Self {
            upstream,
            connection: UpstreamSettings::default(),
            keys: vec![KeySource::Header("x-user-id".to_owned()), KeySource::Peer],
            jwt: None,
            prefix_bytes_max: 64 * 1024,
            unkeyed: Unkeyed::default(),
            routes: all.into_iter().collect(),
            shadow: false,
            edge_away: EdgeAway::default(),
            latency_until: LatencyUntil::default(),
            trusted: Vec::new(),
            telling: Telling::default(),
            preserve_host: true,
            via: Some("openclaw".to_owned()),
            client_idle: Duration::from_secs(30),
            event_score: 0.0,
            vocabulary: ContextVocabulary::default(),
            region: None,
        }
    }
}
