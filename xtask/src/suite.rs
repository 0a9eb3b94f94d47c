//! `test`: everything that must be green, step after step, with a summary at the end.
//!
//! A step that fails does not stop the others: one run tells all there is to mend. Nothing is left out in silence: a
//! tool that is missing is installed, and what cannot be checked is said in the summary.

mod deny;
mod loom;
mod onnx;
mod postgres;
mod python;
mod sdk;
mod steps;
mod tools;

use crate::tree;
use anyhow::{Result, bail};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use steps::STEPS;

/// Which steps were asked for; all where both lists are empty.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Selection {
    pub(crate) only: Vec<String>,
    pub(crate) skip: Vec<String>,
}

/// What every step may need to know.
#[derive(Debug)]
struct Setting {
    root: PathBuf,
    /// Where cargo puts what it builds; tools that are installed for the checks lie under it too.
    target: PathBuf,
    /// Whether a machine asked, by `CI=true`.
    ci: bool,
}

pub(crate) use postgres::PROGRAMS as POSTGRES_PROGRAMS;

/// The programs of a private PostgreSQL, for proofs and benches, after installing them if need be.
///
/// # Errors
/// They cannot be had.
pub(crate) fn postgres_programs(root: &Path) -> Result<PathBuf> {
    postgres::programs(&Setting { root: root.to_owned(), target: tree::target_folder(root)?, ci: false })
}

/// One thing that must be green.
struct Step {
    name: &'static str,
    run: fn(&Setting) -> Result<Verdict>,
}

/// How a step that did not fail ended.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Passed,
    /// Could not be checked here, with the reason.
    NotChecked(String),
}

/// One line of the summary.
struct Line {
    name: &'static str,
    took: Duration,
    outcome: Result<Verdict>,
}

impl Selection {
    /// Refuses names that are no step's.
    pub(crate) fn check(&self) -> Result<(), String> {
        let known = |name: &&String| STEPS.iter().any(|step| step.name == *name);
        match self.only.iter().chain(&self.skip).find(|name| !known(name)) {
            None => Ok(()),
            Some(name) => {
                let names: Vec<&str> = step_names().collect();
                Err(format!("there is no step {name:?}; the steps are: {}", names.join(", ")))
            }
        }
    }

    fn takes(&self, name: &str) -> bool {
        let listed = |list: &[String]| list.iter().any(|other| other == name);
        (self.only.is_empty() || listed(&self.only)) && !listed(&self.skip)
    }
}

/// The names of all steps, in their order.
pub(crate) fn step_names() -> impl Iterator<Item = &'static str> {
    STEPS.iter().map(|step| step.name)
}

/// Runs the selected steps.
///
/// # Errors
/// At least one failed, or none was selected.
pub(crate) fn run(selection: &Selection) -> Result<()> {
    let root = tree::root();
    let target = tree::target_folder(&root)?;
    let setting = Setting { root, target, ci: std::env::var_os("CI").is_some_and(|value| value == "true") };
    let lines: Vec<Line> =
        STEPS.iter().filter(|step| selection.takes(step.name)).map(|step| take(step, &setting)).collect();
    if lines.is_empty() {
        bail!("no step is left to run: --skip names all that --only selected");
    }
    println!("{}", summary(&lines));
    let failed: Vec<&str> = lines.iter().filter(|line| line.outcome.is_err()).map(|line| line.name).collect();
    if !failed.is_empty() {
        bail!("failed: {} (again with `cargo xtask test --only {}`)", failed.join(", "), failed[0]);
    }
    Ok(())
}

fn take(step: &Step, setting: &Setting) -> Line {
    eprintln!("\n== {} ==", step.name);
    let start = Instant::now();
    let outcome = (step.run)(setting);
    let took = start.elapsed();
    match &outcome {
        Ok(Verdict::Passed) => eprintln!("== {} passed in {:.1} s ==", step.name, took.as_secs_f64()),
        Ok(Verdict::NotChecked(why)) => eprintln!("== {} not checked: {why} ==", step.name),
        Err(error) => eprintln!("== {} FAILED: {error:#} ==", step.name),
    }
    Line { name: step.name, took, outcome }
}

/// The steps with their verdicts, and a last line that counts them.
fn summary(lines: &[Line]) -> String {
    let width = lines.iter().map(|line| line.name.len()).max().unwrap_or_default();
    let mut text = String::from("\n");
    let (mut passed, mut failed, mut not_checked) = (0, 0, 0);
    for line in lines {
        let verdict = match &line.outcome {
            Ok(Verdict::Passed) => {
                passed += 1;
                "passed".to_owned()
            }
            Ok(Verdict::NotChecked(why)) => {
                not_checked += 1;
                format!("not checked: {why}")
            }
            Err(error) => {
                failed += 1;
                format!("FAILED: {error:#}")
            }
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{:width$}  {:>7.1} s  {verdict}", line.name, line.took.as_secs_f64());
    }
    let _ = write!(text, "\n{passed} passed, {failed} failed");
    if not_checked > 0 {
        let _ = write!(text, ", {not_checked} skipped");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::anyhow;

    fn selection(only: &[&str], skip: &[&str]) -> Selection {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Selection { only: owned(only), skip: owned(skip) }
    }

    #[test]
    fn all_steps_are_taken_unless_told_otherwise() {
        assert!(STEPS.iter().all(|step| selection(&[], &[]).takes(step.name)));
        assert!(selection(&["fmt"], &[]).takes("fmt") && !selection(&["fmt"], &[]).takes("tidy"));
        assert!(selection(&[], &["fmt"]).takes("tidy") && !selection(&[], &["fmt"]).takes("fmt"));
        assert!(!selection(&["fmt"], &["fmt"]).takes("fmt"));
    }

    #[test]
    fn a_mistyped_step_is_refused_with_the_names_there_are() {
        let fault = selection(&["fmt"], &["tets"]).check().unwrap_err();
        assert!(fault.contains("\"tets\"") && fault.contains("clippy"), "{fault}");
        assert_eq!(selection(&["fmt"], &["tidy"]).check(), Ok(()));
    }

    #[test]
    fn the_summary_tells_every_verdict_and_counts_them() {
        let line = |name, outcome| Line { name, took: Duration::from_millis(1500), outcome };
        let text = summary(&[
            line("fmt", Ok(Verdict::Passed)),
            line("advisories", Ok(Verdict::NotChecked("no database".to_owned()))),
            line("clippy", Err(anyhow!("two warnings").context("clippy found fault"))),
        ]);
        let lines: Vec<&str> = text.trim().lines().collect();
        assert_eq!(lines[0], "fmt             1.5 s  passed");
        assert_eq!(lines[1], "advisories      1.5 s  not checked: no database");
        assert_eq!(lines[2], "clippy          1.5 s  FAILED: clippy found fault: two warnings");
        assert_eq!(lines[4], "1 passed, 1 failed, 1 skipped");
    }
}
