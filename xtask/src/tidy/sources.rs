//! What every Rust file owes its reader: an opening that says why it exists, a length that can be held in mind, and
//! a name that says what is in it.

use super::Finding;
use crate::tree::{File, Tree};

/// The most lines a file may have.
const LINES_MAX: usize = 500;

/// Names that say nothing of what a module is about, so that anything ends up in it.
const EMPTY_NAMES: &[&str] = &["common", "helper", "helpers", "manager", "misc", "util", "utils"];

/// Files that a program wrote say so in their first lines, and are free of the rules for people.
const GENERATED: &str = concat!("@", "generated");

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let sources = tree.files.iter().filter(|file| file.path.ends_with(".rs"));
    sources.filter(|file| !is_generated(file)).flat_map(check_file).collect()
}

fn is_generated(file: &File) -> bool {
    file.text.lines().take(5).any(|line| line.starts_with("//") && line.contains(GENERATED))
}

fn check_file(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    let opening = file.text.lines().next().unwrap_or_default();
    if opening.strip_prefix("//!").is_none_or(|text| text.trim().is_empty()) {
        findings.push(Finding::new(
            &file.path,
            1,
            "does not open with `//!`",
            "say in a sentence or two why this file exists, and which alternative lost",
        ));
    }
    let lines = file.text.lines().count();
    if lines > LINES_MAX {
        let fault = format!("has {lines} lines; {LINES_MAX} are the most, 100 to 300 the aim");
        findings.push(Finding::new(&file.path, LINES_MAX + 1, fault, "split it by what its parts are about"));
    }
    if let Some(name) =
        EMPTY_NAMES.iter().find(|name| module_names(&file.path).any(|module| module == **name))
    {
        let fault = format!("is called {name:?}, which says nothing of what is in it");
        findings.push(Finding::new(&file.path, 0, fault, "name it after the one thing it does"));
    }
    findings
}

/// Every folder and the file itself, without the ending.
fn module_names(path: &str) -> impl Iterator<Item = &str> {
    path.strip_suffix(".rs").unwrap_or(path).split('/')
}

#[cfg(test)]
mod tests {
    use super::super::tests::{places, tree_of};
    use super::*;

    fn check_one(path: &str, text: &str) -> Vec<String> {
        places(&check(&tree_of(&[(path, text)])))
    }

    #[test]
    fn a_file_that_says_why_it_exists_is_fine() {
        assert_eq!(check_one("a.rs", "//! Buckets that refill.\n\nfn f() {}\n"), [""; 0]);
    }

    #[test]
    fn a_file_without_an_opening_is_found() {
        for text in ["", "fn f() {}\n", "//!\nfn f() {}\n", "// a comment\n", "\n//! late\n"] {
            assert_eq!(check_one("a.rs", text), ["a.rs:1"], "{text:?}");
        }
    }

    #[test]
    fn the_limit_on_lines_is_the_limit() {
        let lines = |count: usize| format!("//! Long.\n{}", "// line\n".repeat(count - 1));
        assert_eq!(check_one("a.rs", &lines(LINES_MAX)), [""; 0]);
        assert_eq!(check_one("a.rs", &lines(LINES_MAX + 1)), ["a.rs:501"]);
    }

    #[test]
    fn names_that_say_nothing_are_found_in_files_and_folders() {
        for path in ["src/util.rs", "tests/common/mod.rs", "src/helpers.rs"] {
            assert_eq!(check_one(path, "//! X.\n"), [format!("{path}:0")]);
        }
        assert_eq!(check_one("src/utilisation.rs", "//! X.\n"), [""; 0]);
    }

    #[test]
    fn generated_files_and_other_languages_are_left_alone() {
        assert_eq!(check_one("a.rs", &format!("// {GENERATED} by codegen\nfn f() {{}}\n")), [""; 0]);
        assert_eq!(check_one("a.py", "x = 1\n"), [""; 0]);
    }
}
