//! What ends at a hop, and what is told beyond it.

use super::*;

fn additions(telling: Telling) -> Additions {
    let via = Some(["1.1 openclaw", "2 openclaw"].map(HeaderValue::from_static));
    Additions { telling, trusted: vec!["10.0.0.0/8".parse().unwrap()], via, scheme: "http" }
}

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(*name, HeaderValue::from_static(value));
    }
    headers
}

fn forwarded(
    pairs: &[(&'static str, &'static str)],
    uri: &str,
    version: Version,
    peer: &str,
    telling: Telling,
) -> HeaderMap {
    let mut headers = headers(pairs);
    let upgrade = upgrade(version, &headers);
    let peer = format!("{peer}:1234").parse().unwrap();
    forward_request(
        &mut headers,
        &uri.parse().unwrap(),
        version,
        peer,
        upgrade.as_ref(),
        &additions(telling),
    );
    headers
}

fn plain(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    forwarded(pairs, "/", Version::HTTP_11, "203.0.113.9", Telling::Nothing)
}

#[test]
fn what_concerns_one_connection_only_ends_here() {
    let seen = plain(&[
        ("connection", "keep-alive, x-secret"),
        ("keep-alive", "timeout=5"),
        ("x-secret", "1"),
        ("transfer-encoding", "chunked"),
        ("te", "gzip"),
        ("proxy-connection", "keep-alive"),
        ("proxy-authorization", "Basic x"),
        ("upgrade", "h2c"),
        ("expect", "100-continue"),
        ("accept", "*/*"),
    ]);
    let names: Vec<&str> = seen.keys().map(HeaderName::as_str).collect();
    assert_eq!(names, ["accept", "via"]);
}

#[test]
fn connection_cannot_take_away_what_was_decided_on() {
    let seen = plain(&[
        ("connection", "host, authorization, x-forwarded-for"),
        ("host", "example.org"),
        ("authorization", "Bearer x"),
    ]);
    assert!(seen.contains_key("host") && seen.contains_key("authorization"));
}

#[test]
fn a_client_that_takes_trailers_is_one_behind_the_proxy_too() {
    assert_eq!(plain(&[("te", "gzip, trailers"), ("connection", "te")])["te"], "trailers");
}

#[test]
fn an_upgrade_is_asked_for_anew_and_only_in_http_1_1() {
    let asked = [("connection", "Upgrade, keep-alive"), ("upgrade", "websocket")];
    let seen = plain(&asked);
    assert_eq!(
        (&seen["connection"], &seen["upgrade"]),
        (&"upgrade".parse().unwrap(), &"websocket".parse().unwrap())
    );
    let seen = forwarded(&asked, "/", Version::HTTP_2, "203.0.113.9", Telling::Nothing);
    assert!(!seen.contains_key("upgrade"));
    assert!(!plain(&[("upgrade", "websocket")]).contains_key("upgrade"), "Connection must name it");
}

#[test]
fn the_host_of_the_target_counts() {
    let seen = forwarded(
        &[("host", "other.example")],
        "http://user:secret@example.org:81/x",
        Version::HTTP_11,
        "203.0.113.9",
        Telling::Nothing,
    );
    assert_eq!(seen["host"], "example.org:81");
}

#[test]
fn cookies_of_http_2_are_one_field_of_http_1_1() {
    let cookies = [("cookie", "a=1"), ("cookie", "b=2")];
    let seen = forwarded(&cookies, "/", Version::HTTP_2, "203.0.113.9", Telling::Nothing);
    assert_eq!(seen.get_all("cookie").iter().collect::<Vec<_>>(), ["a=1; b=2"]);
}

#[test]
fn a_stranger_tells_nothing_of_itself_and_a_trusted_proxy_is_added_to() {
    let sent = [("host", "a:80"), ("x-forwarded-for", "198.51.100.1"), ("x-forwarded-proto", "https")];
    let seen = forwarded(&sent, "/", Version::HTTP_11, "203.0.113.9", Telling::XForwarded);
    assert_eq!(seen["x-forwarded-for"], "203.0.113.9");
    assert_eq!(
        (&seen["x-forwarded-proto"], &seen["x-forwarded-host"]),
        (&"http".parse().unwrap(), &"a:80".parse().unwrap())
    );
    let seen = forwarded(&sent, "/", Version::HTTP_11, "10.0.0.1", Telling::XForwarded);
    assert_eq!(seen["x-forwarded-for"], "198.51.100.1, 10.0.0.1");
    assert_eq!(seen["x-forwarded-proto"], "https");
}

#[test]
fn forwarded_quotes_what_must_be_quoted() {
    let sent = [("host", "a:80"), ("forwarded", "for=198.51.100.1")];
    let seen = forwarded(&sent, "/", Version::HTTP_11, "10.0.0.1", Telling::Forwarded);
    assert_eq!(seen["forwarded"], "for=198.51.100.1, for=10.0.0.1;host=\"a:80\";proto=http");
    let seen = forwarded(&sent, "/", Version::HTTP_11, "[2001:db8::1]", Telling::Both);
    assert_eq!(seen["forwarded"], "for=\"[2001:db8::1]\";host=\"a:80\";proto=http");
}

#[test]
fn via_names_the_version_that_was_received() {
    assert_eq!(plain(&[])["via"], "1.1 openclaw");
    let mut answer = headers(&[("via", "1.1 other"), ("connection", "close")]);
    forward_response(&mut answer, Version::HTTP_2, &additions(Telling::Nothing));
    assert_eq!(answer.get_all("via").iter().collect::<Vec<_>>(), ["1.1 other", "2 openclaw"]);
    assert!(!answer.contains_key("connection"));
}
