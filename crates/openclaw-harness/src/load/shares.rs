//! What the users of a scenario are entitled to while it is played, by the ledger that simulated courses are scored with.
//!
//! A ledger opens a window with everything that is first asked for in it, and the plan of a scenario tells that
//! beforehand.

use std::sync::Arc;

use openclaw_scenario::{Arrival, CapacityTimeline, FAIR_WINDOW_S, FairLedger, Scenario, SharedArrivals};

use super::plan::ScenarioTraffic;

/// What the stages of a scenario can do.
#[derive(Clone, Debug)]
pub(super) struct Capacity {
    /// The service, then the dependencies, with their workers.
    stages: Vec<(CapacityTimeline, f64)>,
    /// Seconds of a worker that a plain request takes at the service.
    plain_work_s: f64,
}

/// Everybody's entitlement so far.
#[derive(Debug)]
pub(super) struct FairShares {
    ledger: FairLedger,
    capacity: Capacity,
    arrivals: SharedArrivals,
    /// The first arrival after the windows that are open.
    next: Option<Arrival>,
    windows: u32,
    duration_s: f64,
}

impl Capacity {
    fn new(scenario: &Scenario) -> Self {
        let service = (CapacityTimeline::for_service(scenario), f64::from(scenario.service.workers));
        let dependencies = scenario.dependencies.iter().enumerate().filter_map(|(index, dependency)| {
            Some((CapacityTimeline::for_dependency(scenario, index)?, f64::from(dependency.workers)))
        });
        Self {
            stages: std::iter::once(service).chain(dependencies).collect(),
            plain_work_s: scenario.service.service_time.mean_s(),
        }
    }

    /// Seconds of a worker that each stage has meanwhile.
    fn workers_s(&self, from_s: f64, to_s: f64) -> impl Iterator<Item = f64> {
        let workers_s = move |(timeline, workers): &(CapacityTimeline, f64)| {
            workers * timeline.mean_level(from_s, to_s) * (to_s - from_s)
        };
        self.stages.iter().map(workers_s)
    }

    /// Plain requests that the service can do meanwhile.
    pub(super) fn requests(&self, from_s: f64, to_s: f64) -> f64 {
        self.workers_s(from_s, to_s).next().unwrap_or(0.0) / self.plain_work_s
    }
}

impl FairShares {
    pub(super) fn new(traffic: &ScenarioTraffic) -> Self {
        let scenario = Arc::new(traffic.scenario().clone());
        let population = Arc::new(traffic.population().clone());
        let (ledger, capacity) = (FairLedger::new(&scenario, &population), Capacity::new(&scenario));
        let duration_s = scenario.duration_s;
        let mut arrivals = match traffic.trace() {
            Some(trace) => SharedArrivals::from_trace(scenario, population, Arc::new(trace.clone())),
            None => SharedArrivals::new(scenario, population),
        };
        let next = arrivals.next();
        Self { ledger, capacity, arrivals, next, windows: 0, duration_s }
    }

    pub(super) fn capacity(&self) -> &Capacity {
        &self.capacity
    }

    /// Opens every window that begins by `now_s`. Returns what of the work done before is covered now, in plain
    /// requests.
    pub(super) fn advance(&mut self, now_s: f64) -> f64 {
        let before = self.ledger.fair_work();
        loop {
            let from_s = f64::from(self.windows) * FAIR_WINDOW_S;
            // A remainder that rounding left is no window of its own.
            if from_s > now_s || from_s + 1e-9 >= self.duration_s {
                return self.ledger.fair_work() - before;
            }
            self.windows += 1;
            let to_s = (f64::from(self.windows) * FAIR_WINDOW_S).min(self.duration_s);
            let (next, arrivals) = (&mut self.next, &mut self.arrivals);
            let users = std::iter::from_fn(|| {
                let arrival = next.take_if(|arrival| arrival.time_s < to_s)?;
                *next = arrivals.next();
                Some(arrival.user)
            });
            self.ledger.open(users, self.capacity.workers_s(from_s, to_s));
        }
    }

    /// Whether a user asks for no more than its share in the window under way.
    pub(super) fn is_well_behaved(&self, user: u32) -> bool {
        self.ledger.is_well_behaved(user)
    }

    /// Books a request of `user` within the SLO. Returns its work in plain requests, and what of it is covered.
    pub(super) fn good(&mut self, user: u32) -> (f64, f64) {
        let before = self.ledger.fair_work();
        self.ledger.good(user);
        (self.ledger.cost(user), self.ledger.fair_work() - before)
    }
}
