//! The service and its dependencies: one production queue with workers each, and what flows between them.

use openclaw_scenario::{Calls, Finished, JobId, PoolFull, Scenario, ServicePool, ServiceTimes};

use crate::requests::{CALLS_MAX, Requests};
use crate::world::{Stage, World};

/// The stages of a simulated service.
#[derive(Debug)]
pub(crate) struct Stages {
    pools: Vec<ServicePool<u32>>,
    times: Vec<ServiceTimes>,
    calls: Calls,
    /// By stage, the mean work of what waits or works there, in seconds of a worker.
    mean_work_s: Vec<f64>,
    next_s: f64,
}

/// What a request came to at a stage.
pub(crate) enum Passed {
    /// It has nothing left to visit.
    Served,
    /// The next stage's queue is full.
    Full,
    /// It waits or works at the next stage.
    On,
}

impl Stages {
    pub(crate) fn new(world: &World) -> Self {
        let scenario = &world.scenario;
        let queue_max = scenario.service.queue_max;
        let pool = |stage: &Stage| ServicePool::new(stage.timeline.clone(), queue_max);
        let drawn = Scenario { seed: world.draws_seed, ..(**scenario).clone() };
        let own = std::iter::once(ServiceTimes::for_service(&drawn));
        let dependencies = 0..world.stages.len() - 1;
        let others = dependencies.filter_map(|index| ServiceTimes::for_dependency(&drawn, index));
        Self {
            pools: world.stages.iter().map(pool).collect(),
            times: own.chain(others).collect(),
            calls: Calls::for_scenario(&drawn),
            mean_work_s: vec![0.0; world.stages.len()],
            next_s: f64::INFINITY,
        }
    }

    /// Draws which dependencies a request calls, as bits.
    pub(crate) fn draw_calls(&mut self, class: usize) -> u32 {
        let dependencies = (self.pools.len() - 1).min(CALLS_MAX);
        (0..dependencies).fold(0, |calls, index| calls | u32::from(self.calls.draw(class, index)) << index)
    }

    /// Sends an admitted request to the service; whether it was taken.
    pub(crate) fn enter<P>(
        &mut self,
        now_s: f64,
        place: u32,
        requests: &mut Requests<P>,
        world: &World,
    ) -> bool {
        let cost = world.classes[usize::from(requests.get(place).class)].cost;
        let taken = self.submit(0, now_s, place, cost, requests, world);
        self.find_next();
        taken
    }

    fn submit<P>(
        &mut self,
        stage: usize,
        now_s: f64,
        place: u32,
        cost: f64,
        requests: &mut Requests<P>,
        world: &World,
    ) -> bool {
        let work_s = self.times[stage].draw_s() * cost;
        let request = requests.get_mut(place);
        match self.pools[stage].submit(now_s, work_s, place) {
            Ok(job) => {
                request.stage = stage as u8;
                request.entered_s = now_s;
                request.job = Some(job);
                self.mean_work_s[stage] += world.stages[stage].service_time.mean_s() * cost;
                true
            }
            Err(PoolFull(_)) => false,
        }
    }

    /// Takes a request whose client has left out of the queue; false where it is in work already, which goes
    /// on to the end of its stage.
    pub(crate) fn leave(&mut self, now_s: f64, stage: usize, job: JobId, mean_work_s: f64) -> bool {
        let left = self.pools[stage].leave(now_s, job).is_some();
        if left {
            self.mean_work_s[stage] -= mean_work_s;
        }
        self.find_next();
        left
    }

    /// Lets time pass.
    pub(crate) fn advance(&mut self, now_s: f64) {
        self.pools.iter_mut().for_each(|pool| pool.advance(now_s));
    }

    /// The next request that has passed a stage, and the stage.
    pub(crate) fn pop(&mut self) -> Option<(usize, Finished<u32>)> {
        let found = self.pools.iter_mut().enumerate().find_map(|(stage, pool)| {
            let finished = pool.pop_finished()?;
            Some((stage, finished))
        });
        if found.is_none() {
            self.find_next();
        }
        found
    }

    /// Notes that a request has passed `stage` and sends it on, if its client still waits.
    pub(crate) fn pass_on<P>(
        &mut self,
        stage: usize,
        finished: &Finished<u32>,
        requests: &mut Requests<P>,
        world: &World,
    ) -> Passed {
        let place = finished.token;
        let request = requests.get_mut(place);
        let class = usize::from(request.class);
        self.mean_work_s[stage] -= mean_work_s(world, stage, class);
        let spent_s = finished.at_s - request.entered_s;
        if stage == 0 {
            request.work_s = finished.work_s;
        } else {
            requests.spent_at(place, stage - 1, spent_s);
        }
        let request = requests.get_mut(place);
        if request.pass.is_none() || request.calls == 0 {
            return Passed::Served;
        }
        let dependency = request.calls.trailing_zeros();
        request.calls &= request.calls - 1;
        request.called |= 1 << dependency;
        let entered = self.submit(dependency as usize + 1, finished.at_s, place, 1.0, requests, world);
        if entered { Passed::On } else { Passed::Full }
    }

    /// When [`advance`](Self::advance) next has something to do; infinity for never.
    pub(crate) fn next_s(&self) -> f64 {
        self.next_s
    }

    fn find_next(&mut self) {
        let next = |pool: &ServicePool<u32>| pool.next_event_s().unwrap_or(f64::INFINITY);
        self.next_s = self.pools.iter().map(next).fold(f64::INFINITY, f64::min);
    }

    /// Requests in work, and waiting, at a stage.
    pub(crate) fn load(&self, stage: usize) -> (usize, usize) {
        (self.pools[stage].busy(), self.pools[stage].queued())
    }

    /// Mean work of what waits or works at a stage, in seconds of a worker.
    pub(crate) fn mean_work_s(&self, stage: usize) -> f64 {
        self.mean_work_s[stage]
    }
}

/// Mean work of one request of `class` at a stage, in seconds of a worker.
pub(crate) fn mean_work_s(world: &World, stage: usize, class: usize) -> f64 {
    let cost = if stage == 0 { world.classes[class].cost } else { 1.0 };
    world.stages[stage].service_time.mean_s() * cost
}
