//! Whole courses: nothing is lost, nothing depends on anything but the seed.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::sync::Arc;

use openclaw_controller::{Action, Controller, Fixed, LittleGuard, Observation};
use openclaw_protocol::BucketPolicy;
use openclaw_scenario::{Scenario, ScenarioFile};
use openclaw_sim::{Run, SimSettings, Simulation, World};

fn shipped(name: &str) -> Arc<Scenario> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scenarios");
    let text = std::fs::read_to_string(format!("{folder}/{name}.json")).unwrap();
    Arc::new(ScenarioFile::parse(&text).unwrap().scenarios.remove(0))
}

fn start_per_s(world: &World) -> f64 {
    world.population().capacity_per_s() * world.scenario().initial_rate_factor
}

fn little_guard(scenario: Arc<Scenario>, seed_offset: u64) -> Run {
    let simulation = Simulation::new(scenario, None, SimSettings::default(), seed_offset);
    let mut controller = LittleGuard::new(start_per_s(simulation.world()));
    simulation.run(&mut controller)
}

fn json(run: &Run) -> String {
    serde_json::to_string(run).unwrap()
}

/// Gives every user the same.
fn fixed(refill_rate: f64) -> Fixed {
    Fixed::new(BucketPolicy { bucket_size: (1.5 * refill_rate).max(1.2), refill_rate })
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_one_others() {
    for name in ["demo", "retry-storm", "costly-class", "slow-dependency"] {
        let run = |seed_offset| json(&little_guard(shipped(name), seed_offset));
        assert_eq!(run(1), run(1), "{name}");
        assert_ne!(run(1), run(2), "{name}");
    }
}

#[test]
fn every_attempt_is_refused_or_admitted_and_every_admitted_one_ends_or_is_in_flight() {
    for name in ["demo", "retry-storm", "costly-class", "slow-dependency", "pauses"] {
        for (controller, run) in [
            ("little-guard", little_guard(shipped(name), 0)),
            ("static", Simulation::new(shipped(name), None, SimSettings::default(), 0).run(&mut fixed(1e4))),
        ] {
            let all = run.whole;
            assert!(all.offered > 5_000, "{name}: {all:?}");
            assert_eq!(all.offered, all.throttled + all.accepted, "{name} under {controller}");
            let ended = all.good + all.late + all.timeouts + all.overflowed;
            assert_eq!(all.accepted, ended + all.in_flight, "{name} under {controller}");
            assert_eq!(run.timeline.iter().map(|second| second.offered).sum::<u64>(), all.offered);
        }
    }
}

#[test]
fn all_controllers_face_the_same_demand_and_capacity() {
    let scenario = shipped("demo");
    let strict = Simulation::new(scenario.clone(), None, SimSettings::default(), 3).run(&mut fixed(1.0));
    let lax = Simulation::new(scenario, None, SimSettings::default(), 3).run(&mut fixed(1e4));
    assert!(strict.whole.accepted * 2 < lax.whole.accepted);
    assert_eq!(strict.timeline.len(), lax.timeline.len());
    for (strict, lax) in strict.timeline.iter().zip(&lax.timeline) {
        assert_eq!(strict.first_attempts, lax.first_attempts);
        assert_eq!((strict.capacity, strict.entitled_work), (lax.capacity, lax.entitled_work));
    }
}

#[test]
fn stepping_by_decisions_is_the_same_as_a_run() {
    let scenario = shipped("step-drop");
    let mut simulation = Simulation::new(scenario.clone(), None, SimSettings::default(), 0);
    let mut controller = LittleGuard::new(start_per_s(simulation.world()));
    while let Some(seen) = simulation.next_decision() {
        if let Some(seen) = seen {
            simulation.act(&controller.decide(&seen));
        }
    }
    assert_eq!(json(&simulation.finish("little-guard")), json(&little_guard(scenario, 0)));
}

/// What the outcomes of all ticks add up to.
#[test]
fn the_outcomes_of_the_ticks_add_up_to_the_whole() {
    let mut simulation = Simulation::new(shipped("costly-class"), None, SimSettings::default(), 0);
    let mut controller = LittleGuard::new(start_per_s(simulation.world()));
    let (mut good, mut fair, mut elapsed_s, mut offered) = (0.0, 0.0, 0.0, 0.0);
    let mut add = |simulation: &Simulation| {
        let outcome = simulation.tick_outcome();
        good += outcome.inputs.good;
        fair += outcome.inputs.fair_gain;
        elapsed_s += outcome.elapsed_s;
        offered += outcome.offered;
    };
    while let Some(seen) = simulation.next_decision() {
        add(&simulation);
        if let Some(seen) = seen {
            simulation.act(&controller.decide(&seen));
        }
    }
    add(&simulation);
    let run = simulation.finish("little-guard");
    let timeline_fair: f64 = run.timeline.iter().map(|second| second.fair_work).sum();
    assert!((good - run.whole.good_work).abs() < 1e-6);
    assert!((fair - timeline_fair).abs() < 1e-6);
    assert!((elapsed_s - 30.0).abs() < 1e-6);
    assert!(offered > 0.0);
}

/// Notes when it was asked, and what it saw.
struct Witness {
    inner: LittleGuard,
    seen: Vec<Observation>,
}

impl Controller for Witness {
    fn name(&self) -> &'static str {
        "witness"
    }

    fn guards(&self) -> bool {
        true
    }

    fn decide(&mut self, seen: &Observation) -> Action {
        self.seen.push(*seen);
        self.inner.decide(seen)
    }
}

fn witness(change: impl Fn(&mut Scenario)) -> (Vec<Observation>, Run) {
    let mut scenario = (*shipped("steady")).clone();
    change(&mut scenario);
    let simulation = Simulation::new(Arc::new(scenario), None, SimSettings::default(), 0);
    let mut witness = Witness { inner: LittleGuard::new(start_per_s(simulation.world())), seen: Vec::new() };
    let run = simulation.run(&mut witness);
    (witness.seen, run)
}

#[test]
fn delayed_feedback_is_as_old_as_it_says() {
    let (prompt, _) = witness(|_| {});
    let (late, _) = witness(|scenario| scenario.feedback.delay_ms = 350.0);
    assert_eq!(prompt[0].now_ns, 100_000_000);
    assert_eq!(late[0].now_ns, 450_000_000);
    // What was seen after the first tick is the same, only later: until then nothing was decided.
    assert_eq!(late[0].samples, prompt[0].samples);
    assert_eq!(late[0].in_flight, prompt[0].in_flight);
}

#[test]
fn lost_reports_lose_events_and_decisions_but_no_counts() {
    let (all, whole) = witness(|_| {});
    let (some, lossy) = witness(|scenario| scenario.feedback.loss_fraction = 0.3);
    let lost = all.len() - some.len();
    assert!((60..120).contains(&lost), "{lost} of {} reports", all.len());
    assert_eq!(lossy.decisions, some.len() as u64);
    // Every event that arrives is seen for ten decisions.
    let events = |seen: &[Observation]| seen.iter().map(|seen| seen.samples as f64).sum::<f64>() / 10.0;
    let arrived = events(&some) / events(&all);
    assert!((arrived - some.len() as f64 / all.len() as f64).abs() < 0.05, "{arrived} of the events");
    // At 60 % load nearly everybody gets all they ask for, whatever is lost.
    assert_eq!(lossy.figures.first_attempts, whole.figures.first_attempts);
    assert!(lossy.figures.good_work > 0.98 * whole.figures.good_work);
    let demand = |seen: &[Observation]| {
        let late = &seen[seen.len() / 2..];
        late.iter().map(|seen| seen.demand_slow_per_s).sum::<f64>() / late.len() as f64
    };
    assert!((demand(&some) / demand(&all) - 1.0).abs() < 0.02);
}

#[test]
fn courses_may_run_on_any_thread_and_share_their_world() {
    fn is_send<T: Send>(_: &T) {}
    fn is_sync<T: Sync>(_: &T) {}
    let world = Arc::new(World::new(shipped("steady"), None, 0));
    is_sync(&*world);
    is_send(&Simulation::in_world(Arc::clone(&world), SimSettings::default()));
    let runs = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let simulation = Simulation::in_world(Arc::clone(&world), SimSettings::default());
                    json(&simulation.run(&mut LittleGuard::new(start_per_s(&world))))
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(runs[0], runs[1]);
}
