//! The shipped recorded arrivals, and the scenarios that play them.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use openclaw_harness::scenario_file;
use openclaw_scenario::{Arrivals, Population};

#[path = "../examples/servegen_arrivals/renewal.rs"]
mod renewal;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn unzipped(path: &str) -> String {
    let mut text = String::new();
    let file = std::fs::File::open(root().join(path)).expect("the trace is committed");
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).expect("the trace is whole");
    text
}

#[test]
fn the_committed_arrivals_are_what_the_recorded_windows_make() {
    let made = renewal::arrivals_text(&renewal::shipped_windows().unwrap());
    let committed = unzipped("data/servegen-reason/arrivals.csv.gz");
    let times = |text: &str| -> Vec<f64> { text.lines().map(|line| line.parse().unwrap()).collect() };
    let (made, committed) = (times(&made), times(&committed));
    assert_eq!(made.len(), committed.len(), "make it anew: see the example servegen_arrivals");
    // Logarithms differ in the last bit between platforms, which may round a time the other way.
    assert!(made.iter().zip(&committed).all(|(made, committed)| (made - committed).abs() < 0.015));
}

#[test]
fn the_arrivals_follow_the_recorded_request_rate() {
    let windows = renewal::shipped_windows().unwrap();
    let times: Vec<f64> =
        unzipped("data/servegen-reason/arrivals.csv.gz").lines().map(|line| line.parse().unwrap()).collect();
    let mut start_s = renewal::EXCERPT_S.start;
    while start_s < renewal::EXCERPT_S.end {
        let at_start = windows.values().flatten().filter(|window| window.start_s == start_s);
        let expected = at_start.map(|window| window.rate_per_s).sum::<f64>() * renewal::WINDOW_S;
        let span_s =
            start_s - renewal::EXCERPT_S.start..start_s - renewal::EXCERPT_S.start + renewal::WINDOW_S;
        let made = times.iter().filter(|time_s| span_s.contains(time_s)).count() as f64;
        // Bursty clients send a good part of a window's requests in a few bursts.
        assert!((made / expected - 1.0).abs() < 0.15, "{span_s:?}: {made} of {expected}");
        start_s += renewal::WINDOW_S;
    }
}

#[test]
fn scenarios_of_recorded_arrivals_last_as_long_as_their_record_and_have_the_stated_load() {
    let path = root().join("scenarios/sets/test/real.json");
    let scenarios = scenario_file::read(&path).unwrap();
    assert_eq!(scenarios.len(), 4);
    for scenario in scenarios {
        let name = &scenario.name;
        let trace = scenario_file::trace(&path, &scenario).unwrap().expect("a trace");
        let population = Population::new(&scenario);
        let times: Vec<f64> =
            Arrivals::from_trace(&scenario, &population, &trace).map(|arrival| arrival.time_s).collect();
        assert!((60.0..=120.0).contains(&scenario.duration_s), "{name}");
        let last_s = times.last().copied().unwrap();
        assert!(
            (0.95..=1.0).contains(&(last_s / scenario.duration_s)),
            "{name} is silent from {last_s} s on"
        );
        let load = times.len() as f64 / scenario.duration_s / population.capacity_per_s();
        assert!((load / scenario.load - 1.0).abs() < 0.01, "{name}: {load}");
    }
}
