//! One scenario with one seed: the world that every contender meets, and what the oracle got in it.
//!
//! The only module that knows how the simulator is called.

use std::sync::Arc;
use std::time::{Duration, Instant};

use openclaw_controller::{Action, Controller, Observation};
use openclaw_scenario::Scenario;
use openclaw_sim::{Run, SimSettings, Simulation, World, oracle, score};

use super::contender::Contender;
use super::figures::Figures;
use super::outcome::{Outcome, Volumes};
use super::suite::Case;

/// What a trial's making takes, in courses: the oracle tries many settings of its own.
pub(crate) const ORACLE_COURSES: u64 = 16;

/// A world with its oracle.
#[derive(Debug)]
pub struct Trial {
    case: Case,
    seed: u64,
    world: Arc<World>,
    settings: SimSettings,
    oracle: Run,
}

/// One contender's course of a trial.
#[derive(Clone, Debug)]
pub struct Played {
    /// The row of the results.
    pub outcome: Outcome,
    /// Everything, second by second too.
    pub run: Run,
}

impl Trial {
    /// Makes the world of `case` for a seed, and lets the oracle play in it.
    #[must_use]
    pub fn new(case: &Case, seed: u64, slo_s: f64) -> Self {
        let settings = SimSettings { slo_s, ..SimSettings::default() };
        let world = Arc::new(World::new(Arc::clone(&case.scenario), case.trace.clone(), seed));
        let oracle = oracle(&world, &settings);
        Self { case: case.clone(), seed, world, settings, oracle }
    }

    /// What is played.
    #[must_use]
    pub fn case(&self) -> &Case {
        &self.case
    }

    /// Added to the scenario's own seed.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The scenario with the seed that is played.
    #[must_use]
    pub fn scenario(&self) -> &Scenario {
        self.world.scenario()
    }

    /// The configured start of the total admitted, in work units per second.
    #[must_use]
    pub fn start_per_s(&self) -> f64 {
        self.world.start_per_s()
    }

    /// The oracle's course, which the scores divide by.
    #[must_use]
    pub fn oracle(&self) -> &Run {
        &self.oracle
    }

    /// Lets a contender play. With `timed`, the outcome says what its decisions cost.
    #[must_use]
    pub fn play(&self, contender: &Contender, timed: bool) -> Played {
        let Some(controller) = contender.build(self.start_per_s()) else {
            return self.played(contender, self.oracle.clone(), None);
        };
        let settings = SimSettings { bounds: contender.bounds(), ..self.settings };
        let simulation = Simulation::in_world(Arc::clone(&self.world), settings);
        let mut stopwatch = Stopwatch { controller, decisions: timed.then(Vec::new) };
        let run = simulation.run(&mut stopwatch);
        self.played(contender, run, stopwatch.median_us())
    }

    /// JF of a contender's courses with service times drawn anew, `draws` of them; the first is the scenario's own.
    #[must_use]
    pub fn redrawn_jf(&self, contender: &Contender, draws: u64) -> Vec<f64> {
        let settings = SimSettings { bounds: contender.bounds(), ..self.settings };
        let jf = |draw: u64| {
            let mut controller = contender.build(self.start_per_s())?;
            let simulation = Simulation::in_world(Arc::new(self.world.redrawn(draw)), settings);
            Some(score(&simulation.run(controller.as_mut()), &self.oracle).jf)
        };
        (0..draws).filter_map(jf).collect()
    }

    /// ½(J + JF) of a contender: what is tuned by.
    #[must_use]
    pub fn objective(&self, contender: &Contender) -> f64 {
        self.play(contender, false).outcome.figures.objective()
    }

    fn played(&self, contender: &Contender, run: Run, decision_us: Option<f64>) -> Played {
        let outcome = Outcome {
            controller: contender.name.clone(),
            role: contender.role(),
            scenario: self.case.name.clone(),
            family: self.case.group.clone(),
            seed: self.seed,
            figures: self.figures(&run),
            volumes: self.volumes(&run),
            decision_us,
        };
        Played { outcome, run }
    }

    fn figures(&self, run: &Run) -> Figures {
        let scores = score(run, &self.oracle);
        Figures {
            g: scores.g,
            j: scores.j,
            jf: scores.jf,
            windows_over_slo: scores.over_slo,
            p50_ms: scores.p50_ms.unwrap_or(0.0),
            p95_ms: scores.p95_ms.unwrap_or(0.0),
            p99_ms: scores.p99_ms.unwrap_or(0.0),
            well_behaved_throttled: scores.well_behaved_throttled,
            jain: scores.jain,
            recovery_s: scores.recovery_s,
            oscillation: scores.oscillation,
            of_work_bound: scores.of_work_bound,
        }
    }

    fn volumes(&self, run: &Run) -> Volumes {
        let per_s = |count: u64| count as f64 / self.world.scenario().duration_s;
        let figures = &run.whole;
        Volumes {
            offered_per_s: per_s(figures.offered),
            accepted_per_s: per_s(figures.accepted),
            good_per_s: per_s(figures.good),
            oracle_good_per_s: per_s(self.oracle.whole.good),
            failed_per_s: per_s(figures.timeouts + figures.overflowed),
            throttled_fraction: figures.throttled as f64 / figures.offered.max(1) as f64,
        }
    }
}

/// Times every decision.
struct Stopwatch {
    controller: Box<dyn Controller>,
    /// `None` where nobody asked.
    decisions: Option<Vec<Duration>>,
}

impl Stopwatch {
    /// The median: a mean would tell how often the thread was taken off its core.
    fn median_us(mut self) -> Option<f64> {
        let decisions = self.decisions.as_mut().filter(|decisions| !decisions.is_empty())?;
        let middle = decisions.len() / 2;
        let (_, median, _) = decisions.select_nth_unstable(middle);
        Some(median.as_secs_f64() * 1e6)
    }
}

impl Controller for Stopwatch {
    fn name(&self) -> &'static str {
        self.controller.name()
    }

    fn decide(&mut self, seen: &Observation) -> Action {
        let Some(decisions) = &mut self.decisions else { return self.controller.decide(seen) };
        let begun = Instant::now();
        let action = self.controller.decide(seen);
        decisions.push(begun.elapsed());
        action
    }

    fn guards(&self) -> bool {
        self.controller.guards()
    }
}
