//! `openclaw rating import` and `export`, as an operator moves ratings with them.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::service;
use crate::support::http::get;
use crate::support::process::{self, Ended};

/// A CSV file of five users' ratings; its ids need quotation marks.
const CSV: &str = "userId,itemId,score,timestamp\n\
                   ann,\"films, good\",8.5,1000\nbob,film,3,2000\ncid,\"said \"\"no\"\"\",0,3000\n\
                   dan,film,10,4000\neve,film,7.25,5000\n";

fn rating(folder: &Path, command: &str, arguments: &[&str]) -> Ended {
    let mut process = process::command(["rating", command]);
    process.args(["--set", &format!("store.folder={}", folder.join("ratings").display())]);
    process.args(arguments);
    process::run(process)
}

fn file(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// The lines of a file of ratings, in an order that is nobody's.
fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
fn imported_ratings_are_served_and_exported_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "ratings.csv", CSV);
    let imported = rating(folder.path(), "import", &["--json", path.to_str().unwrap()]);
    assert_eq!(imported.code(), Some(0), "{}", imported.complaint);
    let report: Value = serde_json::from_str(&imported.output).unwrap();
    assert_eq!(
        (&report["ratings"], &report["bad"], &report["complete"]),
        (&json!(5), &json!(0), &json!(true))
    );

    let serving = process::start(service("rating", folder.path(), &[]));
    assert_eq!(get(&format!("{}/items/film", serving.url("rating"))).json()["count"], 3);
    let locked = rating(folder.path(), "export", &[]);
    assert_eq!(locked.code(), Some(1));
    assert!(locked.complaint.contains(&format!("process {}", serving.id())), "{}", locked.complaint);
    assert_eq!(serving.terminate().code(), Some(0));

    let exported = rating(folder.path(), "export", &[]);
    assert_eq!(exported.code(), Some(0), "{}", exported.complaint);
    assert_eq!(sorted(&exported.output), sorted(CSV));
    let copy = folder.path().join("copy.ndjson");
    assert_eq!(rating(folder.path(), "export", &[copy.to_str().unwrap()]).code(), Some(0));
    let elsewhere = tempfile::tempdir().unwrap();
    assert_eq!(rating(elsewhere.path(), "import", &[copy.to_str().unwrap()]).code(), Some(0));
    assert_eq!(rating(elsewhere.path(), "export", &[]).output, exported.output);
}

#[test]
fn bad_lines_are_named_with_their_place_and_strict_stores_nothing_then() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "ratings.csv", &format!("{CSV}ann,film\nann,film,99,1\n"));
    let shown = path.to_str().unwrap();
    let strict = rating(folder.path(), "import", &["--strict", shown]);
    assert_eq!(strict.code(), Some(1));
    assert!(strict.complaint.contains("2 bad lines; nothing was stored"), "{}", strict.complaint);
    assert!(!folder.path().join("ratings").exists(), "not even a store was made");

    let lenient = rating(folder.path(), "import", &["--json", shown]);
    assert_eq!(lenient.code(), Some(0), "{}", lenient.complaint);
    for part in [
        "ratings.csv:7: has 2 fields; score is missing",
        "ratings.csv:8: score is 99; it must lie in 0 to 10",
    ] {
        assert!(lenient.complaint.contains(part), "{}", lenient.complaint);
        assert!(strict.complaint.contains(part), "{}", strict.complaint);
    }
    let report: Value = serde_json::from_str(&lenient.output).unwrap();
    assert_eq!((&report["ratings"], &report["bad"]), (&json!(5), &json!(2)));
}

#[test]
fn what_cannot_be_moved_is_refused_in_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let nameless = file(folder.path(), "nameless", CSV);
    let headless = file(folder.path(), "headless.csv", "ann,film,8,1000\n");
    for (command, arguments, part) in [
        ("import", &[nameless.to_str().unwrap()][..], "say --format csv, ndjson or movietweetings"),
        ("import", &[headless.to_str().unwrap()], "column userId is missing"),
        ("import", &["missing.dat"], "missing.dat: cannot be read"),
        ("import", &["--resume", "--format", "csv", "-"], "--resume and --strict need a file"),
    ] {
        let refused = rating(folder.path(), command, arguments);
        assert_eq!(refused.code(), Some(1), "{arguments:?}: {}", refused.complaint);
        assert!(refused.complaint.contains(part), "{arguments:?}: {}", refused.complaint);
    }
    let sound = file(folder.path(), "sound.csv", CSV);
    let refused = rating(folder.path(), "import", &[sound.to_str().unwrap(), "missing.csv"]);
    assert!(refused.complaint.contains("missing.csv: cannot be read"), "{}", refused.complaint);
    assert!(
        !refused.output.contains("rating"),
        "nothing is stored before all files are there: {}",
        refused.output
    );

    let empty = tempfile::tempdir().unwrap();
    let refused = rating(empty.path(), "export", &[]);
    assert!(refused.complaint.contains("there is no store in"), "{}", refused.complaint);
    assert!(!empty.path().join("ratings").exists());
}
