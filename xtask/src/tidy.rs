//! Rules no compiler knows, each a pure function from the working tree to findings.
//!
//! A rule no machine checks is decoration: every one of these says which line breaks it and how to mend it, and the
//! whole runs as a test too, so that no one can forget to ask.

mod architecture;
mod documents;
mod layers;
mod manifests;
mod places;
mod purity;
mod rust_text;
mod sources;

use crate::tree::Tree;
use std::fmt;

/// One place that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    file: String,
    /// Counted from one; zero where the whole file is meant.
    line: usize,
    fault: String,
    mend: String,
}

impl Finding {
    fn new(file: &str, line: usize, fault: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, fault: fault.into(), mend: mend.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        write!(f, ": {}\n    to mend: {}", self.fault, self.mend)
    }
}

/// Every finding of every rule, by file and line.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let rules: &[fn(&Tree) -> Vec<Finding>] = &[
        layers::check,
        purity::check,
        sources::check,
        manifests::check,
        documents::check,
        architecture::check,
        places::check,
    ];
    let mut findings: Vec<Finding> = rules.iter().flat_map(|rule| rule(tree)).collect();
    findings.sort();
    findings
}

#[cfg(test)]
mod tests;
