//! The oracle is a bound: no controller beats it, and it comes close to what can be done at all. And the score cannot
//! be won by refusing everybody, nor by refusing nobody.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::sync::Arc;

use openclaw_controller::{Action, Controller, ControllerKind, Fixed, Observation, SharedAction};
use openclaw_protocol::BucketPolicy;
use openclaw_scenario::families::{self, Family, Split};
use openclaw_scenario::{Scenario, ScenarioFile};
use openclaw_sim::{Run, SimSettings, Simulation, World, oracle, score};

/// Long enough for every disturbance, short enough for a test.
const DURATION_S: f64 = 24.0; // In 12 s one request of the costliest class is .6 % of all work.

fn shipped() -> Vec<Scenario> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scenarios");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    let read = |path| ScenarioFile::parse(&std::fs::read_to_string(path).unwrap()).unwrap().scenarios;
    let all = paths.iter().flat_map(read).filter(|scenario| scenario.arrivals.is_none());
    all.map(|scenario| scenario.scaled_to(DURATION_S)).collect()
}

fn world(scenario: Scenario) -> Arc<World> {
    Arc::new(World::new(Arc::new(scenario), None, 0))
}

fn start_per_s(world: &World) -> f64 {
    world.population().capacity_per_s() * world.scenario().initial_rate_factor
}

fn run(world: &Arc<World>, controller: &mut dyn Controller) -> Run {
    Simulation::in_world(Arc::clone(world), SimSettings::default()).run(controller)
}

fn everyone_gets(per_s: f64) -> Fixed {
    Fixed::new(BucketPolicy { bucket_size: per_s, refill_rate: per_s })
}

#[test]
fn no_controller_beats_the_oracle_on_a_shipped_scenario() {
    let scenarios = shipped();
    assert!(scenarios.len() >= 10);
    for scenario in scenarios {
        let world = world(scenario);
        let best = oracle(&world, &SimSettings::default());
        for kind in ControllerKind::ALL {
            let run = run(&world, &mut *kind.build(start_per_s(&world), &[]));
            let jf = score(&run, &best).jf;
            // Where there is room for all, who let which request in first decides a few of them.
            assert!(jf <= 1.001, "{} on {}: {jf}", kind.name(), run.scenario);
        }
    }
}

#[test]
fn the_oracle_comes_within_three_percent_of_the_work_bound_on_the_classic_family() {
    let samples = 2 * Family::Classic.kinds().len();
    let mut shares = Vec::new();
    for index in 0..samples as u64 {
        let world = world(families::sample_lasting(Family::Classic, Split::Training, index, 12.0..=12.0));
        let best = oracle(&world, &SimSettings::default());
        let share = score(&best, &best).of_work_bound;
        assert!(share > 0.9, "{}: {share}", best.scenario);
        shares.push(share);
    }
    let mean = shares.iter().sum::<f64>() / shares.len() as f64;
    assert!(mean >= 0.97, "{mean} over {shares:?}");
}

/// The mean score and the mean reward per decision of a controller on all shipped scenarios.
fn worth(make: impl Fn(&World) -> Box<dyn Controller>, bests: &[(Arc<World>, Run)]) -> (f64, f64) {
    let (mut scores, mut rewards, mut decisions) = (0.0, 0.0, 0.0);
    for (world, best) in bests {
        let mut simulation = Simulation::in_world(Arc::clone(world), SimSettings::default());
        let mut controller = make(world);
        while let Some(seen) = simulation.next_decision() {
            rewards += simulation.tick_outcome().reward();
            decisions += 1.0;
            if let Some(seen) = seen {
                simulation.act(&controller.decide(&seen));
            }
        }
        scores += score(&simulation.finish(controller.name()), best).jf;
    }
    (scores / bests.len() as f64, rewards / decisions)
}

/// Shares next to nothing.
struct Reject;

impl Controller for Reject {
    fn name(&self) -> &'static str {
        "reject"
    }

    fn guards(&self) -> bool {
        false
    }

    fn decide(&mut self, _: &Observation) -> Action {
        Action::Shared(SharedAction::new(1e-3, None, 0.1, 1.0))
    }
}

#[test]
fn refusing_everybody_and_refusing_nobody_are_both_worth_less_than_aimd() {
    let worlds = shipped().into_iter().map(world);
    let bests: Vec<_> = worlds
        .map(|world| {
            let best = oracle(&world, &SimSettings::default());
            (world, best)
        })
        .collect();
    let aimd = worth(|world| ControllerKind::Aimd.build(start_per_s(world), &[]), &bests);
    let little_guard = worth(|world| ControllerKind::LittleGuard.build(start_per_s(world), &[]), &bests);
    let everybody = worth(|_| Box::new(everyone_gets(1e6)), &bests);
    let nobody = worth(|_| Box::new(Reject), &bests);
    assert!(everybody.0 < aimd.0 && nobody.0 < aimd.0, "{everybody:?} {nobody:?} {aimd:?}");
    assert!(everybody.1 < aimd.1 && nobody.1 < aimd.1, "{everybody:?} {nobody:?} {aimd:?}");
    assert!(aimd.0 < little_guard.0 && aimd.1 < little_guard.1, "{aimd:?} {little_guard:?}");
}
