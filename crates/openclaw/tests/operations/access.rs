//! Tokens by role, as a client with the wrong one meets them.

use crate::service;
use crate::support::http::{JSON, Reply, Request};
use crate::support::process;

const CLIENT: &str = "client-token-0123";
const COLLECTOR: &str = "collector-token-01";
const READER: &str = "reader-token-0123";
const ADMIN: &str = "admin-token-01234";
const EVENT: &str = r#"{"userId":"ann","itemId":"film","score":8,"timestamp":1710841234567}"#;

fn ask(method: &str, url: &str, token: Option<&str>) -> Reply {
    let content_type = format!("Content-Type: {JSON}");
    let authorization = token.map(|token| format!("Authorization: Bearer {token}"));
    let headers: Vec<_> =
        [Some(content_type.as_str()), authorization.as_deref()].into_iter().flatten().collect();
    let body = if method == "POST" { EVENT.as_bytes() } else { &[] };
    Request { method, url, headers: &headers, body }.send()
}

#[test]
fn every_role_may_do_its_own_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = [
        ("access.clientTokens", CLIENT),
        ("access.collectorTokens", COLLECTOR),
        ("access.readerTokens", READER),
        ("access.adminTokens", ADMIN),
    ];
    let settings: Vec<_> = tokens.iter().map(|(key, token)| format!("{key}={token}")).collect();
    let settings: Vec<_> = settings.iter().map(String::as_str).collect();
    let up = process::start(service("up", folder.path(), &settings));
    let routes = [
        ("POST", "rating", "/ratings", CLIENT, 201),
        ("GET", "rating", "/users/ann/ratings", READER, 200),
        ("GET", "rating", "/items/film", READER, 200),
        ("POST", "edge", "/api/v1/event", COLLECTOR, 200),
        ("GET", "edge", "/api/v1/policy", READER, 200),
        ("GET", "admin", "/metrics", READER, 200),
        ("GET", "admin", "/api/v1/status", READER, 200),
    ];
    for (method, listener, path, owner, success) in routes {
        let url = format!("{}{path}", up.url(listener));
        for token in [CLIENT, COLLECTOR, READER, ADMIN] {
            let status = if token == owner || token == ADMIN { success } else { 403 };
            let reply = ask(method, &url, Some(token));
            assert_eq!(reply.status, status, "{path} by {token}: {}", reply.text());
        }
        for token in [None, Some("some-other-token-01")] {
            let reply = ask(method, &url, token);
            assert_eq!(reply.status, 401, "{path} by {token:?}: {}", reply.text());
            assert!(reply.header("www-authenticate").unwrap().starts_with("Bearer"), "{path}");
            assert_eq!(reply.json()["type"], "urn:openclaw:problem:unauthorized");
        }
    }
    for probe in ["/healthz", "/readyz"] {
        assert_eq!(ask("GET", &format!("{}{probe}", up.url("admin")), None).status, 200, "{probe}");
    }
    let status = |token| {
        let mut command = process::command(["status", "--url", up.url("admin")]);
        command.env("OPENCLAW_STATUS_TOKEN", token);
        process::run(command)
    };
    assert_eq!(status(READER).code(), Some(0));
    let refused = status(CLIENT);
    assert_eq!(refused.code(), Some(1));
    assert!(refused.complaint.contains("403"), "{}", refused.complaint);
    let ended = up.terminate();
    for (_, token) in tokens {
        assert!(!ended.complaint.contains(token) && !ended.output.contains(token), "a token was written out");
    }
}

#[test]
fn up_makes_an_admin_token_where_none_is_set_and_shows_it_once() {
    let folder = tempfile::tempdir().unwrap();
    let reader = format!("access.readerTokens={READER}");
    let up = process::start(service("up", folder.path(), &[&reader]));
    let shown = up.said.iter().find_map(|line| line.strip_prefix("admin token ")).unwrap();
    let url = format!("{}/metrics", up.url("admin"));
    assert_eq!((ask("GET", &url, Some(shown)).status, ask("GET", &url, None).status), (200, 401));
    let shown = shown.to_owned();
    assert!(!up.terminate().complaint.contains(&shown), "the log must not hold it");
}
