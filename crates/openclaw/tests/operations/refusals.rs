//! Where a service cannot start, one sentence says why and what to do, and the exit code says whose fault it is:
//! 2 for the configuration, 1 for the rest.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::service;
use crate::support::http::{get, post};
use crate::support::process::{self, Ended};

/// The one complaint of a process that ended with `code`.
fn complaint(ended: &Ended, code: i32) -> String {
    assert_eq!(ended.code(), Some(code), "{}", ended.complaint);
    let (_, complaint) = ended.complaint.split_once("openclaw: ").unwrap_or_else(|| panic!("{ended:?}"));
    assert!(!complaint.contains("openclaw: "), "more than one complaint: {complaint}");
    assert!(!complaint.contains("panicked"), "{complaint}");
    let twice = complaint.split_once("os error").is_some_and(|(_, rest)| rest.contains("os error"));
    assert!(!twice, "the cause is told twice: {complaint}");
    complaint.trim_end().to_owned()
}

/// The complaint of a service that could not start, in one line.
fn sentence(command: Command) -> String {
    let ended = process::try_start(command).err().unwrap();
    let complaint = complaint(&ended, 1);
    assert_eq!(complaint.lines().count(), 1, "{complaint}");
    complaint
}

#[test]
fn a_taken_port_is_told_with_what_changes_it() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    for (what, listener, flag, key) in [
        ("rating", "rating.listen", "--listen", "rating.listen"),
        ("edge", "edge.listen", "--listen", "edge.listen"),
        ("rating", "admin.listen", "--admin-listen", "admin.listen"),
    ] {
        let mut command = process::command([what]);
        let store = format!("store.folder={}", folder.path().join("ratings").display());
        for setting in
            [&store, "rating.listen=127.0.0.1:0", "edge.listen=127.0.0.1:0", "admin.listen=127.0.0.1:0"]
        {
            command.args(["--set", setting]);
        }
        command.args(["--set", &format!("{listener}={address}")]);
        let expected = format!(
            "port {} on 127.0.0.1 is taken by another process; choose another with {flag} or {key}",
            address.port()
        );
        assert_eq!(sentence(command), expected, "{what}");
    }
}

#[test]
fn an_address_that_is_none_is_told_with_one_that_is() {
    for address in ["127.0.0.1:99999", "localhost:8080", "8080"] {
        let ended = process::run(process::command(["rating", "--listen", address]));
        assert_eq!(ended.code(), Some(2));
        assert!(ended.complaint.contains("a port up to 65535"), "{}", ended.complaint);
    }
}

#[test]
fn a_store_that_another_process_has_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let first = process::start(service("rating", folder.path(), &[]));
    let shown = folder.path().join("ratings");
    assert_eq!(
        sentence(service("rating", folder.path(), &[])),
        format!(
            "the store folder {} is in use by process {}; stop it or choose another folder",
            shown.display(),
            first.id()
        )
    );
    let rating = r#"{"userId":"ann","itemId":"film","score":8}"#;
    assert_eq!(post(&format!("{}/ratings", first.url("rating")), rating).status, 201);
    assert_eq!(get(&format!("{}/readyz", first.url("admin"))).status, 200);
}

#[test]
fn a_file_in_place_of_the_store_folder_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("data");
    fs::write(&file, "not a folder").unwrap();
    let said = sentence(service("rating", &file, &[]));
    assert_eq!(
        said,
        format!(
            "the store folder {} cannot be made because a file of that name is in the way; choose another folder",
            file.join("ratings").display()
        )
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), "not a folder");
}

#[test]
fn a_store_folder_with_other_files_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("ratings")).unwrap();
    fs::write(folder.path().join("ratings/thesis.txt"), "years of work").unwrap();
    let said = sentence(service("rating", folder.path(), &[]));
    assert!(said.contains("thesis.txt") && said.contains("choose an empty folder"), "{said}");
    assert!(folder.path().join("ratings/thesis.txt").exists());
}

#[test]
fn a_store_folder_that_may_not_be_written_is_told() {
    let user = Command::new("id").arg("-u").output().unwrap().stdout;
    if user == b"0\n" {
        println!("skipped: root may write everywhere, so nothing can be refused to it");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o555)).unwrap();
    let said = sentence(service("rating", folder.path(), &[]));
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    assert!(said.contains("cannot be written") && said.contains("give this user write access"), "{said}");
}

#[test]
fn all_mistakes_of_the_configuration_are_reported_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("openclaw.toml");
    fs::write(&file, "[edge]\ncontroler = \"aimd\"\nttl = \"never\"\n\n[limits]\nrefillRate = -1.0\n")
        .unwrap();
    let file = file.display().to_string();
    let expected = [
        format!("{file}:2: "),
        format!("{file}:3: edge.ttl: "),
        format!("{file}:6: limits.refillRate: "),
        "variable OPENCLAW_RATNG_LISTEN: ".to_owned(),
        "variable OPENCLAW_SLO_LATENCY: slo.latency: ".to_owned(),
        "flag --set store.foldr: ".to_owned(),
        "flag --set rating.scoreMax: rating.scoreMax: ".to_owned(),
    ];
    for what in [&["rating"][..], &["edge"], &["up"], &["config", "check"]] {
        let mut command = process::command(what);
        command.args(["--config", &file]);
        command.args(["--set", "store.foldr=x", "--set", "rating.scoreMax=ten"]);
        command.env("OPENCLAW_RATNG_LISTEN", "127.0.0.1:1").env("OPENCLAW_SLO_LATENCY", "fast");
        let said = complaint(&process::run(command), 2);
        assert!(said.starts_with("the configuration has 7 errors:"), "{said}");
        for (line, expected) in said.lines().skip(1).zip(&expected) {
            let reason = line.trim_start().strip_prefix(expected.as_str());
            assert!(reason.is_some_and(|reason| reason.len() > 10), "{expected:?} in {line:?}");
        }
        assert_eq!(said.lines().count(), 1 + expected.len(), "{said}");
        assert!(said.contains("edge.controller") && said.contains("OPENCLAW_RATING_LISTEN"), "hints: {said}");
    }
}

#[test]
fn other_machines_are_let_in_by_tokens_or_by_word_only() {
    let folder = tempfile::tempdir().unwrap();
    let anywhere = ["rating.listen=0.0.0.0:0"];
    let rating = |settings: &[&str]| {
        let mut command = process::command(["rating", "--admin-listen", "127.0.0.1:0"]);
        let store = format!("store.folder={}", folder.path().join("ratings").display());
        for setting in [store.as_str(), "collector.eventEndpoint=off"].iter().chain(settings) {
            command.args(["--set", setting]);
        }
        command
    };
    let said = complaint(&process::run(rating(&anywhere)), 2);
    for part in ["rating.listen is 0.0.0.0:0", "access.clientTokens", "access.readerTokens", "--insecure"] {
        assert!(said.contains(part), "{part} in {said}");
    }
    let mut insecure = rating(&anywhere);
    insecure.arg("--insecure");
    drop(process::start(insecure));
    let tokens = ["access.clientTokens=client-token-0123", "access.readerTokens=reader-token-0123"];
    drop(process::start(rating(&[&anywhere[..], &tokens].concat())));
}

#[test]
fn commands_without_a_service_to_ask_say_so() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}");
    let said = complaint(&process::run(process::command(["status", "--url", &url])), 1);
    assert!(said.contains(&url) && said.contains("is OpenClaw running"), "{said}");
    let said =
        complaint(&process::run(process::command(["backend", "--scenario", "no-such-scenario.json"])), 1);
    assert!(said.contains("no-such-scenario.json"), "{said}");
}
