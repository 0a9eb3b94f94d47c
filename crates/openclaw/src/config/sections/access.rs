//! Keys of the operator's side: access, the admin listener, metrics, TLS, stopping.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use openclaw_admin::access::{AccessPolicy, Role, Roles, Token};
use openclaw_admin::listen::{Endpoint, Exposure, ServeLimits};

use super::{ms, s, section};
use crate::config::kind::Kind;

section! {
    /// Bearer tokens by role. A role without any is open, on loopback only; the admin role never is.
    AccessKeys {
        /// Whether listeners may be reached by other machines without tokens, or without the TLS that was begun
        /// to be set up; false, so that this is never an accident.
        insecure: bool = "insecure", Kind::Bool, "false";
        /// Tokens of clients, who post ratings; several, so that they can be rotated.
        client_tokens: Vec<Token> = "access.clientTokens", Kind::Tokens, "";
        /// File of further client tokens, one a line, off for none.
        client_tokens_file: Option<PathBuf> = "access.clientTokensFile", Kind::Path, "off";
        /// Tokens of collectors, who post events and receive limits.
        collector_tokens: Vec<Token> = "access.collectorTokens", Kind::Tokens, "";
        /// File of further collector tokens, one a line, off for none.
        collector_tokens_file: Option<PathBuf> = "access.collectorTokensFile", Kind::Path, "off";
        /// Tokens of readers, who see metrics, status and policies.
        reader_tokens: Vec<Token> = "access.readerTokens", Kind::Tokens, "";
        /// File of further reader tokens, one a line, off for none.
        reader_tokens_file: Option<PathBuf> = "access.readerTokensFile", Kind::Path, "off";
        /// Tokens of admins, who may do everything; without any, admin actions are refused, except that up and
        /// demo make one at random and print it.
        admin_tokens: Vec<Token> = "access.adminTokens", Kind::Tokens, "";
        /// File of further admin tokens, one a line, off for none.
        admin_tokens_file: Option<PathBuf> = "access.adminTokensFile", Kind::Path, "off";
    }
}

section! {
    /// The admin listener: metrics, health, status.
    AdminKeys {
        /// Address and port of the admin listener; loopback, so that nothing is exposed by accident.
        listen: SocketAddr = "admin.listen", Kind::Socket, "127.0.0.1:8000";
        /// Host names, without port, that reverse proxies use for the admin listener; others are refused, because
        /// a web page could point a name of its own at this machine.
        allowed_hosts: Vec<String> = "admin.allowedHosts", Kind::Texts, "";
    }
}

section! {
    /// Metrics.
    MetricsKeys {
        /// Users with series of their own, the busiest; all others are one series, so that cardinality is bounded.
        users_max: usize = "metrics.usersMax", Kind::Integer(0, 10_000), "100";
    }
}

section! {
    /// TLS: on all listeners by certificate and key, and towards services whose URLs begin with https.
    TlsKeys {
        /// Certificate chain in PEM form, the listeners' own certificate first, off for listeners without TLS.
        cert_file: Option<PathBuf> = "tls.certFile", Kind::Path, "off";
        /// The certificate's private key in PEM form, off for none.
        key_file: Option<PathBuf> = "tls.keyFile", Kind::Path, "off";
        /// How often the two files are looked at for changes, which are taken over without a restart, a duration, 0s for
        /// never; a renewed certificate has days.
        watch_interval: Duration = "tls.watchInterval", Kind::Duration(s(0), s(86_400)), "10s";
        /// Certificates of authorities in PEM form that are believed, besides the system's, of the edge, the backend and
        /// the sidecar's service where their URLs begin with https, off for none. Read again with every handshake.
        ca_file: Option<PathBuf> = "tls.caFile", Kind::Path, "off";
    }
}

section! {
    /// How the process stops.
    ShutdownKeys {
        /// Time for requests in progress after the first signal, a duration; below the 30 s after which
        /// orchestrators kill.
        timeout: Duration = "shutdown.timeout", Kind::Duration(ms(0), s(3600)), "10s";
    }
}

impl AccessKeys {
    /// Who may do what, by all configured tokens (those of files included, once loaded).
    pub(crate) fn policy(&self) -> AccessPolicy {
        let of =
            |role, tokens: &[Token]| -> Vec<_> { tokens.iter().map(|token| (role, token.clone())).collect() };
        AccessPolicy::new(
            [
                of(Role::Client, &self.client_tokens),
                of(Role::Collector, &self.collector_tokens),
                of(Role::Reader, &self.reader_tokens),
                of(Role::Admin, &self.admin_tokens),
            ]
            .into_iter()
            .flatten(),
        )
    }
}

impl super::Config {
    /// Where the rating service listens. The flag that changes it is the command's to add.
    pub(crate) fn rating_endpoint(&self) -> Endpoint {
        let roles = Roles::from([Role::Client, Role::Reader]);
        Endpoint { name: "rating", address: self.rating.listen, key: "rating.listen", flag: None, roles }
    }

    /// Where the edge service listens.
    pub(crate) fn edge_endpoint(&self) -> Endpoint {
        let roles = Roles::from([Role::Collector, Role::Reader]);
        Endpoint { name: "edge", address: self.edge.listen, key: "edge.listen", flag: None, roles }
    }

    /// Where the admin listener is.
    pub(crate) fn admin_endpoint(&self) -> Endpoint {
        let roles = Roles::from([Role::Reader, Role::Admin]);
        Endpoint { name: "admin", address: self.admin.listen, key: "admin.listen", flag: None, roles }
    }

    /// What protects all listeners. `access` is usually [`AccessKeys::policy`], to which `up` has added the
    /// admin token that it made.
    pub(crate) fn exposure(&self, access: AccessPolicy) -> Exposure {
        Exposure {
            access,
            cert_file: self.tls.cert_file.clone(),
            key_file: self.tls.key_file.clone(),
            watch_interval: self.tls.watch_interval,
            insecure: self.access.insecure,
        }
    }

    /// The limits of the admin listener: its users are a scraper and some people.
    pub(crate) fn admin_serve_limits(&self) -> ServeLimits {
        const CONNECTIONS_MAX: usize = 256;
        ServeLimits {
            connections_max: CONNECTIONS_MAX,
            stop_timeout: self.shutdown.timeout,
            ..ServeLimits::default()
        }
    }
}
