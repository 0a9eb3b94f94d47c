//! `bench`: a measurement beside a peer; the bench prints its table and writes its report itself, through
//! `openclaw-benchkit`.

use super::{BENCHES, find};
use crate::{process, tree};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, absolute};
use std::time::SystemTime;

/// Runs the bench called `name`, which writes its report to `json` where one is asked for, even if a goal is missed.
///
/// # Errors
/// There is none of that name, it failed or missed a goal, or it wrote no report.
pub(crate) fn bench(name: &str, json: Option<&Path>) -> Result<()> {
    let recipe = find("benches", BENCHES, name)?;
    let mut command = recipe.command(&tree::root(), &["bench", "--locked"], "--bench");
    recipe.provide_server(&tree::root(), &mut command);
    let Some(json) = json else { return process::run(&mut command) };
    // cargo runs a bench in its package's folder, but the file was named from where the person stands.
    let json = absolute(json).with_context(|| format!("finding {}", json.display()))?;
    command.arg("--").arg("--json").arg(&json);
    let start = SystemTime::now();
    process::run(&mut command)?;
    let written = fs::metadata(&json).and_then(|file| file.modified());
    let written =
        written.with_context(|| format!("the bench {name} wrote no report to {}", json.display()))?;
    ensure!(written >= start, "the bench {name} left the old report in {} as it was", json.display());
    Ok(())
}
