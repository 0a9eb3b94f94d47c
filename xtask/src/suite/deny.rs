//! Dependencies under `deny.toml`: licences, bans and sources, which need no network, and known vulnerabilities,
//! which need a database that may be out of reach.
//!
//! The two are apart so that an unreachable database is told as such and can hide neither a wrong licence nor, once
//! it was fetched, a real advisory.

use super::{Setting, Verdict, tools};
use crate::process;
use anyhow::Result;
use std::time::Duration;

/// How long fetching the advisory database may take.
const FETCH_MAX: Duration = Duration::from_mins(2);

/// Licences, banned crates and sources of every dependency.
///
/// # Errors
/// One breaks `deny.toml`, or cargo-deny could not be built.
pub(super) fn check_offline(setting: &Setting) -> Result<Verdict> {
    let deny = tools::ensure(&tools::DENY, setting)?;
    let mut check = tools::command(&deny, setting);
    // Without the tree of who asks for each crate: thousands of lines, in which a failure above drowns.
    check.args(["--locked", "check", "--hide-inclusion-graph", "licenses", "bans", "sources"]);
    process::run(&mut check)?;
    Ok(Verdict::Passed)
}

/// Known vulnerabilities of every dependency.
///
/// # Errors
/// A dependency has one, or cargo-deny could not be built.
pub(super) fn check_advisories(setting: &Setting) -> Result<Verdict> {
    let deny = tools::ensure(&tools::DENY, setting)?;
    let mut fetch = tools::command(&deny, setting);
    fetch.args(["--locked", "fetch", "db"]);
    if process::run_within(&mut fetch, FETCH_MAX).is_err() {
        return Ok(Verdict::NotChecked("the advisory database could not be fetched (see above)".to_owned()));
    }
    let mut check = tools::command(&deny, setting);
    check.args(["--locked", "check", "--disable-fetch", "advisories"]);
    process::run(&mut check)?;
    Ok(Verdict::Passed)
}
