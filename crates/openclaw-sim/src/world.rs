//! What every controller on a scenario faces: who the users are, what their requests cost, what the workers can do.
//!
//! Made once per scenario and seed, and shared by all simulations of it: they differ in what is let through, and in
//! nothing else.

use std::sync::Arc;

use openclaw_protocol::{Context, UserId};
use openclaw_scenario::{
    ArrivalTrace, CapacityTimeline, Population, RequestClass, Scenario, ServiceTime, SharedArrivals,
};

/// One class of requests.
#[derive(Clone, Debug)]
pub(crate) struct Class {
    /// Mean service time over that of a plain request: the work of one request.
    pub(crate) cost: f64,
    /// Part of every latency of the class, in seconds.
    pub(crate) network_delay_s: f64,
    /// What the events of the class say.
    pub(crate) context: Context,
}

/// The service, or one dependency.
#[derive(Clone, Debug)]
pub(crate) struct Stage {
    pub(crate) workers: f64,
    /// Service time of a plain request.
    pub(crate) service_time: ServiceTime,
    pub(crate) timeline: CapacityTimeline,
}

/// One realisation of a scenario.
#[derive(Clone, Debug)]
pub struct World {
    pub(crate) scenario: Arc<Scenario>,
    pub(crate) population: Arc<Population>,
    trace: Option<Arc<ArrivalTrace>>,
    /// What service times and calls to dependencies are drawn by.
    pub(crate) draws_seed: u64,
    pub(crate) ids: Vec<UserId>,
    pub(crate) classes: Vec<Class>,
    /// The service first.
    pub(crate) stages: Vec<Stage>,
}

impl World {
    /// The realisation of `scenario` for an evaluation seed: 0 keeps the scenario's own seed, every other number
    /// gives another one. A `trace` takes the place of the demand model.
    ///
    /// # Panics
    /// If the scenario has users whose generated ids are no ids, which the parser's bounds exclude.
    #[must_use]
    pub fn new(scenario: Arc<Scenario>, trace: Option<Arc<ArrivalTrace>>, seed_offset: u64) -> Self {
        let scenario = match seed_offset {
            0 => scenario,
            _ => Arc::new(Scenario { seed: mixed(scenario.seed, seed_offset), ..(*scenario).clone() }),
        };
        let population = Arc::new(Population::new(&scenario));
        let ids = (0..scenario.users.count).map(|user| user_id(&Population::user_id(user))).collect();
        let classes =
            (0..=scenario.request_classes.len()).map(|class| Class::new(&scenario, class)).collect();
        let stages = stages(&scenario);
        Self { draws_seed: scenario.seed, scenario, population, trace, ids, classes, stages }
    }

    /// The same users, attempts and disturbances, and other luck: service times and calls to dependencies are drawn
    /// anew. Draw 0 is the scenario's own.
    #[must_use]
    pub fn redrawn(&self, draw: u64) -> Self {
        let draws_seed = if draw == 0 { self.scenario.seed } else { mixed(self.scenario.seed, !draw) };
        Self { draws_seed, ..self.clone() }
    }

    /// The scenario, with the seed that is played.
    #[must_use]
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// The configured start of the total admitted, in work units per second.
    #[must_use]
    pub fn start_per_s(&self) -> f64 {
        self.scenario.initial_rate_factor * self.population.capacity_per_s()
    }

    /// Who sends.
    #[must_use]
    pub fn population(&self) -> &Population {
        &self.population
    }

    pub(crate) fn arrivals(&self) -> SharedArrivals {
        let (scenario, population) = (Arc::clone(&self.scenario), Arc::clone(&self.population));
        match &self.trace {
            Some(trace) => SharedArrivals::from_trace(scenario, population, Arc::clone(trace)),
            None => SharedArrivals::new(scenario, population),
        }
    }

    pub(crate) fn class_of(&self, user: u32) -> usize {
        usize::from(self.population.users()[user as usize].class)
    }
}

impl Class {
    fn new(scenario: &Scenario, class: usize) -> Self {
        let told = scenario.class(class);
        Self {
            cost: scenario.service_time_factor(class),
            network_delay_s: told.map_or(0.0, |class| class.network_delay_ms / 1e3),
            context: told.map_or_else(Context::default, context),
        }
    }
}

fn context(class: &RequestClass) -> Context {
    let shared = |field: &Option<String>| field.as_deref().map(Arc::from);
    Context {
        device_type: shared(&class.context.device_type),
        network_quality: shared(&class.context.network_quality),
        region: shared(&class.context.region),
    }
}

fn stages(scenario: &Scenario) -> Vec<Stage> {
    let service = Stage {
        workers: f64::from(scenario.service.workers),
        service_time: scenario.service.service_time,
        timeline: CapacityTimeline::for_service(scenario),
    };
    let dependencies = scenario.dependencies.iter().enumerate().filter_map(|(index, dependency)| {
        Some(Stage {
            workers: f64::from(dependency.workers),
            service_time: dependency.service_time,
            timeline: CapacityTimeline::for_dependency(scenario, index)?,
        })
    });
    std::iter::once(service).chain(dependencies).collect()
}

#[expect(clippy::expect_used, reason = "generated ids are short and never empty")]
fn user_id(text: &str) -> UserId {
    UserId::new(text).expect("a generated id is an id")
}

/// Another seed for every offset: the finalizer of SplitMix64 over the two.
fn mixed(seed: u64, offset: u64) -> u64 {
    let mut mixed = seed ^ offset.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
