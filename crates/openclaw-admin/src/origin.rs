//! Requests that a browser was tricked into: refused by `Host` and `Origin`.
//!
//! The admin listener answers without a token on loopback, and a web page can reach loopback through its
//! visitor's browser: by a name of its own that it points to 127.0.0.1 (DNS rebinding; the `Host` gives it
//! away), or by a plain cross-site request (the `Origin` does).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::header::{HOST, HeaderName, ORIGIN};
use http::uri::Authority;
use openclaw_protocol::ProblemKind;

use crate::reply::ProblemReply;

/// Which hosts a listener answers to.
#[derive(Clone, Debug)]
pub struct HostPolicy {
    allowed: Arc<[String]>,
    /// A listener that is reachable by address answers to addresses: a health probe or a scraper uses them,
    /// and a rebound name is never one.
    any_address: bool,
}

impl HostPolicy {
    /// The policy of a listener on `address`: the loopback names, and `allowed` host names (without port).
    /// Where the address is not loopback, IP addresses are answered as well.
    #[must_use]
    pub fn new(address: SocketAddr, allowed: impl IntoIterator<Item = String>) -> Self {
        Self {
            allowed: allowed.into_iter().map(|host| host.to_ascii_lowercase()).collect(),
            any_address: !address.ip().is_loopback(),
        }
    }

    /// Whether a request with these headers comes from somebody who knows where they are.
    ///
    /// # Errors
    /// 403 where `Host` is missing, doubled or not an allowed one, or `Origin` is another than the host.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), ProblemReply> {
        let host = single(headers, &HOST)?
            .ok_or_else(|| forbidden("the request has no Host header field; send one".to_owned()))?;
        let authority: Authority =
            host.parse().map_err(|_| forbidden("the Host header field is not a host".to_owned()))?;
        if !self.allows(authority.host()) {
            let host = authority.host();
            return Err(forbidden(format!("host {host} is not answered here; add it to admin.allowedHosts")));
        }
        match single(headers, &ORIGIN)? {
            Some(origin) if !is_same_origin(origin, host) => Err(forbidden(
                "the request comes from a page of another origin, which may not use this listener".to_owned(),
            )),
            _ => Ok(()),
        }
    }

    fn allows(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        if host == "localhost" || self.allowed.contains(&host) {
            return true;
        }
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        address.is_ok_and(|address| address.is_loopback() || self.any_address)
    }
}

/// An `Origin` is a scheme and an authority; `null` and every other oddity is another origin.
fn is_same_origin(origin: &str, host: &str) -> bool {
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
}

fn single<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, ProblemReply> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(forbidden(format!("the {name} header field is there more than once")));
    }
    first
        .map(|value| value.to_str().map_err(|_| forbidden(format!("the {name} header field is not ASCII"))))
        .transpose()
}

fn forbidden(detail: String) -> ProblemReply {
    ProblemReply::new(ProblemKind::Forbidden, detail)
}

/// The check as an axum middleware: `middleware::from_fn_with_state(policy, check_host)`.
pub async fn check_host(State(policy): State<HostPolicy>, request: Request, next: Next) -> Response {
    match policy.check(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(reply) => reply.into_response(),
    }
}

#[cfg(test)]
mod tests;
