//! The way of a request through the stages: the service, then the dependencies that it calls.
//!
//! A function of time like the pools it is made of, so that its tests need no clock.

use std::collections::HashMap;

use openclaw_scenario::{Calls, CapacityTimeline, JobId, PoolFull, Scenario, ServicePool, ServiceTimes};
use serde::Serialize;

/// Names a request on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Ticket(u64);

/// How a request ended.
#[derive(Debug, PartialEq)]
pub(super) struct Served {
    /// Seconds in work at the first stage, without the wait.
    pub(super) work_s: f64,
    /// Seconds at each dependency it called, with the wait there.
    pub(super) dependencies_s: Vec<(usize, f64)>,
}

/// The queue of that stage is full (0 is the service, 1 the first dependency).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct StageFull(pub(super) usize);

/// The gauges of one stage.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StageState {
    /// `service`, or the dependency's name.
    pub name: String,
    /// Requests in work.
    pub busy: usize,
    /// Requests that wait.
    pub queued: usize,
    /// Requests worked off so far.
    pub served: u64,
    /// Fraction of the undisturbed capacity, 0 in a pause.
    pub capacity_level: f64,
    /// Whether all workers stand still.
    pub paused: bool,
}

/// All stages of a scenario. `R` receives the end of a request.
#[derive(Debug)]
pub(super) struct Stages<R> {
    scenario: Scenario,
    pools: Vec<ServicePool<Journey<R>>>,
    times: Vec<ServiceTimes>,
    calls: Calls,
    /// Where each request waits or works now.
    places: HashMap<Ticket, (usize, JobId)>,
    next_ticket: u64,
}

#[derive(Debug)]
struct Journey<R> {
    ticket: Ticket,
    items: f64,
    /// Stages still to visit, last first.
    ahead: Vec<usize>,
    entered_s: f64,
    served: Served,
    reply: R,
}

impl<R> Stages<R> {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let queue_max = scenario.service.queue_max;
        let mut pools = vec![ServicePool::new(CapacityTimeline::for_service(scenario), queue_max)];
        let mut times = vec![ServiceTimes::for_service(scenario)];
        for index in 0..scenario.dependencies.len() {
            let timeline = CapacityTimeline::for_dependency(scenario, index);
            pools.extend(timeline.map(|timeline| ServicePool::new(timeline, queue_max)));
            times.extend(ServiceTimes::for_dependency(scenario, index));
        }
        Self {
            scenario: scenario.clone(),
            pools,
            times,
            calls: Calls::for_scenario(scenario),
            places: HashMap::new(),
            next_ticket: 0,
        }
    }

    /// Sends a request of `items` ratings and that class on its way.
    pub(super) fn enter(
        &mut self,
        now_s: f64,
        class: usize,
        items: u32,
        reply: R,
    ) -> Result<Ticket, (StageFull, R)> {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        let mut ahead: Vec<usize> = Vec::new();
        for index in 0..self.scenario.dependencies.len() {
            if self.calls.draw(class, index) {
                ahead.insert(0, index + 1);
            }
        }
        let served = Served { work_s: 0.0, dependencies_s: Vec::new() };
        let journey = Journey { ticket, items: f64::from(items), ahead, entered_s: now_s, served, reply };
        let factor = self.scenario.service_time_factor(class);
        self.submit(0, now_s, factor, journey)
            .map(|()| ticket)
            .map_err(|journey| (StageFull(0), journey.reply))
    }

    fn submit(
        &mut self,
        stage: usize,
        now_s: f64,
        factor: f64,
        journey: Journey<R>,
    ) -> Result<(), Journey<R>> {
        let (ticket, items) = (journey.ticket, journey.items);
        let work_s = self.times[stage].draw_s() * factor * items;
        let id = self.pools[stage].submit(now_s, work_s, journey).map_err(|PoolFull(journey)| journey)?;
        self.places.insert(ticket, (stage, id));
        Ok(())
    }

    /// The client has gone: a waiting request leaves its queue, one in work goes on to the end of its stage
    /// and calls no further one.
    pub(super) fn leave(&mut self, now_s: f64, ticket: Ticket) {
        if let Some((stage, id)) = self.places.remove(&ticket) {
            self.pools[stage].leave(now_s, id);
        }
    }

    /// Lets time pass and hands out every request that ended, with the stage that was full if one was.
    pub(super) fn advance(&mut self, now_s: f64, mut ended: impl FnMut(R, Result<Served, StageFull>)) {
        // In order, so that what leaves one stage enters the next one in the same pass, at its own instant.
        for stage in 0..self.pools.len() {
            self.pools[stage].advance(now_s);
            while let Some(finished) = self.pools[stage].pop_finished() {
                let mut journey = finished.token;
                let still_wanted = self.places.remove(&journey.ticket).is_some();
                if stage == 0 {
                    journey.served.work_s = finished.work_s;
                } else {
                    let time_s = finished.at_s - journey.entered_s;
                    journey.served.dependencies_s.push((stage - 1, time_s));
                }
                journey.entered_s = finished.at_s;
                match journey.ahead.pop() {
                    _ if !still_wanted => {}
                    None => ended(journey.reply, Ok(journey.served)),
                    Some(next) => {
                        if let Err(journey) = self.submit(next, finished.at_s, 1.0, journey) {
                            ended(journey.reply, Err(StageFull(next)));
                        }
                    }
                }
            }
        }
    }

    /// When [`advance`](Self::advance) next has something to do.
    pub(super) fn next_event_s(&self) -> Option<f64> {
        self.pools.iter().filter_map(ServicePool::next_event_s).min_by(f64::total_cmp)
    }

    pub(super) fn state(&self, now_s: f64) -> Vec<StageState> {
        let dependencies = self.scenario.dependencies.iter().map(|dependency| dependency.name.clone());
        let names = std::iter::once("service".to_owned()).chain(dependencies);
        let state = |(name, pool): (String, &ServicePool<Journey<R>>)| StageState {
            name,
            busy: pool.busy(),
            queued: pool.queued(),
            served: pool.served(),
            capacity_level: pool.timeline().level_at(now_s),
            paused: pool.timeline().paused_at(now_s),
        };
        names.zip(&self.pools).map(state).collect()
    }
}

#[cfg(test)]
mod tests;
