//! What little-guard is trusted with as the default: it holds under what never ends, and what it knows is worth it.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::sync::Arc;

use openclaw_controller::LittleGuard;
use openclaw_scenario::families::{Family, Split, sample};
use openclaw_scenario::{Scenario, ScenarioFile};
use openclaw_sim::{Run, SimSettings, Simulation};

fn run(scenario: Scenario, controller: fn(f64) -> LittleGuard) -> Run {
    let simulation = Simulation::new(Arc::new(scenario), None, SimSettings::default(), 0);
    let world = simulation.world();
    let start_per_s = world.population().capacity_per_s() * world.scenario().initial_rate_factor;
    simulation.run(&mut controller(start_per_s))
}

/// Two and a half times what the service can do, for minutes, without a pause.
fn endless_overload(instrumented: bool) -> Scenario {
    let text = serde_json::json!({"scenarios": [{
        "name": "endless", "description": "an overload without pause", "seed": 7, "durationS": 150,
        "service": {"workers": 32, "serviceTime": {"distribution": "lognormal", "meanMs": 25, "cv": 0.7},
            "queueMax": 1000, "clientTimeoutMs": 1000},
        "load": 2.5, "users": {"count": 100, "zipf": 0.9, "burstyFraction": 0, "onFraction": 0.3, "onMeanS": 2},
        "clients": {"retryProbabilities": [1, 0, 0], "ignoreBackoffFraction": 0},
        "instrumented": instrumented,
    }]});
    ScenarioFile::parse(&text.to_string()).unwrap().scenarios.remove(0)
}

#[test]
fn an_overload_that_never_pauses_does_not_raise_the_guard_time() {
    for instrumented in [true, false] {
        let run = run(endless_overload(instrumented), LittleGuard::new);
        let guards: Vec<f64> = run.timeline.iter().filter_map(|second| second.guard_ms).collect();
        let highest = |seconds: &[f64]| seconds.iter().copied().fold(0.0, f64::max);
        let (early, late) = (highest(&guards[5..25]), highest(&guards[80..]));
        // Without the probe: 91 ms early, 163 ms after 200 s.
        assert!(late < 1.25 * early, "instrumented {instrumented}: from {early} to {late} ms");
        assert!(run.p95_ms.unwrap() < 140.0, "instrumented {instrumented}: {:?}", run.p95_ms);
        let figures = run.figures;
        assert!(figures.good_work_in_slo > 0.96 * figures.entitled_work, "{figures:?}");
    }
}

#[test]
fn knowing_classes_and_dependencies_is_worth_it_and_never_ruinous() {
    let (mut aware, mut blind) = (0.0, 0.0);
    // Cost classes, network budget and dependency, eight of each; the other two kinds have nothing to know.
    let indices = (0..40).filter(|index| index % 5 < 3);
    for index in indices.clone() {
        let scenario = sample(Family::Hard, Split::Training, index);
        let fair = |controller| {
            let figures = run(scenario.clone(), controller).figures;
            figures.fair_work_in_slo / figures.entitled_work
        };
        let (of_aware, of_blind) = (fair(LittleGuard::new), fair(LittleGuard::blind));
        assert!(of_aware > of_blind - 0.15, "{}: {of_aware:.3} against {of_blind:.3}", scenario.name);
        aware += of_aware;
        blind += of_blind;
    }
    let mean_gain = (aware - blind) / indices.count() as f64;
    assert!(mean_gain > 0.01, "{mean_gain:.3}");
}
