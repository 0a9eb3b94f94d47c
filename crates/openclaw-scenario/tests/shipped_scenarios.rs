//! Every file under `scenarios/` is valid and does what its name says.

use std::path::{Path, PathBuf};

use openclaw_scenario::{Arrivals, CapacityTimeline, Population, Scenario, ScenarioFile};

fn files() -> Vec<PathBuf> {
    files_of("../../scenarios")
}

fn files_of(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = std::fs::read_dir(folder).expect("the folder of scenarios");
    let paths = entries.map(|entry| entry.expect("a readable folder").path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "json")).collect()
}

fn read(path: &Path) -> Vec<Scenario> {
    let text = std::fs::read_to_string(path).expect("a readable file");
    ScenarioFile::parse(&text).unwrap_or_else(|errors| panic!("{}:\n{errors}", path.display())).scenarios
}

#[test]
fn all_are_valid_and_named_after_their_file() {
    let real = files_of("../../scenarios/real");
    assert!(files().len() >= 10 && real.len() >= 5);
    for path in files().into_iter().chain(real) {
        let names: Vec<String> = read(&path).into_iter().map(|scenario| scenario.name).collect();
        assert_eq!(names, [path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default()]);
    }
}

/// First attempts per second of undisturbed capacity, over whole seconds.
fn demand_over_capacity(scenario: &Scenario) -> Vec<f64> {
    let users = Population::new(scenario);
    let mut per_second = vec![0.0; scenario.duration_s.ceil() as usize];
    for arrival in Arrivals::new(scenario, &users) {
        per_second[arrival.time_s as usize] += 1.0 / users.capacity_per_s();
    }
    per_second
}

#[test]
fn the_demo_is_calm_then_overloaded_three_times() {
    let demo = openclaw_scenario::demo();
    let demand = demand_over_capacity(&demo);
    let capacity = CapacityTimeline::for_service(&demo);
    let overload = |from: usize, to: usize| {
        let ratio = |second: usize| demand[second] / capacity.mean_level(second as f64, second as f64 + 1.0);
        (from..to).map(ratio).sum::<f64>() / (to - from) as f64
    };
    let phases = [overload(0, 10), overload(10, 24), overload(32, 44), overload(49, 56)];
    assert!((0.6..0.9).contains(&phases[0]), "calm: {phases:?}");
    assert!((1.7..2.3).contains(&phases[1]), "flash crowd: {phases:?}");
    assert!((1.2..2.0).contains(&phases[2]), "abusive users: {phases:?}");
    assert!((1.2..1.8).contains(&phases[3]), "half of the workers: {phases:?}");
}

#[test]
fn the_steady_scenario_never_exceeds_its_capacity() {
    let path = files().into_iter().find(|path| path.ends_with("steady.json")).expect("steady.json");
    let demand = demand_over_capacity(&read(&path)[0]);
    assert!(demand.iter().all(|demand| *demand < 1.0), "{demand:?}");
}

#[test]
fn what_is_played_in_real_time_is_short_and_small_enough_for_two_processors() {
    for path in files_of("../../scenarios/real") {
        for scenario in read(&path) {
            assert!((30.0..=40.0).contains(&scenario.duration_s), "{}", path.display());
            let users = Population::new(&scenario);
            let mut attempts = vec![0_u32; 41];
            for arrival in Arrivals::new(&scenario, &users) {
                attempts[arrival.time_s as usize] += 1 + u32::from(arrival.retries_max);
            }
            let busiest = attempts.into_iter().max().unwrap_or(0);
            assert!((200..=1500).contains(&busiest), "{}: {busiest} in a second", path.display());
        }
    }
}
