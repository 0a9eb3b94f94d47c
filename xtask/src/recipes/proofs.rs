//! `prove`: a crash, soak or stress proof with its full counts, in a release build.

use super::{ON_POSTGRES, PROOFS, find};
use crate::{test_run, tree};
use anyhow::Result;
use std::time::Instant;

/// Runs the proof called `name`: every test of its target, one after the other.
///
/// # Errors
/// There is none of that name, it failed, or it ran no test.
pub(crate) fn prove(name: &str) -> Result<()> {
    let recipe = find("proofs", PROOFS, name)?;
    let mut command = recipe.command(&tree::root(), &["test", "--release", "--locked"], "--test");
    recipe.provide_server(&tree::root(), &mut command);
    command.args(["--", "--nocapture", "--test-threads", "1"]);
    if ON_POSTGRES.contains(&name) {
        // Ignored elsewhere for want of the server; it is there now.
        command.arg("--include-ignored");
    }
    let start = Instant::now();
    let passed = test_run::run(&mut command)?;
    println!("proof {name}: {passed} tests passed in {:.1} s", start.elapsed().as_secs_f64());
    Ok(())
}
