//! A comparison in real time as a stranger runs it: real processes for some seconds, and what must be true of the
//! figures whatever the machine was doing meanwhile.

#![expect(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// Half more than four workers can do, and a class that works twice as long.
const OVERLOAD: &str = r#"{"scenarios":[{"name":"short","description":"five seconds of overload","seed":3,"durationS":5,
    "service":{"workers":4,"serviceTime":{"distribution":"lognormal","meanMs":40,"cv":0.5},"queueMax":100,
    "clientTimeoutMs":800},"load":1.5,"users":{"count":12,"zipf":0.9},
    "requestClasses":[{"context":{"region":"north"},"userFraction":0.25,"serviceTimeFactor":2,"networkDelayMs":5}]}]}"#;

fn evaluate(folder: &Path, arguments: &[&str]) -> Output {
    let scenarios = folder.join("short.json");
    if !scenarios.exists() {
        std::fs::write(&scenarios, OVERLOAD).unwrap();
    }
    Command::new(env!("CARGO_BIN_EXE_openclaw"))
        .args(["evaluate", "--real", "--scenarios"])
        .arg(scenarios)
        .args(arguments)
        // Whatever is set here must not reach the services that are compared.
        .env("OPENCLAW_GUARD_ENABLED", "false")
        .env("TMPDIR", folder)
        .current_dir(folder)
        .output()
        .unwrap()
}

fn number(value: &Value, name: &str) -> f64 {
    value[name].as_f64().unwrap_or_else(|| panic!("{name} is no number in {value}"))
}

fn count(value: &Value, name: &str) -> u64 {
    value[name].as_u64().unwrap_or_else(|| panic!("{name} is no count in {value}"))
}

#[test]
fn a_course_is_played_through_processes_and_set_beside_its_simulation() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--controllers", "little-guard", "--json", "out.json", "--html", "out.html"];
    let output = evaluate(folder.path(), &arguments);
    let (shown, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{shown}\n{said}");
    for word in ["little-guard", "real", "simulated", "short: five seconds of overload", "did best: mean JF"]
    {
        assert!(shown.contains(word), "{word} is missing in {shown}");
    }
    let report: Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("out.json")).unwrap()).unwrap();
    assert!(count(&report["machine"], "processors") > 0);
    let rows = report["results"].as_array().unwrap();
    assert_eq!(rows.len(), 1);
    let row = &rows[0];
    assert_eq!(
        (&row["controller"], &row["scenario"], &row["seed"]),
        (&"little-guard".into(), &"short".into(), &0.into())
    );
    for side in [&row["real"], &row["simulated"]] {
        let ends = ["accepted", "throttled", "failed", "timeouts", "inFlight"].map(|name| count(side, name));
        assert_eq!(ends.iter().sum::<u64>(), count(side, "offered"), "every attempt ends in one way: {side}");
        for name in ["G", "J", "JF"] {
            assert!((0.0..=1.2).contains(&number(side, name)), "{name} in {side}");
        }
        for name in ["throttledFraction", "windowsOverSlo", "wellBehavedThrottled"] {
            assert!((0.0..=1.0).contains(&number(side, name)), "{name} in {side}");
        }
        let work = ["fairWorkInSlo", "goodWorkInSlo", "goodWork"].map(|name| number(side, name));
        assert!(work[0] <= work[1] + 1e-6 && work[1] <= work[2] + 1e-6, "{side}");
    }
    // The backend serves nothing that was not admitted; what was admitted was acknowledged, given up or failed.
    let real = &row["real"];
    let admitted = count(real, "accepted") + count(real, "timeouts") + count(real, "failed");
    assert!(count(real, "accepted") > 0 && count(&row["backend"], "served") <= admitted, "{row}");
    assert!(
        count(&row["backend"], "served") >= count(real, "accepted"),
        "nothing is acknowledged unserved: {row}"
    );
    assert!(count(&row["commits"], "count") > 0, "acknowledged means on disk: {row}");
    assert!(row["failures"].as_object().unwrap().is_empty(), "a region of the scenario is known: {row}");
    assert!(!row["cause"].as_str().unwrap().is_empty());
    if cfg!(target_os = "linux") {
        assert!((0.0..=1.0).contains(&number(&row["machine"], "busyFraction")), "{row}");
        let names: Vec<_> =
            row["machine"]["processes"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
        assert_eq!(names, ["services", "backend", "load"]);
    }
    let page = std::fs::read_to_string(folder.path().join("out.html")).unwrap();
    for word in ["little-guard, real", "little-guard, simulated", "Side by side", "--real", "<path"] {
        assert!(page.contains(word), "{word} is missing");
    }
    let left: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 3, "the course's own folder is gone: {left:?}");
}

/// The complaint of a run that must not begin.
fn refused(folder: &Path, arguments: &[&str]) -> String {
    let output = evaluate(folder, arguments);
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn what_cannot_be_played_is_refused_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    let too_much = refused(folder.path(), &["--controllers", "aimd", "--scale", "50"]);
    assert!(
        too_much.contains("at most 3000 are played in real time") && too_much.contains("--scale 0."),
        "{too_much}"
    );
    let oracle = refused(folder.path(), &["--controllers", "oracle,aimd"]);
    assert!(oracle.contains("--controllers: oracle cannot be played in real time"), "{oracle}");
    let tuned = refused(folder.path(), &["--controllers", "aimd", "--tune", "3"]);
    assert!(tuned.contains("--tune") && tuned.contains("cannot be used with"), "{tuned}");
    let late = OVERLOAD.replace(r#""load":1.5"#, r#""load":1.5,"feedback":{"delayMs":200,"lossFraction":0}"#);
    std::fs::write(folder.path().join("short.json"), late).unwrap();
    let feedback = refused(folder.path(), &["--controllers", "aimd"]);
    assert!(feedback.contains("delays or loses feedback"), "{feedback}");
}
