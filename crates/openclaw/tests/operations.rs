//! What an operator meets: a plain sentence where a service cannot start, health and metrics while it runs, an
//! orderly end, and roles that hold.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "tests stop at the first surprise, their fixtures too")]

#[path = "operations/access.rs"]
mod access;
#[path = "operations/full_disk.rs"]
mod full_disk;
#[path = "operations/limits.rs"]
mod limits;
#[path = "operations/refusals.rs"]
mod refusals;
#[path = "operations/serving.rs"]
mod serving;
#[path = "operations/sidecar.rs"]
mod sidecar;
#[path = "operations/stopping.rs"]
mod stopping;
#[expect(dead_code, reason = "every test program uses its own part of it")]
mod support;
#[path = "operations/tls.rs"]
mod tls;
#[path = "operations/transfer.rs"]
mod transfer;

use std::path::Path;
use std::process::Command;

use support::process::{self, FREE_PORTS};

/// `rating`, `edge` or `up` on free ports, with its ratings in `folder` and these settings.
fn service(what: &str, folder: &Path, settings: &[&str]) -> Command {
    let mut command = process::command([what]);
    command.args(FREE_PORTS);
    let store = format!("store.folder={}", folder.join("ratings").display());
    let limits = format!("edge.folder={}", folder.join("edge").display());
    // Only `up` has a listener that no flag moves; the others do not open it.
    for setting in [store.as_str(), limits.as_str()].iter().chain(settings) {
        command.args(["--set", setting]);
    }
    if what == "up" {
        command.args(["--set", "edge.listen=127.0.0.1:0"]);
    }
    if what == "rating" && !settings.iter().any(|setting| setting.starts_with("collector.eventEndpoint")) {
        command.args(["--set", "collector.eventEndpoint=off"]);
    }
    command
}
