//! The comparison as a stranger runs it: results for programs, a page for people, the same bytes every time.

#![expect(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// Workers fall to 40 % for a while under an overload.
const DROP: &str = r#"{"name":"drop","description":"workers drop to 40 %","seed":5,"durationS":12,
    "service":{"workers":8,"serviceTime":{"distribution":"lognormal","meanMs":20,"cv":0.5},"queueMax":200,
    "clientTimeoutMs":800},"load":1.5,"users":{"count":30,"zipf":0.9},
    "capacity":[{"kind":"workers","startS":5,"durationS":3,"level":0.4}]}"#;
/// Twice what the service can do, and no end of it.
const STEADY: &str = r#"{"name":"<steady & heavy>","description":"steady overload","seed":6,"durationS":12,
    "service":{"workers":8,"serviceTime":{"distribution":"lognormal","meanMs":20,"cv":0.5},"queueMax":200,
    "clientTimeoutMs":800},"load":2,"users":{"count":30,"zipf":0.9}}"#;

fn write(folder: &Path, name: &str, scenarios: &[&str]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, format!(r#"{{"scenarios":[{}]}}"#, scenarios.join(","))).unwrap();
    path
}

fn evaluate(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_openclaw"))
        .arg("evaluate")
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

fn succeed(folder: &Path, arguments: &[&str]) -> String {
    let output = evaluate(folder, arguments);
    let (shown, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{shown}\n{said}");
    shown.into_owned()
}

fn fail(folder: &Path, arguments: &[&str]) -> String {
    let output = evaluate(folder, arguments);
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn every_controller_is_scored_on_every_scenario_the_same_bytes_on_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "small.json", &[DROP, STEADY]);
    let play = |threads: &str, out: &str| {
        let who = ["--scenarios", "small.json", "--controllers", "little-guard,aimd", "--seeds", "2"];
        let how = ["--threads", threads, "--json", out];
        let shown = succeed(folder.path(), &[who.as_slice(), &how].concat());
        (shown, std::fs::read(folder.path().join(out)).unwrap())
    };
    let (shown, first) = play("1", "one.json");
    let (_, again) = play("3", "three.json");
    assert_eq!(first, again, "the results depend on the number of threads");
    for word in ["little-guard", "aimd", "JF", "all (2 scenarios)"] {
        assert!(shown.contains(word), "{word} is missing in {shown}");
    }
    let results = &json(&folder.path().join("one.json"))["results"];
    let rows = results.as_array().unwrap();
    assert_eq!(rows.len(), 2 * 2 * 2);
    let key = |row: &Value| format!("{} {} {}", row["controller"], row["scenario"], row["seed"]);
    let keys: std::collections::BTreeSet<_> = rows.iter().map(key).collect();
    assert_eq!(keys.len(), rows.len(), "every row is another course");
    for row in rows {
        let number =
            |name: &str| row[name].as_f64().unwrap_or_else(|| panic!("{name} is no number in {row}"));
        for name in ["G", "J", "JF"] {
            assert!((0.0..=1.2).contains(&number(name)), "{name} in {row}");
        }
        for name in ["windowsOverSlo", "wellBehavedThrottled", "throttledFraction", "jain"] {
            assert!((0.0..=1.0).contains(&number(name)), "{name} in {row}");
        }
        for name in ["p50Ms", "p95Ms", "p99Ms", "oscillation", "goodPerS", "acceptedPerS"] {
            assert!(number(name) > 0.0 && number(name).is_finite(), "{name} in {row}");
        }
        assert!(number("recoveryS") >= 0.0);
        assert!(row.get("decisionUs").is_none(), "what another run does not repeat is not in {row}");
    }
}

#[test]
fn neither_letting_everybody_in_nor_keeping_everybody_out_comes_near_aimd() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "small.json", &[DROP, STEADY]);
    let who = "accept-all,reject-all,aimd,oracle";
    let arguments = ["--scenarios", "small.json", "--controllers", who, "--seeds", "1", "--json", "out.json"];
    succeed(folder.path(), &arguments);
    let report = json(&folder.path().join("out.json"));
    let all = &report["summary"]["groups"][0];
    let mean = |controller: &str| {
        let standings = all["standings"].as_array().unwrap();
        let row = standings.iter().find(|row| row["controller"] == controller).unwrap();
        row["mean"]["JF"].as_f64().unwrap()
    };
    assert_eq!((mean("oracle"), mean("reject-all")), (1.0, 0.0));
    assert!(mean("accept-all") < mean("aimd"), "{} {}", mean("accept-all"), mean("aimd"));
    assert_eq!(all["bestClassical"], "aimd", "a bound is nobody's rival");
}

#[test]
fn the_page_needs_nothing_else_and_shows_everyone() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "small.json", &[DROP, STEADY]);
    let who = ["--scenarios", "small.json", "--controllers", "little-guard,aimd,oracle", "--seeds", "1"];
    succeed(folder.path(), &[who.as_slice(), &["--html", "out.html"]].concat());
    let page = std::fs::read_to_string(folder.path().join("out.html")).unwrap();
    for word in ["little-guard", "aimd", "oracle", "&lt;steady &amp; heavy&gt;", "drop", "--seeds 1", "<path"]
    {
        assert!(page.contains(word), "{word} is missing");
    }
    for outside in ["http://", "https://", "src=", "url(", "@import", "<link"] {
        assert!(!page.contains(outside), "{outside} leads out of the page");
    }
    balanced(&page);
}

/// Fails where an element is closed that is not the innermost open one, or left open.
fn balanced(page: &str) {
    const EMPTY: [&str; 3] = ["meta", "br", "!DOCTYPE"];
    let mut open: Vec<&str> = Vec::new();
    for piece in page.split('<').skip(1) {
        let (tag, _) = piece.split_once('>').unwrap_or_else(|| panic!("a tag has no end: {piece}"));
        let name = tag.split([' ', '/']).find(|name| !name.is_empty()).unwrap();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "closed at {tag}");
        } else if !EMPTY.contains(&name) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "left open: {open:?}");
}

#[test]
fn settings_are_tuned_written_read_back_and_told() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "small.json", &[STEADY]);
    write(folder.path(), "training.json", &[DROP]);
    let who = ["--scenarios", "small.json", "--controllers", "static", "--seeds", "1", "--tuned", "t.json"];
    let tuning = ["--tune", "4", "--tune-on", "training.json", "--json", "now.json"];
    let shown = succeed(folder.path(), &[who.as_slice(), &tuning].concat());
    assert!(shown.contains("tuned with 4 settings each on 1 training scenarios"), "{shown}");
    let settings = json(&folder.path().join("t.json"));
    let one = &settings["controllers"][0];
    assert!(one["objective"].as_f64().unwrap() >= one["publishedObjective"].as_f64().unwrap());
    succeed(folder.path(), &[who.as_slice(), &["--json", "later.json"]].concat());
    let (now, later) = (json(&folder.path().join("now.json")), json(&folder.path().join("later.json")));
    assert_eq!(now["results"], later["results"], "settings read back are the settings");
    assert_eq!(now["summary"]["tuning"], settings);
    let published =
        ["--scenarios", "small.json", "--controllers", "static", "--seeds", "1", "--json", "p.json"];
    succeed(folder.path(), &published);
    assert_ne!(json(&folder.path().join("p.json"))["results"], now["results"], "tuning made no difference");
}

#[test]
fn what_was_tuned_on_is_refused_under_any_name() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "small.json", &[STEADY, DROP]);
    let renamed =
        DROP.replace(r#""name":"drop""#, r#""name":"fresh""#).replace(r#""seed":5"#, r#""seed":77"#);
    write(folder.path(), "training.json", &[&renamed]);
    let who = ["--scenarios", "small.json", "--controllers", "static", "--seeds", "1"];
    let tuning = ["--tune", "2", "--tune-on", "training.json"];
    let said = fail(folder.path(), &[who.as_slice(), &tuning].concat());
    assert!(said.contains(r#"scenario "drop" of small"#) && said.contains(r#""fresh""#), "{said}");
    assert!(said.contains("--tune-on"), "{said}");
}

#[test]
fn mistakes_are_told_before_anything_is_played() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "small.json", &[STEADY]);
    write(folder.path(), "bad.json", &[&STEADY.replace(r#""load":2"#, r#""load":-2"#)]);
    for (arguments, told) in [
        (vec!["--scenarios", "none.json"], "none.json: cannot be read"),
        (vec!["--scenarios", "bad.json"], "scenarios[0].load: must be in"),
        (vec!["--scenarios", "small.json", "small.json"], "given twice"),
        (vec!["--scenarios", "small.json", "--controllers", "amid"], "aimd may be meant"),
        (vec!["--scenarios", "small.json", "--json", "none/out.json"], "none/out.json cannot be written"),
        (vec!["--scenarios", "small.json", "--tuned", "none.json"], "none.json: "),
        (
            vec!["--scenarios", "small.json", "--tune", "2", "--tune-on", "hardest"],
            "neither a file nor a family",
        ),
        (
            vec!["--scenarios", "small.json", "--html", "o.html", "--timeline", "x"],
            "no scenario is called \"x\"",
        ),
    ] {
        let said = fail(folder.path(), &arguments);
        assert!(said.contains(told), "{arguments:?}: {said}");
    }
}
