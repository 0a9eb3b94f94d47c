//! One course of a scenario under one controller, decision by decision or at a stretch.

use std::sync::Arc;

use openclaw_controller::{Action, Controller, Observation};
use openclaw_scenario::{ArrivalTrace, Scenario};

use crate::engine::Engine;
use crate::run::Run;
use crate::service::{Service, StandsFor};
use crate::settings::SimSettings;
use crate::tick::TickOutcome;
use crate::world::World;

/// A simulated service, with the production code before it and a controller beside it.
///
/// ```
/// use std::sync::Arc;
/// use openclaw_controller::{Controller, LittleGuard};
/// use openclaw_scenario::demo;
/// use openclaw_sim::{SimSettings, Simulation};
///
/// let scenario = Arc::new(demo().scaled_to(3.0));
/// let mut simulation = Simulation::new(scenario, None, SimSettings::default(), 0);
/// let mut controller = LittleGuard::new(800.0);
/// let mut rewards = 0.0;
/// while let Some(seen) = simulation.next_decision() {
///     rewards += simulation.tick_outcome().reward();
///     // Nothing is seen before the first latency was reported.
///     if let Some(seen) = seen {
///         simulation.act(&controller.decide(&seen));
///     }
/// }
/// assert!(rewards > 0.0);
/// assert!(simulation.finish("little-guard").figures.good > 0);
/// ```
#[derive(Debug)]
pub struct Simulation {
    engine: Engine<Service>,
    settings: SimSettings,
    /// Whether a decision point was reached that the next call leaves.
    stopped: bool,
}

impl Simulation {
    /// A course of `scenario` before its first request, for an evaluation seed (see [`World::new`]). A `trace`
    /// takes the place of the demand model.
    #[must_use]
    pub fn new(
        scenario: Arc<Scenario>,
        trace: Option<Arc<ArrivalTrace>>,
        settings: SimSettings,
        seed_offset: u64,
    ) -> Self {
        Self::in_world(Arc::new(World::new(scenario, trace, seed_offset)), settings)
    }

    /// The same in a world that others use too.
    #[must_use]
    pub fn in_world(world: Arc<World>, settings: SimSettings) -> Self {
        Self::standing_for(world, settings, StandsFor { guards: true, is_aware: true })
    }

    #[expect(clippy::expect_used, reason = "the simulator's own ids are ids")]
    fn standing_for(world: Arc<World>, settings: SimSettings, stands_for: StandsFor) -> Self {
        let service = Service::new(&world, settings, stands_for).expect("the simulator's own ids are ids");
        let tick_s = settings.tick_ns as f64 / 1e9;
        Self { engine: Engine::new(world, service, settings.slo_s, tick_s), settings, stopped: false }
    }

    /// A course for a controller that is asked from outside: the loop treats it as it treats `controller`, which
    /// [`in_world`](Self::in_world) takes for one that uses the guard and tells classes apart.
    #[must_use]
    pub fn for_controller(world: Arc<World>, settings: SimSettings, controller: &dyn Controller) -> Self {
        let stands_for = StandsFor { guards: controller.guards(), is_aware: controller.is_aware() };
        Self::standing_for(world, settings, stands_for)
    }

    /// What is simulated.
    #[must_use]
    pub fn world(&self) -> &Arc<World> {
        &self.engine.world
    }

    /// Runs to the next decision: when a report has arrived, every tick unless one was lost. `None` at the end of
    /// the course; the inner `None` while no latency has been reported yet. Where nobody acts on a decision, the
    /// last action holds on.
    pub fn next_decision(&mut self) -> Option<Option<Observation>> {
        if std::mem::take(&mut self.stopped) {
            self.engine.admission.conclude(self.engine.now_s());
            self.engine.restart_tick();
        }
        self.stopped = self.engine.run();
        self.stopped.then(|| self.engine.admission.observation())
    }

    /// Lets `action` hold from the present decision on. Without an observation to act on it does nothing.
    pub fn act(&mut self, action: &Action) {
        self.engine.admission.act(action, self.engine.now_s());
    }

    /// What happened between the decision before and this one (or the end of the course), from all that the
    /// simulator knows.
    #[must_use]
    pub fn tick_outcome(&self) -> TickOutcome {
        self.engine.outcome()
    }

    /// Now, in seconds since the scenario's start.
    #[must_use]
    pub fn now_s(&self) -> f64 {
        self.engine.now_s()
    }

    /// The figures of a course that [`next_decision`](Self::next_decision) has brought to its end; what has not
    /// happened yet is missing from them.
    #[must_use]
    pub fn finish(self, controller: &str) -> Run {
        let decisions = self.engine.admission.decisions;
        self.engine.finish(controller, decisions)
    }

    /// The whole course under `controller`, from its first instant.
    #[must_use]
    pub fn run(self, controller: &mut dyn Controller) -> Run {
        let world = Arc::clone(self.world());
        let mut course = Self::for_controller(world, self.settings, controller);
        while let Some(seen) = course.next_decision() {
            if let Some(seen) = seen {
                course.act(&controller.decide(&seen));
            }
        }
        course.finish(controller.name())
    }
}
