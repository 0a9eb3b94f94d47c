//! Which hosts and origins are let through.

use http::header::{HOST, ORIGIN};
use http::{HeaderMap, HeaderValue};

use super::HostPolicy;

fn headers(host: &str, origin: Option<&str>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(HOST, HeaderValue::from_str(host).unwrap());
    if let Some(origin) = origin {
        headers.insert(ORIGIN, HeaderValue::from_str(origin).unwrap());
    }
    headers
}

fn policy(address: &str) -> HostPolicy {
    HostPolicy::new(address.parse().unwrap(), ["Console.Example".to_owned()])
}

fn refusal(policy: &HostPolicy, headers: &HeaderMap) -> String {
    let problem = policy.check(headers).unwrap_err().into_problem();
    assert_eq!(problem.status, 403);
    problem.detail
}

#[test]
fn loopback_names_and_configured_hosts_are_answered() {
    let policy = policy("127.0.0.1:8000");
    for host in
        ["localhost", "LOCALHOST:8000", "127.0.0.1:8000", "[::1]:8000", "127.1.2.3", "console.example:443"]
    {
        assert!(policy.check(&headers(host, None)).is_ok(), "{host}");
    }
}

#[test]
fn a_rebound_name_is_refused_and_the_operator_told_how_to_allow_it() {
    assert_eq!(
        refusal(&policy("127.0.0.1:8000"), &headers("evil.example:8000", None)),
        "host evil.example is not answered here; add it to admin.allowedHosts"
    );
    for host in
        ["localhost.evil.example", "127.0.0.1.evil.example", "evil.example.", "10.0.0.7:8000", "[::2]"]
    {
        assert!(policy("127.0.0.1:8000").check(&headers(host, None)).is_err(), "{host}");
    }
}

#[test]
fn addresses_are_answered_where_the_listener_has_one() {
    let reachable = policy("0.0.0.0:8000");
    assert!(reachable.check(&headers("10.0.0.7:8000", None)).is_ok());
    assert!(reachable.check(&headers("[2001:db8::1]:8000", None)).is_ok());
    assert!(reachable.check(&headers("evil.example", None)).is_err());
}

#[test]
fn only_the_same_origin_is_let_through() {
    let policy = policy("127.0.0.1:8000");
    assert!(policy.check(&headers("localhost:8000", Some("http://localhost:8000"))).is_ok());
    assert!(policy.check(&headers("console.example", Some("https://console.example"))).is_ok());
    for origin in
        ["http://localhost:3000", "http://evil.example", "null", "file://", "http://localhost:8000.evil"]
    {
        assert_eq!(
            refusal(&policy, &headers("localhost:8000", Some(origin))),
            "the request comes from a page of another origin, which may not use this listener",
            "{origin}"
        );
    }
}

#[test]
fn a_missing_doubled_or_garbled_host_is_refused() {
    let policy = policy("127.0.0.1:8000");
    assert_eq!(refusal(&policy, &HeaderMap::new()), "the request has no Host header field; send one");
    let mut doubled = headers("localhost", None);
    doubled.append(HOST, HeaderValue::from_static("localhost"));
    assert_eq!(refusal(&policy, &doubled), "the host header field is there more than once");
    assert_eq!(refusal(&policy, &headers("lo cal", None)), "the Host header field is not a host");
}
