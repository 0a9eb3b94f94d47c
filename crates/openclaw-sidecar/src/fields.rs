//! Header fields at the hop: what ends here, what is added, and what becomes of them between protocol versions.
//!
//! RFC 9110, section 7.6.1: what concerns one connection only must not be passed on. A field that `Connection`
//! names ends here as well, except those that a client could use to blind the service to what this proxy writes.

use std::net::{IpAddr, SocketAddr};

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Uri, Version};

use crate::forwarded::X_FORWARDED_FOR;
use crate::network::Network;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Fields that end at every hop (RFC 9110, section 7.6.1, and those of a proxy's own authentication).
const HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    KEEP_ALIVE,
    PROXY_CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Fields that `Connection` cannot take away: without them the service would see another request than was decided on.
const NOT_FOR_CONNECTION: [HeaderName; 8] = [
    header::HOST,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::AUTHORIZATION,
    header::FORWARDED,
    X_FORWARDED_FOR,
    X_FORWARDED_HOST,
    X_FORWARDED_PROTO,
];

/// How the client's address is told to the upstream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Telling {
    /// Not at all; what came is passed on.
    Nothing,
    /// `X-Forwarded-For`, `-Host` and `-Proto`, which most services read.
    #[default]
    XForwarded,
    /// `Forwarded` (RFC 7239).
    Forwarded,
    /// Both.
    Both,
}

/// What is added to messages.
#[derive(Clone, Debug)]
pub(crate) struct Additions {
    pub(crate) telling: Telling,
    /// Proxies whose own fields are kept; those of anybody else are replaced.
    pub(crate) trusted: Vec<Network>,
    /// `Via` for HTTP/1.1 and HTTP/2, where it is added.
    pub(crate) via: Option<[HeaderValue; 2]>,
    /// `http` or `https`, as clients see this proxy.
    pub(crate) scheme: &'static str,
}

/// Whether the message asks for another protocol on this connection, and which: for HTTP/1.1 only.
pub(crate) fn upgrade(version: Version, headers: &HeaderMap) -> Option<HeaderValue> {
    let asked =
        version == Version::HTTP_11 && tokens(headers).any(|token| token.eq_ignore_ascii_case("upgrade"));
    headers.get(header::UPGRADE).filter(|_| asked).cloned()
}

fn tokens(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}

/// Takes away what ends at this hop.
pub(crate) fn strip(headers: &mut HeaderMap) {
    if headers.contains_key(header::CONNECTION) {
        let named: Vec<HeaderName> = tokens(headers).filter_map(|token| token.parse().ok()).collect();
        for name in named.iter().filter(|name| !NOT_FOR_CONNECTION.contains(name)) {
            headers.remove(name);
        }
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}

/// Makes the fields of a request those of the next hop; `upgrade` is what is asked for there.
pub(crate) fn forward_request(
    headers: &mut HeaderMap,
    uri: &Uri,
    version: Version,
    peer: SocketAddr,
    upgrade: Option<&HeaderValue>,
    additions: &Additions,
) {
    let trailers = headers.get_all(header::TE).iter().any(|value| {
        value
            .to_str()
            .is_ok_and(|value| value.split(',').any(|coding| coding.trim().eq_ignore_ascii_case("trailers")))
    });
    strip(headers);
    // This proxy has answered the expectation by the time it reads the body.
    headers.remove(header::EXPECT);
    if trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    if let Some(protocol) = upgrade {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, protocol.clone());
    }
    if version == Version::HTTP_2 {
        join_cookies(headers);
    }
    // HTTP/2 and requests in absolute form name the host in the target, which then counts (RFC 9112, section 3.2.2).
    if let Some(host) = uri.authority().and_then(|authority| {
        HeaderValue::from_str(authority.as_str().rsplit('@').next().unwrap_or_default()).ok()
    }) {
        headers.insert(header::HOST, host);
    }
    tell(headers, peer.ip().to_canonical(), additions);
    add_via(headers, version, additions);
}

/// Makes the fields of an answer those of the next hop.
pub(crate) fn forward_response(headers: &mut HeaderMap, version: Version, additions: &Additions) {
    strip(headers);
    add_via(headers, version, additions);
}

fn add_via(headers: &mut HeaderMap, version: Version, additions: &Additions) {
    if let Some(via) = &additions.via {
        headers.append(header::VIA, via[usize::from(version == Version::HTTP_2)].clone());
    }
}

/// HTTP/2 clients may send cookies one by one; HTTP/1.1 has one field (RFC 9113, section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(header::COOKIE).iter().nth(1).is_none() {
        return;
    }
    let all: Vec<&[u8]> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(joined) = HeaderValue::from_bytes(&all.join(&b"; "[..])) {
        headers.insert(header::COOKIE, joined);
    }
}

/// Tells who the client is. What a stranger wrote there is not passed on: the service would believe it.
fn tell(headers: &mut HeaderMap, peer: IpAddr, additions: &Additions) {
    let Additions { telling, trusted, scheme, .. } = additions;
    if *telling == Telling::Nothing {
        return;
    }
    if !trusted.iter().any(|network| network.contains(peer)) {
        for name in [header::FORWARDED, X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO] {
            headers.remove(name);
        }
    }
    let host = headers.get(header::HOST).cloned();
    if matches!(telling, Telling::XForwarded | Telling::Both) {
        append_to_list(headers, X_FORWARDED_FOR, &peer.to_string());
        if let Some(host) = &host {
            headers.entry(X_FORWARDED_HOST).or_insert_with(|| host.clone());
        }
        headers.entry(X_FORWARDED_PROTO).or_insert(HeaderValue::from_static(scheme));
    }
    if matches!(telling, Telling::Forwarded | Telling::Both) {
        let node = match peer {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("\"[{address}]\""),
        };
        // A host can hold a colon, and so must be quoted; one that holds a quote is not repeated.
        let host =
            host.as_ref().and_then(|host| host.to_str().ok()).filter(|host| !host.contains(['"', '\\']));
        let host = host.map(|host| format!(";host=\"{host}\"")).unwrap_or_default();
        append_to_list(headers, header::FORWARDED, &format!("for={node}{host};proto={scheme}"));
    }
}

/// Adds an element at the end of a list that may span several lines; the result is one line.
fn append_to_list(headers: &mut HeaderMap, name: HeaderName, element: &str) {
    let mut line: Vec<u8> = Vec::new();
    for value in headers.get_all(&name) {
        line.extend_from_slice(value.as_bytes());
        line.extend_from_slice(b", ");
    }
    line.extend_from_slice(element.as_bytes());
    if let Ok(value) = HeaderValue::from_bytes(&line) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests;
