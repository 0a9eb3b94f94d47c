//! The documents a newcomer reads first stay short and in order: the architecture's four pages, decision records of
//! one page each numbered without gaps, and a changelog that is open for the next change.
//!
//! A page is counted as 500 words: Markdown has no pages, and words are what a reader pays with.

use super::Finding;
use crate::tree::{File, Tree};

/// Words on a page.
const PAGE_WORDS: usize = 500;
const ARCHITECTURE: &str = "ARCHITECTURE.md";
const ARCHITECTURE_PAGES: usize = 4;
const CHANGELOG: &str = "CHANGELOG.md";
const DECISIONS: &str = "docs/adr/";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let documents = check_length(tree).into_iter().chain(check_changelog(tree));
    documents.chain(check_decisions(tree)).collect()
}

fn words(text: &str) -> usize {
    text.split_whitespace().count()
}

fn too_long(file: &str, text: &str, pages: usize) -> Option<Finding> {
    let (words, most) = (words(text), pages * PAGE_WORDS);
    (words > most).then(|| {
        let fault = format!("has {words} words; {most} are the most ({pages} pages of {PAGE_WORDS} words)");
        Finding::new(file, 0, fault, "cut it, or move what varies often to docs/")
    })
}

fn check_length(tree: &Tree) -> Option<Finding> {
    match tree.text(ARCHITECTURE) {
        Some(text) => too_long(ARCHITECTURE, text, ARCHITECTURE_PAGES),
        None => Some(Finding::new(
            ARCHITECTURE,
            0,
            "is missing",
            "describe the parts and what is deliberately absent",
        )),
    }
}

fn check_changelog(tree: &Tree) -> Option<Finding> {
    let Some(text) = tree.text(CHANGELOG) else {
        return Some(Finding::new(CHANGELOG, 0, "is missing", "say what changes for users, newest first"));
    };
    let open = text.lines().any(|line| matches!(line.trim_end(), "## [Unreleased]" | "## Unreleased"));
    (!open).then(|| {
        Finding::new(
            CHANGELOG,
            0,
            "has no section for what is not yet released",
            "add the heading `## [Unreleased]`",
        )
    })
}

fn check_decisions(tree: &Tree) -> Vec<Finding> {
    let mut records: Vec<(&File, &str)> =
        tree.files.iter().filter_map(|file| Some((file, file.path.strip_prefix(DECISIONS)?))).collect();
    records.sort_by_key(|(_, name)| *name);
    let mut findings = Vec::new();
    let mut last = 0;
    for (file, name) in records {
        let Some(number) = decision_number(name) else {
            findings.push(Finding::new(
                &file.path,
                0,
                "is no decision record by its name",
                "call it NNNN-title.md",
            ));
            continue;
        };
        if number == last {
            let fault = format!("has the number of another record, {number:04}");
            findings.push(Finding::new(
                &file.path,
                0,
                fault,
                "take the next free number for the newer of the two",
            ));
        } else if number != last + 1 {
            let fault = format!("is numbered {number:04}, but {:04} comes next", last + 1);
            findings.push(Finding::new(&file.path, 0, fault, "number the records without gaps"));
        }
        last = number;
        findings.extend(too_long(&file.path, &file.text, 1));
    }
    findings
}

/// The number in `NNNN-title.md`.
fn decision_number(name: &str) -> Option<u32> {
    let (number, title) = name.strip_suffix(".md")?.split_once('-')?;
    let well_formed = number.len() == 4 && !title.is_empty() && !title.contains('/');
    if well_formed { number.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{places, tree_of};
    use super::*;

    const GOOD: [(&str, &str); 4] = [
        (ARCHITECTURE, "Short."),
        (CHANGELOG, "# Changes\n\n## [Unreleased]\n"),
        ("docs/adr/0001-layers.md", "Because."),
        ("docs/adr/0002-store.md", "Because."),
    ];

    fn with(path: &str, text: &str) -> Vec<String> {
        let mut files: Vec<(&str, &str)> = GOOD.into_iter().filter(|(good, _)| *good != path).collect();
        files.push((path, text));
        places(&check(&tree_of(&files)))
    }

    #[test]
    fn short_documents_in_order_are_fine() {
        assert_eq!(check(&tree_of(&GOOD)), []);
    }

    #[test]
    fn a_long_architecture_is_found_at_the_first_word_too_many() {
        assert_eq!(with(ARCHITECTURE, &"word ".repeat(2_000)), [""; 0]);
        assert_eq!(with(ARCHITECTURE, &"word ".repeat(2_001)), ["ARCHITECTURE.md:0"]);
    }

    #[test]
    fn documents_that_are_missing_are_found() {
        assert_eq!(places(&check(&tree_of(&[]))), ["ARCHITECTURE.md:0", "CHANGELOG.md:0"]);
    }

    #[test]
    fn a_changelog_without_an_open_section_is_found() {
        assert_eq!(with(CHANGELOG, "# Changes\n\n## 1.0 (Unreleased no more)\n"), ["CHANGELOG.md:0"]);
    }

    #[test]
    fn gaps_duplicates_and_other_names_are_found() {
        assert_eq!(with("docs/adr/0004-late.md", "x"), ["docs/adr/0004-late.md:0"]);
        assert_eq!(with("docs/adr/0002-twin.md", "x"), ["docs/adr/0002-twin.md:0"]);
        assert_eq!(with("docs/adr/notes.md", "x"), ["docs/adr/notes.md:0"]);
        assert_eq!(with("docs/adr/0003-next.md", "x"), [""; 0]);
    }

    #[test]
    fn a_record_of_more_than_a_page_is_found() {
        assert_eq!(with("docs/adr/0003-next.md", &"word ".repeat(501)), ["docs/adr/0003-next.md:0"]);
    }
}
