//! The rules against this very workspace, and what the rules' own tests share.

use super::*;
use crate::tree::{File, Package};

/// A tree of nothing but these files.
pub(super) fn tree_of(files: &[(&str, &str)]) -> Tree {
    let files = files.iter().map(|(path, text)| File { path: (*path).to_owned(), text: (*text).to_owned() });
    Tree { files: files.collect(), ..Tree::default() }
}

/// A package in the folder of its name.
pub(super) fn package(name: &str) -> Package {
    Package { name: name.to_owned(), folder: format!("crates/{name}"), ..Package::default() }
}

/// Where the findings are, as `file:line`.
pub(super) fn places(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(|finding| format!("{}:{}", finding.file, finding.line)).collect()
}

#[test]
fn this_workspace_keeps_its_rules() {
    let findings = check(&Tree::load().unwrap());
    let report: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(report.is_empty(), "\n{}", report.join("\n\n"));
}

#[test]
fn a_finding_says_where_what_and_how_to_mend() {
    let with_line = Finding::new("a.rs", 3, "is too long", "split it");
    assert_eq!(with_line.to_string(), "a.rs:3: is too long\n    to mend: split it");
    let whole = Finding::new("a.rs", 0, "is too long", "split it");
    assert!(whole.to_string().starts_with("a.rs: is too long"));
}

#[test]
fn findings_come_in_the_order_of_files_and_lines() {
    let tree = tree_of(&[("b.rs", "fn b() {}\n"), ("a.rs", "fn a() {}\n")]);
    let files: Vec<String> =
        check(&tree).into_iter().map(|finding| finding.file).filter(|file| file.ends_with(".rs")).collect();
    assert_eq!(files, ["a.rs", "b.rs"]);
}
