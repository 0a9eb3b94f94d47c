//! `codegen`: writes what is generated from the code and committed, or compares it.
//!
//! The binary prints every page itself, so that an operator can read them of the version in hand, and an example of the
//! scenario package prints the scenario sets; this only puts them where they belong. The packages' own tests compare
//! them as well, so that no one can forget to run it.

use crate::process::{self, cargo};
use crate::tree;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;

/// A committed file, and what prints it.
struct Page {
    file: &'static str,
    printer: Printer,
}

/// What prints a page.
enum Printer {
    /// `openclaw` with these arguments.
    Binary(&'static [&'static str]),
    /// The scenario package's example; its argument is the file.
    ScenarioSet,
}

/// All of them.
const PAGES: &[Page] = &[
    printed("docs/reference/configuration.md", &["config", "reference"]),
    printed("docs/reference/metrics.md", &["config", "reference", "--metrics"]),
    printed("openapi/admin.json", &["config", "reference", "--openapi", "admin"]),
    printed("openapi/edge.json", &["config", "reference", "--openapi", "edge"]),
    printed("openapi/rating.json", &["config", "reference", "--openapi", "rating"]),
    scenario_set("scenarios/sets/selection/classic.json"),
    scenario_set("scenarios/sets/selection/combined.json"),
    scenario_set("scenarios/sets/selection/hard.json"),
    scenario_set("scenarios/sets/selection/uninstrumented.json"),
    scenario_set("scenarios/sets/test/classic.json"),
    scenario_set("scenarios/sets/test/combined.json"),
    scenario_set("scenarios/sets/test/hard.json"),
    scenario_set("scenarios/sets/test/uninstrumented.json"),
];

const fn printed(file: &'static str, args: &'static [&'static str]) -> Page {
    Page { file, printer: Printer::Binary(args) }
}

const fn scenario_set(file: &'static str) -> Page {
    Page { file, printer: Printer::ScenarioSet }
}

/// Writes the pages that are out of date, or with `check` fails for them. Says what it found.
///
/// # Errors
/// The binary cannot be built or run, a page cannot be written, or, with `check`, one is out of date.
pub(crate) fn run(check: bool) -> Result<String> {
    let root = tree::root();
    let mut stale = Vec::new();
    for page in PAGES {
        let generated = generate(&root, page)?;
        let path = root.join(page.file);
        if fs::read_to_string(&path).is_ok_and(|committed| committed == generated) {
            continue;
        }
        stale.push(page.file);
        if !check {
            write(&path, &generated)?;
        }
    }
    match (stale.as_slice(), check) {
        ([], _) => Ok(format!("codegen: {} pages are up to date", PAGES.len())),
        (stale, false) => Ok(format!("codegen: wrote {}", stale.join(", "))),
        (stale, true) => bail!("out of date: {}; write them anew by `cargo xtask codegen`", stale.join(", ")),
    }
}

fn generate(root: &Path, page: &Page) -> Result<String> {
    let mut command = cargo(root);
    match page.printer {
        Printer::Binary(args) => command.args(["run", "--quiet", "--package", "openclaw", "--"]).args(args),
        Printer::ScenarioSet => command.args([
            "run",
            "--quiet",
            "--package",
            "openclaw-scenario",
            "--example",
            "scenario_set",
            "--",
            page.file,
        ]),
    };
    process::output(&mut command)
}

fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    }
    fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Stands among the generated sets so that it is played with them, but plays recordings.
    const BY_HAND: &str = "scenarios/sets/test/real.json";

    #[test]
    fn every_committed_page_in_their_folders_is_generated() {
        let root = tree::root();
        let mut committed = BTreeSet::new();
        for folder in ["docs/reference", "openapi", "scenarios/sets/selection", "scenarios/sets/test"] {
            for entry in fs::read_dir(root.join(folder)).unwrap() {
                committed.insert(format!("{folder}/{}", entry.unwrap().file_name().to_string_lossy()));
            }
        }
        assert!(committed.remove(BY_HAND), "{BY_HAND} is gone: mend this test");
        assert_eq!(committed, PAGES.iter().map(|page| page.file.to_owned()).collect());
    }
}
