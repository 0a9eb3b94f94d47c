//! Records which commit the binary was built from, for reports and artifacts that others should be able to repeat.
//! Asking git at run time lost: it names the folder one happens to stand in.

use std::process::Command;

/// What the binary is made of, relative to this package.
const SOURCES: [&str; 3] = ["../../crates", "../../Cargo.toml", "../../Cargo.lock"];

fn main() {
    for source in SOURCES {
        println!("cargo::rerun-if-changed={source}");
    }
    // Every commit and checkout adds a line there; without git there is nothing to watch.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo::rerun-if-changed={log}");
    }
    println!("cargo::rustc-env=OPENCLAW_COMMIT={}", commit().unwrap_or_else(|| "unknown".to_owned()));
}

/// The commit, with a word more where the sources differ from it.
fn commit() -> Option<String> {
    let commit = git(&["rev-parse", "HEAD"])?;
    let mut status = vec!["status", "--porcelain", "--"];
    status.extend(SOURCES);
    let changed = git(&status).is_none_or(|changes| !changes.is_empty());
    Some(if changed { format!("{commit}-modified") } else { commit })
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
