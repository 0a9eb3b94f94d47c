//! The sidecar as an operator runs it: before an unmodified service, taking its file over while it runs.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;

use crate::support::http::{Reply, get};
use crate::support::process::{self, FREE_PORTS, Program};
use crate::support::wait_for;

/// A service that answers every request with its own name.
fn service(name: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            std::thread::spawn(move || {
                let mut asked = Vec::new();
                let mut byte = [0];
                while !asked.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
                    asked.push(byte[0]);
                }
                let length = name.len();
                let _ = write!(
                    stream,
                    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{name}"
                );
            });
        }
    });
    address
}

/// A sidecar by this file, which is looked at ten times a second.
///
/// Its limits are so high that asking again and again on a quick machine never meets them.
fn start(file: &Path) -> Program {
    let mut command = process::command(["sidecar", "--config"]);
    command.arg(file).args(FREE_PORTS).args(["--set", "collector.eventEndpoint=off"]);
    for limit in ["bucketSize", "refillRate", "bucketSizeMin", "refillRateMin"] {
        command.args(["--set", &format!("limits.{limit}=100000")]);
    }
    process::start(command)
}

fn write(file: &Path, keys: &str) {
    // In one step, as editors and orchestrators do: a half-written file must not be seen.
    let new = file.with_extension("new");
    fs::write(&new, format!("[sidecar]\nwatchInterval = \"100ms\"\n{keys}")).unwrap();
    fs::rename(&new, file).unwrap();
}

fn ask(sidecar: &Program) -> Reply {
    get(&format!("{}/film", sidecar.url("sidecar")))
}

#[test]
fn a_changed_file_is_taken_over_and_a_bad_one_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("openclaw.toml");
    let (first, second) = (service("first"), service("second"));
    write(&file, &format!("upstream = \"http://{first}\"\n"));
    let sidecar = start(&file);
    let answer = ask(&sidecar);
    assert_eq!((answer.status, answer.text().as_str()), (200, "first"));
    assert_eq!(answer.header("openclaw-mode"), Some("local"));

    write(&file, &format!("upstream = \"http://{second}\"\n"));
    wait_for("the other service", || (ask(&sidecar).text() == "second").then_some(()));

    write(&file, "upstream = \"http://127.0.0.1:1/path\"\nroutes = [\"get /\"]\n");
    let hang_up = Command::new("kill").args(["-HUP", &sidecar.id().to_string()]).status();
    assert!(hang_up.unwrap().success());
    // Whatever it does with the file, it goes on as before.
    for _ in 0..10 {
        assert_eq!(ask(&sidecar).text(), "second");
    }
    write(&file, &format!("upstream = \"http://{first}\"\nheaderMax = \"16KiB\"\n"));
    wait_for("the first service again", || (ask(&sidecar).text() == "first").then_some(()));

    let metrics = get(&format!("{}/metrics", sidecar.url("admin"))).text();
    assert!(metrics.contains("openclaw_sidecar_reloads_total 2"), "{metrics}");
    assert_eq!(get(&format!("{}/readyz", sidecar.url("admin"))).status, 200);
    let status = get(&format!("{}/api/v1/status", sidecar.url("admin"))).json();
    assert_eq!(status["sidecar"]["upstream"], format!("http://{first}/"));

    let ended = sidecar.terminate();
    assert_eq!(ended.code(), Some(0), "{}", ended.complaint);
    for told in [
        "the new configuration is refused; the old one stays",
        "sidecar.upstream: the upstream \"http://127.0.0.1:1/path\" is not usable",
        "sidecar.routes: \"get /\" is no route",
        "sidecar.headerMax",
    ] {
        assert!(ended.complaint.contains(told), "{told:?} is missing: {}", ended.complaint);
    }
}

#[test]
fn a_key_of_tokens_that_cannot_be_used_stops_it_with_every_other_mistake() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    fs::write(&secret, "short").unwrap();
    let mut command =
        process::command(["sidecar", "--upstream", "http://127.0.0.1:1/path", "--key", "jwt:sub"]);
    command.args(FREE_PORTS).args(["--set", &format!("sidecar.jwtKeyFile={}", secret.display())]);
    command.args(["--set", "sidecar.trustedProxies=10.0.0.1/8"]);
    let ended = process::run(command);
    assert_eq!(ended.code(), Some(2));
    for told in ["sidecar.upstream", "at least 32 bytes", "bits set beyond the prefix"] {
        assert!(ended.complaint.contains(told), "{told:?} is missing: {}", ended.complaint);
    }
}
