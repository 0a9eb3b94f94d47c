//! What a report says of its rows: ratios, verdicts, the table and the file.

use super::*;
use serde_json::Value;

fn row(case: &'static str, value: f64, goal: Option<f64>, better: Better) -> Row<'static> {
    Row { case, unit: "ns", value, peer: "bare table", peer_value: 10.0, goal, better }
}

fn bench() -> Bench {
    let mut bench = Bench::new("bucket");
    bench.row(row("uniform", 12.5, Some(1.25), Better::Lower));
    bench.row(row("hot key", 13.0, Some(1.25), Better::Lower));
    bench.row(row("throughput", 9.0, Some(1.0), Better::Higher));
    bench.row(row("for information", 99.0, None, Better::Lower));
    bench
}

#[test]
fn a_goal_is_met_at_its_bound_and_missed_beyond_it() {
    assert_eq!(bench().misses(), ["hot key", "throughput"]);
}

#[test]
fn the_table_marks_each_verdict_and_leaves_rows_without_a_goal_unjudged() {
    let table = bench().to_table();
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("bench bucket · "), "{table}");
    assert!(lines[2].ends_with("1.250  <= 1.25  met"), "{table}");
    assert!(lines[3].ends_with("1.300  <= 1.25  MISS"), "{table}");
    assert!(lines[4].ends_with("0.900     >= 1  MISS"), "{table}");
    assert!(lines[5].ends_with("9.900"), "{table}");
}

#[test]
fn the_json_has_the_agreed_names_and_the_ratio() {
    let json: Value = serde_json::from_str(&bench().to_json()).unwrap();
    assert_eq!(json["bench"], "bucket");
    for name in ["cores", "cpuModel", "kernel", "rustc"] {
        assert!(!json["machine"][name].is_null(), "machine lacks {name}");
    }
    let row = json["rows"][0].as_object().unwrap();
    let names: Vec<&str> = row.keys().map(String::as_str).collect();
    for name in ["case", "unit", "value", "peer", "peerValue", "ratio", "goal", "better"] {
        assert!(names.contains(&name), "row lacks {name}");
    }
    assert_eq!(names.len(), 8);
    assert_eq!(row["ratio"], 1.25);
    assert_eq!(row["better"], "lower");
    assert_eq!(json["rows"][3]["goal"], Value::Null);
}

#[test]
fn a_debug_build_writes_no_file() {
    let error = bench().write(Path::new("never-written.json"), true).unwrap_err();
    assert!(error.to_string().contains("debug build"));
    assert!(!Path::new("never-written.json").exists());
}

#[test]
fn the_file_holds_the_report_and_its_folder_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("deep/report.json");
    bench().write(&file, false).unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), bench().to_json());
}

#[test]
#[should_panic(expected = "has no ratio")]
fn a_peer_that_measured_nothing_is_refused() {
    Bench::new("bucket").row(Row { peer_value: 0.0, ..row("uniform", 1.0, None, Better::Lower) });
}

#[test]
fn values_keep_four_significant_digits() {
    let shown = [0.0, 0.012345, 1.23456, 123.456, 12345.6].map(digits);
    assert_eq!(shown, ["0.000", "0.01235", "1.235", "123.5", "12346"]);
}
