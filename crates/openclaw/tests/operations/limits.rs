//! The operator's overrides through the real processes: set by the command, felt by clients, there after a kill.

use std::fs;
use std::path::Path;

use crate::service;
use crate::support::http::{JSON, Request};
use crate::support::process::{self, Ended, Program};
use crate::support::wait_for;

const ADMIN: &str = "admin-token-01234";

fn limits(edge: &str, arguments: &[&str]) -> Ended {
    let mut command = process::command(["limits"]);
    command.args(arguments).args(["--url", edge]).env("OPENCLAW_LIMITS_TOKEN", ADMIN);
    process::run(command)
}

fn up(folder: &Path) -> Program {
    process::start(service(
        "up",
        folder,
        &[&format!("access.adminTokens={ADMIN}"), "edge.tiers=gold weight=4"],
    ))
}

/// Posts a rating; returns the status and what the answer says of the bucket's capacity.
fn post(rating: &str, user: &str) -> (u16, String) {
    let body = format!(r#"{{"userId":"{user}","itemId":"film","score":8}}"#);
    let content_type = format!("Content-Type: {JSON}");
    let url = format!("{rating}/ratings");
    let reply =
        Request { method: "POST", url: &url, headers: &[&content_type], body: body.as_bytes() }.send();
    (reply.status, reply.header("ratelimit-policy").unwrap_or_default().to_owned())
}

#[test]
fn a_pin_is_felt_by_a_client_and_lasts_over_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let running = up(folder.path());
    let edge = running.url("edge").to_owned();
    assert!(limits(&edge, &["list"]).output.contains("no overrides"));
    let set = limits(&edge, &["set", "ann lee", "--pin", "3:0.05"]);
    assert_eq!(set.output.trim(), "ann lee   pinned to a bucket of 3.0 and 0.05/s", "{}", set.complaint);
    assert_eq!(limits(&edge, &["set", "bob", "--tier", "gold", "--for", "1h"]).code(), Some(0));
    let refused = limits(&edge, &["set", "eve", "--tier", "silver"]);
    assert_eq!(refused.code(), Some(1));
    assert!(refused.complaint.contains("edge.tiers has gold"), "{}", refused.complaint);
    let rating = running.url("rating").to_owned();
    wait_for("the pin to be felt", || (post(&rating, "ann lee").0 == 429).then_some(()));
    assert_eq!(post(&rating, "someone else").0, 201);
    running.kill();

    let running = up(folder.path());
    let edge = running.url("edge").to_owned();
    let shown = limits(&edge, &["show", "ann lee", "--json"]).output;
    assert!(shown.contains("\"refillRate\": 0.05") && shown.contains("\"durable\": true"), "{shown}");
    assert_eq!(limits(&edge, &["list"]).output.lines().count(), 2);
    let rating = running.url("rating").to_owned();
    wait_for("the pin to be felt after the restart", || (post(&rating, "ann lee").0 == 429).then_some(()));
    assert_eq!(limits(&edge, &["delete", "ann lee"]).code(), Some(0));
    wait_for("the pin's end to be felt", || (post(&rating, "ann lee").0 == 201).then_some(()));
    let gone = limits(&edge, &["show", "ann lee"]);
    assert_eq!(gone.code(), Some(1));
    assert!(gone.complaint.contains("has no override"), "{}", gone.complaint);
}

#[test]
fn a_damaged_file_of_overrides_stops_the_edge_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("edge");
    fs::create_dir_all(&kept).unwrap();
    fs::write(kept.join("limits.json"), b"openclaw-limits 1 crc32c 00000000\n{\"ann\":{}}").unwrap();
    let ended = process::run(service("edge", folder.path(), &[]));
    assert_eq!(ended.code(), Some(1));
    assert!(ended.complaint.contains("is damaged (its checksum"), "{}", ended.complaint);
    assert!(ended.complaint.contains("move it away to start without"), "{}", ended.complaint);
}
