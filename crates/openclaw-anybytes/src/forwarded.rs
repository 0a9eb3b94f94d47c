//! `Forwarded` and `X-Forwarded-For`: a stranger is itself whatever it sends, and a proxy names an address or none.

use std::net::IpAddr;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use openclaw_sidecar::{Network, client_address};

/// Checks values of the fields, one a line.
///
/// # Panics
/// Where the promise does not hold.
pub fn check(bytes: &[u8]) {
    let lines: Vec<&[u8]> = bytes.split(|&byte| byte == b'\n').collect();
    let trusted: [Network; 1] = ["10.0.0.0/8".parse().expect("a network")];
    let (stranger, proxy): (IpAddr, IpAddr) = ([203, 0, 113, 9].into(), [10, 0, 0, 1].into());
    for name in ["forwarded", "x-forwarded-for"] {
        let mut headers = HeaderMap::new();
        for value in lines.iter().filter_map(|line| HeaderValue::from_bytes(line).ok()) {
            headers.append(HeaderName::from_static(name), value);
        }
        assert_eq!(client_address(stranger, &headers, &trusted), stranger);
        let client = client_address(proxy, &headers, &trusted);
        assert_eq!(client, client.to_canonical());
        // What is believed was written there, or is the proxy itself.
        let digits = client.to_string();
        let written = lines.iter().any(|line| !line.is_empty());
        assert!(written || client == proxy, "{digits} from nothing");
    }
}
