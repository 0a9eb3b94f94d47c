//! Who a request is from, where proxies stand between: `Forwarded` (RFC 7239) and `X-Forwarded-For`.
//!
//! Anybody can send these fields, so they are read from the right, the end that the nearest proxy wrote, and only
//! as long as the one who wrote is a trusted proxy. The first address that is not one is the client.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, header};

use crate::network::Network;

/// `X-Forwarded-For`.
pub(crate) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Addresses read from one request at most: a chain of proxies is a handful, a longer list is an attack on our time.
const HOPS_MAX: usize = 32;

/// The client's address: the peer's, or what trusted proxies say of it.
///
/// `Forwarded` counts where it is there, else `X-Forwarded-For`. An element that hides its client (`unknown`, an
/// obfuscated name) ends the search at the proxy that wrote it.
#[must_use]
pub fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut client = peer.to_canonical();
    if !is_trusted(client) {
        return client;
    }
    let mut hops = Hops::read(headers);
    while let Some(Some(hop)) = hops.next_from_the_right() {
        client = hop.to_canonical();
        if !is_trusted(client) {
            break;
        }
    }
    client
}

/// The list of addresses, walked from its right end.
struct Hops<'h> {
    lines: Vec<&'h str>,
    forwarded: bool,
    left: usize,
}

impl<'h> Hops<'h> {
    fn read(headers: &'h HeaderMap) -> Self {
        let forwarded = headers.contains_key(header::FORWARDED);
        let name = if forwarded { header::FORWARDED } else { X_FORWARDED_FOR };
        // A line that is no text is as good as a hidden client: nothing before it can be believed.
        let lines = headers.get_all(name).iter().map(|value| value.to_str().unwrap_or("unknown")).collect();
        Self { lines, forwarded, left: HOPS_MAX }
    }

    /// The next element's address; `Some(None)` where it names none, `None` at the end.
    fn next_from_the_right(&mut self) -> Option<Option<IpAddr>> {
        self.left = self.left.checked_sub(1)?;
        let line = self.lines.pop()?;
        let (rest, element) = match last_comma(line, self.forwarded) {
            Some(comma) => (Some(&line[..comma]), &line[comma + 1..]),
            None => (None, line),
        };
        self.lines.extend(rest);
        let address = if self.forwarded { forwarded_for(element) } else { Some(element.trim()) };
        Some(address.and_then(parse_node))
    }
}

/// The last comma, outside quotes where there may be quotes.
fn last_comma(line: &str, quotes: bool) -> Option<usize> {
    if !quotes {
        return line.rfind(',');
    }
    let (mut last, mut quoted, mut escaped) = (None, false, false);
    for (place, byte) in line.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => last = Some(place),
            _ => {}
        }
    }
    last
}

/// The value of the parameter `for` of one element of `Forwarded`.
fn forwarded_for(element: &str) -> Option<&str> {
    let mut pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
    let value = value.trim();
    Some(value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value))
}

/// A node (RFC 7239, section 6): an address, IPv6 in brackets, perhaps with a port. `X-Forwarded-For` also carries
/// IPv6 without brackets.
fn parse_node(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address);
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(address.ip());
    }
    let bare = text.strip_prefix('[')?.strip_suffix(']')?;
    bare.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn client(peer: &str, fields: &[(&'static str, &str)], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        let trusted: Vec<Network> = trusted.iter().map(|text| text.parse().unwrap()).collect();
        client_address(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    const LOCAL: &[&str] = &["10.0.0.0/8"];

    #[test]
    fn a_stranger_cannot_name_another_client() {
        assert_eq!(client("203.0.113.9", &[("x-forwarded-for", "198.51.100.1")], LOCAL), "203.0.113.9");
        assert_eq!(client("203.0.113.9", &[("forwarded", "for=198.51.100.1")], &[]), "203.0.113.9");
    }

    #[test]
    fn the_client_is_the_last_address_that_is_no_trusted_proxy() {
        let chain = [("x-forwarded-for", "192.0.2.66, 198.51.100.1 ,10.0.0.7")];
        assert_eq!(
            client("10.1.2.3", &chain, LOCAL),
            "198.51.100.1",
            "what it says of itself counts nothing"
        );
        let lines = [("x-forwarded-for", "198.51.100.1"), ("x-forwarded-for", "10.0.0.7")];
        assert_eq!(client("10.1.2.3", &lines, LOCAL), "198.51.100.1", "several lines are one list");
    }

    #[test]
    fn forwarded_is_read_with_its_quotes_ports_and_parameters() {
        for (value, expected) in [
            ("for=198.51.100.1", "198.51.100.1"),
            ("For=\"198.51.100.1:4711\";proto=https", "198.51.100.1"),
            ("by=10.0.0.1;for=\"[2001:db8::7]:80\"", "2001:db8::7"),
            ("for=\"[2001:db8::7]\"", "2001:db8::7"),
            ("for=192.0.2.1;ext=\"a,\\\"b\", for=198.51.100.1", "198.51.100.1"),
        ] {
            assert_eq!(client("10.0.0.1", &[("forwarded", value)], LOCAL), expected, "{value}");
        }
    }

    #[test]
    fn forwarded_is_believed_before_the_older_field() {
        let both = [("forwarded", "for=198.51.100.1"), ("x-forwarded-for", "192.0.2.66")];
        assert_eq!(client("10.0.0.1", &both, LOCAL), "198.51.100.1");
    }

    #[test]
    fn a_hidden_client_is_the_proxy_that_hides_it() {
        for value in ["for=unknown", "for=_hidden", "proto=https", ""] {
            assert_eq!(client("10.0.0.1", &[("forwarded", value)], LOCAL), "10.0.0.1", "{value}");
        }
        assert_eq!(client("10.0.0.1", &[("x-forwarded-for", "198.51.100.1, x")], LOCAL), "10.0.0.1");
    }

    #[test]
    fn where_all_are_proxies_the_farthest_is_the_client() {
        assert_eq!(client("10.0.0.1", &[("x-forwarded-for", "10.0.0.3, 10.0.0.2")], LOCAL), "10.0.0.3");
    }

    #[test]
    fn a_list_without_end_is_read_a_bounded_way() {
        let list = "10.0.0.2,".repeat(1000) + "10.0.0.2";
        let list = format!("198.51.100.1,{list}");
        assert_eq!(client("10.0.0.1", &[("x-forwarded-for", &list)], LOCAL), "10.0.0.2");
    }

    proptest! {
        #[test]
        fn no_field_panics_or_makes_an_untrusted_peer_another(value in "[ -~]{0,80}") {
            for name in ["forwarded", "x-forwarded-for"] {
                prop_assert_eq!(client("203.0.113.9", &[(name, &value)], LOCAL), "203.0.113.9");
                client("10.0.0.1", &[(name, &value)], LOCAL);
            }
        }
    }
}
