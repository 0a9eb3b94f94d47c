//! `codegen`: writes what is generated from the code and committed, or compares it.
//!
//! The binary prints every page itself, so that an operator can read them of the version in hand; this only puts them
//! where they belong. The packages' own tests compare the pages as well, so that no one can forget to run it.

use crate::process::{self, cargo};
use crate::tree;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;

/// A committed file, and the arguments with which `openclaw` prints it.
struct Page {
    file: &'static str,
    args: &'static [&'static str],
}

/// All of them.
const PAGES: &[Page] = &[
    Page { file: "docs/reference/configuration.md", args: &["config", "reference"] },
    Page { file: "docs/reference/metrics.md", args: &["config", "reference", "--metrics"] },
    Page { file: "openapi/admin.json", args: &["config", "reference", "--openapi", "admin"] },
    Page { file: "openapi/edge.json", args: &["config", "reference", "--openapi", "edge"] },
    Page { file: "openapi/rating.json", args: &["config", "reference", "--openapi", "rating"] },
];

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
    command.args(["run", "--quiet", "--package", "openclaw", "--"]).args(page.args);
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

    #[test]
    fn every_committed_page_in_their_folders_is_generated() {
        let root = tree::root();
        let mut committed = BTreeSet::new();
        for folder in ["docs/reference", "openapi"] {
            for entry in fs::read_dir(root.join(folder)).unwrap() {
                committed.insert(format!("{folder}/{}", entry.unwrap().file_name().to_string_lossy()));
            }
        }
        assert_eq!(committed, PAGES.iter().map(|page| page.file.to_owned()).collect());
    }
}
