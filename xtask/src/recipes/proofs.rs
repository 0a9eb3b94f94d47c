//! `prove`: a crash, soak or stress proof with its full counts, in a release build.
//!
//! cargo is content with a test program that ran nothing; a proof is not. So the counts that the test programs print
//! are added up, and none passed is a failure.

use super::{PROOFS, find};
use crate::{process, tree};
use anyhow::{Result, bail};
use std::time::Instant;

/// Runs the proof called `name`.
///
/// # Errors
/// There is none of that name, it failed, or it ran no test.
pub(crate) fn prove(name: &str) -> Result<()> {
    let recipe = find("proofs", PROOFS, name)?;
    let mut command = recipe.command(&tree::root(), &["test", "--release", "--locked"], "--test");
    command.args(["--", "--include-ignored", "--nocapture", "--test-threads", "1"]);
    let start = Instant::now();
    let mut passed = 0;
    process::run_watched(&mut command, |line| passed += tests_passed(line))?;
    if passed == 0 {
        bail!(
            "the proof {name} ran no test, so it proved nothing: is its target empty or switched off by a cfg?"
        );
    }
    println!("proof {name}: {passed} tests passed in {:.1} s", start.elapsed().as_secs_f64());
    Ok(())
}

/// The count in `test result: ok. 3 passed; 0 failed; …`; zero for every other line.
fn tests_passed(line: &str) -> u64 {
    let counts = line.strip_prefix("test result: ok. ");
    counts.and_then(|counts| counts.split(' ').next()?.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closing_line_is_counted_and_no_other() {
        assert_eq!(tests_passed("test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured"), 12);
        assert_eq!(tests_passed("test result: FAILED. 3 passed; 1 failed"), 0);
        assert_eq!(tests_passed("running 7 tests"), 0);
    }
}
