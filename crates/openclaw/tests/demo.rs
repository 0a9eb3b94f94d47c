//! The demo as a stranger runs it: one command, a report for people and one for programs.

use std::process::Command;

use serde_json::Value;

#[test]
fn the_demo_plays_the_same_traffic_for_every_controller_and_reports_it() {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("out.json");
    let output = Command::new(env!("CARGO_BIN_EXE_openclaw"))
        .args(["demo", "--exit", "--duration", "4s", "--seed", "11", "--json"])
        .arg(&json)
        .current_dir(folder.path())
        .output()
        .unwrap();
    let (shown, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{shown}\n{said}");
    let report: Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    let runs = report["runs"].as_array().unwrap();
    let names: Vec<_> = runs.iter().map(|run| run["controller"].as_str().unwrap()).collect();
    assert_eq!(names, ["static", "aimd", "little-guard"]);
    for run in runs {
        let number =
            |name: &str| run[name].as_f64().unwrap_or_else(|| panic!("{name} is no number in {run}"));
        for name in ["goodputPerS", "p50Ms", "p95Ms", "p99Ms", "ratingsStored"] {
            assert!(number(name) >= 0.0, "{name}");
        }
        for name in ["windowsOverSlo", "throttledFraction", "wellBehavedThrottledFraction"] {
            assert!((0.0..=1.0).contains(&number(name)), "{name}");
        }
        assert!(number("ratingsStored") > 0.0);
        assert!(number("ratingsStored") <= number("attempts"), "a rating is stored for an attempt, or not");
        let ends =
            ["accepted", "throttled", "failed", "timeouts", "overflowed"].map(number).iter().sum::<f64>();
        assert_eq!(ends, number("attempts"), "every attempt ends in one way");
        assert!(shown.contains(run["controller"].as_str().unwrap()), "{shown}");
    }
    let first = |run: &Value| run["firstAttempts"].as_u64().unwrap();
    assert!(runs.iter().all(|run| first(run) == first(&runs[0])), "the same traffic for all");
    assert!(shown.contains(" won: ") && shown.contains(" ratings/s in time against "), "{shown}");
}

#[test]
fn a_report_that_cannot_be_written_is_said_before_anything_is_played() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_openclaw"))
        .args(["demo", "--exit", "--json", "missing-folder/out.json"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("missing-folder/out.json cannot be written"), "{said}");
    assert!(!said.contains("static"), "nothing was played: {said}");
}
