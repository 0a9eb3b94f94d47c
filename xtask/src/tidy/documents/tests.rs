//! Good and bad mentions of files, folders and tasks.

use super::super::tests::{places, tree_of};
use super::*;

/// The lines of the document that are found fault with.
fn faulty_lines(document: &str, text: &str) -> Vec<String> {
    let files = [
        (document, text),
        ("ARCHITECTURE.md", ""),
        ("crates/openclaw-bucket/src/lib.rs", "//! x\n"),
        ("docs/guides/first.md", ""),
        ("scenarios/flash-crowd.toml", ""),
    ];
    places(&check(&tree_of(&files)))
}

#[track_caller]
fn assert_fine(document: &str, text: &str) {
    assert_eq!(faulty_lines(document, text), [""; 0], "{text}");
}

#[track_caller]
fn assert_faulty(document: &str, text: &str) {
    assert_eq!(faulty_lines(document, text), [format!("{document}:1")], "{text}");
}

#[test]
fn links_to_files_folders_and_the_web_are_fine() {
    assert_fine(
        "README.md",
        "[a](ARCHITECTURE.md) [b](crates/openclaw-bucket) [c](docs/guides/first.md#top)",
    );
    assert_fine("README.md", "[a](https://example.net/none.md) [b](#here) [c](mailto:a@example.net)");
    assert_fine("docs/guides/second.md", "[a](first.md) [b](../../ARCHITECTURE.md \"the map\")");
    assert_fine("docs/guides/second.md", "[map]: ../../ARCHITECTURE.md");
}

#[test]
fn links_to_what_is_not_there_are_found() {
    assert_faulty("README.md", "[a](GONE.md)");
    assert_faulty("README.md", "![picture](docs/gone.png)");
    assert_faulty("docs/guides/second.md", "[a](ARCHITECTURE.md)");
    assert_faulty("README.md", "[a](../outside.md)");
    assert_faulty("README.md", "[map]: GONE.md");
}

#[test]
fn paths_in_code_are_fine_from_the_root_and_from_the_documents_folder() {
    assert_fine(
        "README.md",
        "see `crates/openclaw-bucket/src/lib.rs:12` and `docs/guides/`, `scenarios/*.toml`",
    );
    assert_fine("crates/openclaw-bucket/README.md", "see `src/lib.rs`");
    assert_fine("docs/guides/second.md", "see `first.md`");
}

#[test]
fn code_that_is_no_path_is_left_alone() {
    assert_fine("README.md", "`POST /api/v1/event`, `application/problem+json`, `and/or`, `out.json`");
    assert_fine("README.md", "`tests/loom*.rs`");
    assert_fine("README.md", "`http://127.0.0.1:8080/none.json` and `crates/<name>/src`");
}

#[test]
fn paths_in_code_that_are_not_there_are_found() {
    for text in [
        "see `crates/openclaw-gone`",
        "see `docs/gone.md`",
        "see `GONE.md`",
        "see `src/lib.rs`",
        "see `sdk/{js,go}`",
        "run `openclaw load --scenario scenarios/gone.toml`",
    ] {
        assert_faulty("README.md", text);
    }
}

#[test]
fn code_blocks_are_read_and_closed() {
    let text = "```sh\nopenclaw evaluate --scenarios scenarios/gone.toml\n```\nprose crates/none\n";
    assert_eq!(faulty_lines("README.md", text), ["README.md:2"]);
}

#[test]
fn tasks_that_exist_are_fine() {
    assert_fine("README.md", "`cargo xtask tidy`, `cargo xtask prove NAME`, `cargo xtask test --only fmt`");
    for recipe in recipes::PROOFS {
        assert_fine("README.md", &format!("`cargo xtask prove {}`", recipe.name));
    }
    for recipe in recipes::BENCHES {
        assert_fine("README.md", &format!("`cargo xtask bench {} --json out.json`", recipe.name));
    }
}

#[test]
fn tasks_that_do_not_exist_are_found() {
    assert_faulty("README.md", "`cargo xtask tidie`");
    assert_faulty("README.md", "`cargo xtask test --only frobnicate`");
    assert_faulty("README.md", "`cargo xtask test --only fmt --skip frobnicate`");
    assert_faulty("README.md", "`cargo xtask prove nothing-of-that-name`");
    assert_faulty("README.md", "`cargo xtask bench nothing-of-that-name`");
}

#[test]
fn the_changelog_may_name_what_is_gone_but_not_link_to_it() {
    assert_fine("CHANGELOG.md", "removed `docs/gone.md` and `cargo xtask frobnicate`");
    assert_faulty("CHANGELOG.md", "[a](docs/gone.md)");
}

#[test]
fn only_documents_are_read() {
    assert_fine("crates/openclaw-bucket/src/notes.md", "`docs/gone.md`");
    assert_fine("docs/page.html", "`docs/gone.md`");
}
