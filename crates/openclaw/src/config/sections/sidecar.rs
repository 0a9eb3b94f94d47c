//! Keys of the sidecar. All but its listener's can be changed while it runs.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use openclaw_admin::access::Roles;
use openclaw_admin::listen::{Endpoint, Protocols, ServeLimits};
use openclaw_sidecar::{EdgeAway, LatencyUntil, Telling, Unkeyed};

use super::{GIB, KIB, MIB, MILLION, ms, s, section};
use crate::config::kind::Kind;
use crate::config::value::{Typed, Value};

section! {
    /// The sidecar: a reverse proxy that puts the loop before an unmodified service.
    SidecarKeys {
        /// Address and port that clients use in place of the service's; loopback, so that nothing is exposed by
        /// accident.
        listen: SocketAddr = "sidecar.listen", Kind::Socket, "127.0.0.1:8090";
        /// The service behind, without a path, by http or https; the rating service's default, to try it out.
        upstream: http::Uri = "sidecar.upstream", Kind::Url, "http://127.0.0.1:8080";
        /// Where a request says whose limit it counts against, tried in this order: header:NAME, path:/users/{user},
        /// jwt:CLAIM (verified), json:FIELD (in the body's beginning), peer (the client's address).
        keys: Vec<String> = "sidecar.keys", Kind::Texts, "header:x-user-id,peer";
        /// What becomes of requests without a key: share puts them into one bucket as if one user had sent them, pass
        /// admits them unmetered, refuse answers 401.
        unkeyed: Unkeyed = "sidecar.unkeyed", Kind::Word(&["share", "pass", "refuse"]), "share";
        /// What is metered, the first line that fits counts: METHODS PATH, then perhaps cost=TOKENS or pass, as in
        /// "POST|PUT /ratings cost=2" or "GET /healthz pass"; what fits none passes unmetered.
        routes: Vec<String> = "sidecar.routes", Kind::Texts, "* /";
        /// Whether refusals are only foretold, in the header openclaw-shadow, and everything goes through; to see what
        /// would happen before it does.
        shadow: bool = "sidecar.shadow", Kind::Bool, "false";
        /// What decides while the edge is away: local is the classical controller in this process, open admits
        /// everything, closed nothing.
        edge_away: EdgeAway = "sidecar.edgeAway", Kind::Word(&["local", "open", "closed"]), "local";
        /// Until when latency is measured: head of the answer, since streams that last are no slow answers, or end of
        /// its body, where making it goes on after the head.
        latency_until: LatencyUntil = "sidecar.latencyUntil", Kind::Word(&["head", "end"]), "head";
        /// Bytes of a body that are read to find a key in it; enough for what comes before it in most documents.
        prefix_bytes_max: usize = "sidecar.bodyPrefixMax", Kind::Bytes(1, MIB), "64KiB";
        /// Networks of proxies that may name their clients, such as 10.0.0.0/8; none, since anybody could.
        trusted_proxies: Vec<String> = "sidecar.trustedProxies", Kind::Texts, "";
        /// How the service is told of its client: x-forwarded (the fields X-Forwarded-For, -Host and -Proto),
        /// forwarded (RFC 7239), both, or nothing.
        telling: Telling = "sidecar.telling", Kind::Word(&["x-forwarded", "forwarded", "both", "nothing"]), "x-forwarded";
        /// Whether the service sees the Host that the client sent, as without a proxy, or its own address.
        preserve_host: bool = "sidecar.preserveHost", Kind::Bool, "true";
        /// Name of this proxy in the field Via, which shows loops, off for none.
        via: Option<String> = "sidecar.via", Kind::Text, "openclaw";
        /// Algorithm of tokens whose claims are keys, such as HS256, RS256, ES256 or EdDSA.
        jwt_algorithm: String = "sidecar.jwtAlgorithm", Kind::Text, "HS256";
        /// File of the key that verifies tokens, off for none: a public key in PEM form, or for HS256 and its like the
        /// secret of at least 32 bytes.
        jwt_key_file: Option<PathBuf> = "sidecar.jwtKeyFile", Kind::Path, "off";
        /// Issuer that tokens must name, off for any.
        jwt_issuer: Option<String> = "sidecar.jwtIssuer", Kind::Text, "off";
        /// Audience that tokens must name, off for any.
        jwt_audience: Option<String> = "sidecar.jwtAudience", Kind::Text, "off";
        /// Whether the service speaks HTTP/2, without TLS by prior knowledge and with it by ALPN; most speak HTTP/1.1.
        upstream_http2: bool = "sidecar.upstreamHttp2", Kind::Bool, "false";
        /// Time for a connection to the service, a duration; two seconds allow for one lost packet.
        connect_timeout: Duration = "sidecar.connectTimeout", Kind::Duration(ms(1), s(600)), "2s";
        /// Time for the head of an answer once the service has the whole request, a duration.
        head_timeout: Duration = "sidecar.headTimeout", Kind::Duration(ms(1), s(86_400)), "30s";
        /// How long the service may be silent within an answer's body, a duration.
        upstream_idle: Duration = "sidecar.upstreamIdle", Kind::Duration(ms(1), s(86_400)), "60s";
        /// How long a client may be silent within a request's body, a duration.
        client_idle: Duration = "sidecar.clientIdle", Kind::Duration(ms(1), s(86_400)), "30s";
        /// How long both ends of an upgraded connection such as a WebSocket may be silent, a duration; an hour, as
        /// chats idle for long.
        tunnel_idle: Duration = "sidecar.tunnelIdle", Kind::Duration(ms(1), s(7 * 86_400)), "1h";
        /// Exchanges with the service at once, upgraded connections among them; further ones are refused rather than
        /// left to wait.
        upstream_requests_max: usize = "sidecar.upstreamRequestsMax", Kind::Integer(1, MILLION), "10000";
        /// Connections to the service that are kept for reuse.
        upstream_pool_max: usize = "sidecar.upstreamPoolMax", Kind::Integer(0, MILLION), "1024";
        /// How long one is kept, a duration; below what most services close idle connections after.
        upstream_pool_idle: Duration = "sidecar.upstreamPoolIdle", Kind::Duration(ms(1), s(86_400)), "30s";
        /// All header fields of a request together, in bytes.
        header_bytes_max: usize = "sidecar.headerMax", Kind::Bytes(8 * KIB, GIB), "32KiB";
        /// Time for the header fields of a request, and so for idling between two requests, a duration; a minute, the
        /// same as of most proxies.
        header_timeout: Duration = "sidecar.headerTimeout", Kind::Duration(ms(1), s(86_400)), "1min";
        /// Connections open at once, further ones wait; each needs a file, and another one towards the service.
        connections_max: usize = "sidecar.connectionsMax", Kind::Integer(1, MILLION), "10000";
        /// Threads that serve requests, 0 for one per processor core.
        workers: usize = "sidecar.workers", Kind::Integer(0, 1024), "0";
        /// How often the configuration file is looked at for changes, a duration, 0s for only at SIGHUP.
        watch_interval: Duration = "sidecar.watchInterval", Kind::Duration(s(0), s(3600)), "2s";
    }
}

impl SidecarKeys {
    /// The limits of the sidecar's listener.
    pub(crate) fn serve_limits(&self, stop_timeout: Duration) -> ServeLimits {
        ServeLimits {
            connections_max: self.connections_max,
            header_bytes_max: self.header_bytes_max,
            header_timeout: self.header_timeout,
            stop_timeout,
            peer_address: true,
            protocols: Protocols::Http1And2,
        }
    }
}

impl super::Config {
    /// Where the sidecar listens. It asks for no role: who may do what is the service's to say.
    pub(crate) fn sidecar_endpoint(&self) -> Endpoint {
        let roles = Roles::default();
        Endpoint { name: "sidecar", address: self.sidecar.listen, key: "sidecar.listen", flag: None, roles }
    }
}

macro_rules! words {
    ($($type:ty { $($word:literal => $value:expr,)+ })+) => {$(
        impl Typed for $type {
            fn from_value(value: &Value) -> Option<Self> {
                match value {
                    $(Value::Word($word) => Some($value),)+
                    _ => None,
                }
            }
        }
    )+};
}

words! {
    Unkeyed {
        "share" => Self::Share,
        "pass" => Self::Pass,
        "refuse" => Self::Refuse,
    }
    EdgeAway {
        "local" => Self::Local,
        "open" => Self::Open,
        "closed" => Self::Closed,
    }
    LatencyUntil {
        "head" => Self::Head,
        "end" => Self::End,
    }
    Telling {
        "x-forwarded" => Self::XForwarded,
        "forwarded" => Self::Forwarded,
        "both" => Self::Both,
        "nothing" => Self::Nothing,
    }
}
