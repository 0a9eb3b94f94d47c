//! The simulator as a learner sees it: many services at once, one decision of each per step.
//!
//! Each service plays scenarios one after another. Which comes next follows from the seed, the service's number and
//! how many it has begun, never from what another one does, so they can be stepped on any number of threads.
//! Observations and actions go through the very [`PolicyHead`] that serves decisions, with a lower floor.

use openclaw_controller::policy::{ACTIONS, DiscreteActions, LAYOUT, OBSERVATION, Output, PolicyHead};
use openclaw_controller::{Action, Observation};
use openclaw_learn::{ActionSpace, Actions, End, EnvSpec, StepOut, VecEnv};
use openclaw_sim::{SimSettings, Simulation};

use super::curriculum::Curriculum;
use super::twin::Twin;

/// Services under training.
#[derive(Debug)]
pub(super) struct Services {
    services: Vec<Service>,
    curriculum: Curriculum,
    /// Whether actions are choices among [`DiscreteActions`].
    discrete: bool,
    /// Whether rewards are what little-guard's in the same world are less.
    relative: bool,
    threads: usize,
    /// Decisions taken by all services together; says how far the curriculum is.
    steps: u64,
}

#[derive(Debug)]
struct Service {
    number: u64,
    begun: u64,
    simulation: Simulation,
    head: PolicyHead,
    seen: Option<Observation>,
    twin: Twin,
    features: Vec<f32>,
    last_features: Vec<f32>,
    reward: f32,
    end: End,
}

/// What a service's next scenario follows from.
#[derive(Clone, Copy)]
struct Plan<'a> {
    curriculum: &'a Curriculum,
    steps: u64,
    relative: bool,
}

impl Services {
    /// `count` services that play what `curriculum` says, stepped on at most `threads` threads.
    pub(super) fn new(
        count: usize,
        threads: usize,
        curriculum: Curriculum,
        discrete: bool,
        relative: bool,
    ) -> Self {
        let services = (0..count as u64).map(|number| Service::new(number, &curriculum)).collect();
        Self { services, curriculum, discrete, relative, threads: threads.max(1), steps: 0 }
    }

    /// Goes on in the curriculum where so many decisions had been taken.
    pub(super) fn resume_at(&mut self, steps: u64) {
        self.steps = steps;
    }

    /// Lets `work` happen to every service; services share nothing, so threads change nothing.
    fn each(&mut self, work: impl Fn(usize, &mut Service, Plan<'_>) + Sync) {
        let plan = Plan { curriculum: &self.curriculum, steps: self.steps, relative: self.relative };
        let work = &work;
        let size = self.services.len().div_ceil(self.threads).max(1);
        let part = |first: usize, services: &mut [Service]| {
            for (place, service) in services.iter_mut().enumerate() {
                work(first + place, service, plan);
            }
        };
        let mut parts = self.services.chunks_mut(size).enumerate();
        let own = parts.next();
        std::thread::scope(|scope| {
            for (number, services) in parts {
                scope.spawn(move || part(number * size, services));
            }
            if let Some((_, services)) = own {
                part(0, services);
            }
        });
    }

    fn write(&self, observations: &mut [f32]) {
        for (row, service) in observations.chunks_exact_mut(OBSERVATION).zip(&self.services) {
            row.copy_from_slice(&service.features);
        }
    }
}

impl VecEnv for Services {
    fn spec(&self) -> EnvSpec {
        let (action, layout) = if self.discrete {
            (ActionSpace::Discrete { count: DiscreteActions::COUNT }, Output::Choice.layout())
        } else {
            (ActionSpace::Continuous { len: ACTIONS }, LAYOUT)
        };
        EnvSpec { envs: self.services.len(), observation_len: OBSERVATION, action, layout }
    }

    fn reset(&mut self, seed: u64, observations: &mut [f32]) {
        self.curriculum.begin(seed);
        self.each(|_, service, plan| {
            service.begun = 0;
            service.begin(plan);
        });
        self.write(observations);
    }

    fn step(&mut self, actions: Actions<'_>, out: &mut StepOut) {
        self.each(|place, service, plan| match actions {
            Actions::Continuous(rows) => service.step(&rows[place * ACTIONS..][..ACTIONS], plan),
            Actions::Discrete(choices) => {
                let mut row = [0.0; ACTIONS];
                DiscreteActions::outputs(choices[place] as usize, &mut row);
                service.step(&row, plan);
            }
        });
        self.steps += self.services.len() as u64;
        self.write(&mut out.observations);
        for (place, service) in self.services.iter().enumerate() {
            (out.rewards[place], out.ends[place]) = (service.reward, service.end);
            if service.end == End::Truncated {
                out.final_observations[place * OBSERVATION..][..OBSERVATION]
                    .copy_from_slice(&service.last_features);
            }
        }
    }
}

impl Service {
    fn new(number: u64, curriculum: &Curriculum) -> Self {
        let world = curriculum.world(number, 0, 0);
        let features = vec![0.0; OBSERVATION];
        Self {
            number,
            begun: 0,
            head: PolicyHead::learning(world.start_per_s()),
            simulation: Simulation::in_world(world, SimSettings::default()),
            seen: None,
            twin: Twin::default(),
            last_features: features.clone(),
            features,
            reward: 0.0,
            end: End::Running,
        }
    }

    /// Begins this service's next scenario, and runs to its first observation.
    fn begin(&mut self, plan: Plan<'_>) {
        loop {
            let world = plan.curriculum.world(self.number, self.begun, plan.steps);
            self.begun += 1;
            self.twin = if plan.relative { Twin::play(&world) } else { Twin::default() };
            self.head = PolicyHead::learning(world.start_per_s());
            self.simulation = Simulation::in_world(world, SimSettings::default());
            // A scenario in which nothing is ever measured teaches nothing.
            if self.observe() {
                // What came before the first decision is nobody's merit.
                self.twin.paid_until(self.simulation.now_s());
                return;
            }
        }
    }

    /// Runs to the next decision that has something to go by; false at the scenario's end.
    fn observe(&mut self) -> bool {
        loop {
            match self.simulation.next_decision() {
                None => return false,
                Some(None) => {}
                Some(Some(seen)) => {
                    self.head.features(&seen, &mut self.features);
                    self.seen = Some(seen);
                    return true;
                }
            }
        }
    }

    fn step(&mut self, raw: &[f32], plan: Plan<'_>) {
        if let Some(seen) = &self.seen {
            let decided = self.head.action(seen, raw);
            self.simulation.act(&Action::Shared(decided.shared));
        }
        let goes_on = self.observe();
        let twin = self.twin.paid_until(self.simulation.now_s());
        self.reward = (self.simulation.tick_outcome().reward() - twin) as f32;
        self.end = if goes_on { End::Running } else { End::Truncated };
        if !goes_on {
            // Time is up, which the observation does not show. The row that was acted on stands for the one that
            // would have come next.
            self.last_features.copy_from_slice(&self.features);
            self.begin(plan);
        }
    }
}
