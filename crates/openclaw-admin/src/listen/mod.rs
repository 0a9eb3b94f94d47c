//! How services listen: bound with a plain sentence on failure, never exposed by accident, served within
//! limits, and stopped without losing what was begun.
//!
//! `axum::serve` was not enough: it bounds neither the number of connections nor the time for headers, and
//! knows neither TLS nor a second, impatient signal.

mod bind;
mod converse;
mod serve;
mod tls;

pub use bind::{BoundListener, Endpoint, Exposure, ListenError, bind, check_certificate, check_exposure};
pub use serve::{Protocols, ServeLimits, serve};

const CONNECTIONS: &str = "openclaw_listener_connections";
const CONNECTIONS_TOTAL: &str = "openclaw_listener_connections_total";
const FULL_TOTAL: &str = "openclaw_listener_full_total";
const ACCEPT_FAILURES_TOTAL: &str = "openclaw_listener_accept_failures_total";
const HANDSHAKE_FAILURES_TOTAL: &str = "openclaw_listener_handshake_failures_total";
const CERTIFICATES_TOTAL: &str = "openclaw_listener_certificates_total";
pub(crate) const PANICS_TOTAL: &str = "openclaw_listener_panics_total";

/// Describes what listeners measure.
pub fn describe_metrics() {
    use metrics::{Unit, describe_counter, describe_gauge};
    describe_gauge!(CONNECTIONS, Unit::Count, "Connections open now, by listener.");
    describe_counter!(CONNECTIONS_TOTAL, Unit::Count, "Connections accepted, by listener.");
    describe_counter!(
        FULL_TOTAL,
        Unit::Count,
        "Times a listener had all the connections it may hold and let new ones wait, by listener."
    );
    describe_counter!(
        ACCEPT_FAILURES_TOTAL,
        Unit::Count,
        "Connections that could not be accepted, for instance for want of file descriptors, by listener."
    );
    describe_counter!(
        HANDSHAKE_FAILURES_TOTAL,
        Unit::Count,
        "TLS handshakes that failed or took too long, by listener."
    );
    describe_counter!(
        CERTIFICATES_TOTAL,
        Unit::Count,
        "Times that a listener's certificate files had changed, by listener and result (taken or refused)."
    );
    describe_counter!(PANICS_TOTAL, Unit::Count, "Requests whose handler panicked; each one is a bug.");
}

#[cfg(test)]
mod tests;
