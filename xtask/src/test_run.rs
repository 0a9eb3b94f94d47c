//! Running tests whose passing must mean something.
//!
//! cargo is content with a test program that ran nothing: a mistyped filter or a `cfg` that is never set passes. So
//! the counts that the test programs print are added up, and none passed is a failure.

use crate::process;
use anyhow::{Result, ensure};
use std::process::Command;

/// Runs a `cargo test` and gives the number of tests that passed.
///
/// # Errors
/// It failed, or no test ran.
pub(crate) fn run(command: &mut Command) -> Result<u64> {
    let mut passed = 0;
    process::run_watched(command, |line| passed += tests_passed(line))?;
    ensure!(
        passed > 0,
        "`{}` ran no test, so it shows nothing: is its target empty or switched off by a cfg?",
        process::shown(command)
    );
    Ok(passed)
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

    #[test]
    fn a_run_without_a_test_is_a_failure() {
        // Succeeds, and prints no closing line of a test program.
        let error = run(Command::new("rustc").arg("--version")).unwrap_err().to_string();
        assert!(error.contains("`rustc --version` ran no test"), "{error}");
    }
}
