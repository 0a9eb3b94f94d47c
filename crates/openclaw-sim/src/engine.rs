//! The course of events: attempts, verdicts, work, ends, in order of time, whoever decides what is let through.
//!
//! At one instant the order is: work that ends, clients that leave, a new slot, the admission's own timers, retries,
//! first attempts.

use std::sync::Arc;

use openclaw_scenario::FairLedger;

use crate::clients::{Patience, Retries, Retry};
use crate::demand::Demand;
use crate::requests::Requests;
use crate::run::Run;
use crate::stages::{Passed, Stages, mean_work_s};
use crate::tally::{End, SLOT_S, SLOTS_PER_S, SecondEnd, Tally};
use crate::tick::{TickOutcome, TickTally};
use crate::world::{Class, Stage, World};

/// What an admission may look at.
pub(crate) struct Inside<'a> {
    pub(crate) world: &'a World,
    pub(crate) stages: &'a Stages,
    pub(crate) fairness: &'a FairLedger,
}

/// A request that ended, as the service in front saw it.
pub(crate) struct Ended<'a> {
    pub(crate) user: u32,
    pub(crate) class: usize,
    pub(crate) cost: f64,
    pub(crate) end: End,
    /// The network's part included, in seconds.
    pub(crate) latency_s: f64,
    /// Seconds in work at the service.
    pub(crate) work_s: f64,
    /// Dependencies called, as bits, and the seconds spent at each.
    pub(crate) called: u32,
    pub(crate) dependency_s: &'a [f64],
}

/// Who decides what is let through.
pub(crate) trait Admission {
    /// What an admitted request holds until it ends.
    type Pass;

    /// Decides on one attempt.
    fn attempt(&mut self, now_s: f64, user: u32, inside: &Inside<'_>) -> Option<Self::Pass>;

    /// An admitted request has ended.
    fn ended(&mut self, now_s: f64, pass: Self::Pass, ended: &Ended<'_>);

    /// A request calls a dependency.
    fn call_began(&mut self, dependency: usize);

    /// A call has ended, or its client has left, after `spent_s` seconds.
    fn call_ended(&mut self, now_s: f64, dependency: usize, spent_s: f64);

    /// When it next has something to do by itself.
    fn wake_s(&self) -> f64;

    /// Does it. True stops the course, for a decision.
    fn wake(&mut self, now_s: f64) -> bool;

    /// R in work units per second and W in seconds, where there are any.
    fn limits(&self) -> (Option<f64>, Option<f64>);
}

/// One course of a world.
#[derive(Debug)]
pub(crate) struct Engine<A: Admission> {
    pub(crate) world: Arc<World>,
    pub(crate) admission: A,
    demand: Demand,
    retries: Retries,
    patience: Patience,
    requests: Requests<A::Pass>,
    stages: Stages,
    fairness: FairLedger,
    tally: Tally,
    tick: TickTally,
    tick_s: f64,
    /// Slots begun.
    slots: usize,
    slot_s: f64,
    in_flight: u64,
    now_s: f64,
    ended: bool,
}

/// What happens next.
enum Next {
    Work,
    ClientLeaves(usize),
    Slot,
    Admission,
    Retry,
    FirstAttempt,
}

impl<A: Admission> Engine<A> {
    pub(crate) fn new(world: Arc<World>, admission: A, slo_s: f64, tick_s: f64) -> Self {
        let timeout_s = world.scenario.service.client_timeout_ms / 1e3;
        let waits_s = world.classes.iter().map(|class| (timeout_s - class.network_delay_s).max(0.0));
        Self {
            admission,
            demand: Demand::new(world.arrivals()),
            retries: Retries::default(),
            patience: Patience::new(waits_s.collect()),
            requests: Requests::new(world.stages.len() - 1),
            stages: Stages::new(&world),
            fairness: FairLedger::new(&world.scenario, &world.population),
            tally: Tally::new(&world, slo_s),
            tick: TickTally::default(),
            tick_s,
            slots: 0,
            slot_s: 0.0,
            in_flight: 0,
            now_s: 0.0,
            ended: false,
            world,
        }
    }

    /// Runs to the admission's next stop; false at the end of the course.
    pub(crate) fn run(&mut self) -> bool {
        while !self.ended {
            let (at_s, next) = self.next();
            self.now_s = at_s;
            match next {
                Next::Work => self.work(),
                Next::ClientLeaves(class) => self.client_leaves(class),
                Next::Slot => self.begin_slot(),
                Next::Admission => {
                    if self.admission.wake(at_s) {
                        return true;
                    }
                }
                Next::Retry => {
                    if let Some(retry) = self.retries.pop() {
                        self.attempt(&retry);
                    }
                }
                Next::FirstAttempt => {
                    if let Some(first) = self.demand.pop() {
                        let retries_max = first.retries_max;
                        self.attempt(&Retry { at_s, user: first.user, retry: 0, retries_max });
                    }
                }
            }
        }
        false
    }

    fn next(&mut self) -> (f64, Next) {
        let mut next = (self.stages.next_s(), Next::Work);
        let requests = &self.requests;
        let (leaves_s, class) = self.patience.next(|place, generation| requests.runs(place, generation));
        if leaves_s < next.0 {
            next = (leaves_s, Next::ClientLeaves(class));
        }
        if self.slot_s < next.0 {
            next = (self.slot_s, Next::Slot);
        }
        let wake_s = self.admission.wake_s();
        if wake_s < next.0 {
            next = (wake_s, Next::Admission);
        }
        let retry_s = self.retries.next_s();
        if retry_s < next.0 {
            next = (retry_s, Next::Retry);
        }
        let first_s = self.demand.next_s();
        if first_s < next.0 {
            next = (first_s, Next::FirstAttempt);
        }
        next
    }

    fn attempt(&mut self, attempt: &Retry) {
        let (now_s, user) = (self.now_s, attempt.user);
        let inside = Inside { world: &self.world, stages: &self.stages, fairness: &self.fairness };
        let pass = self.admission.attempt(now_s, user, &inside);
        let first = attempt.retry == 0;
        let well_behaved = first && self.fairness.is_well_behaved(user);
        self.tally.attempt(first, pass.is_some(), well_behaved);
        let member = &self.world.population.users()[user as usize];
        let class = &self.world.classes[usize::from(member.class)];
        if first {
            self.tick.first_attempt(well_behaved && pass.is_none(), class.cost);
        }
        let Some(pass) = pass else {
            let ignores_backoff = member.ignores_backoff;
            self.retries.plan(now_s, user, attempt.retry, attempt.retries_max, ignores_backoff);
            return;
        };
        self.in_flight += 1;
        let calls = self.stages.draw_calls(usize::from(member.class));
        let place = self.requests.admit(user, member.class, calls, now_s, pass);
        let generation = self.requests.generation(place);
        self.patience.begin(now_s, usize::from(member.class), place, generation);
        if !self.stages.enter(now_s, place, &mut self.requests, &self.world) {
            self.end(place, End::QueueFull);
            self.requests.release(place);
        }
    }

    /// Ends and begins work that is due.
    fn work(&mut self) {
        self.stages.advance(self.now_s);
        while let Some((stage, finished)) = self.stages.pop() {
            let place = finished.token;
            let request = self.requests.get(place);
            let waited_for = request.pass.is_some();
            if stage > 0 && waited_for {
                self.admission.call_ended(self.now_s, stage - 1, finished.at_s - request.entered_s);
            }
            let end = match self.stages.pass_on(stage, &finished, &mut self.requests, &self.world) {
                Passed::On => {
                    let entered = usize::from(self.requests.get(place).stage) - 1;
                    self.admission.call_began(entered);
                    continue;
                }
                Passed::Served => End::Served,
                Passed::Full => End::QueueFull,
            };
            if waited_for {
                self.end(place, end);
            }
            self.requests.release(place);
        }
    }

    fn client_leaves(&mut self, class: usize) {
        let Some(place) = self.patience.pop(class) else { return };
        let request = self.requests.get(place);
        let (stage, job) = (usize::from(request.stage), request.job);
        if stage > 0 {
            self.admission.call_ended(self.now_s, stage - 1, self.now_s - request.entered_s);
        }
        self.end(place, End::ClientLeft);
        let work_s = mean_work_s(&self.world, stage, class);
        if job.is_some_and(|job| self.stages.leave(self.now_s, stage, job, work_s)) {
            self.requests.release(place);
        }
    }

    /// Tells everyone that a request has ended.
    fn end(&mut self, place: u32, end: End) {
        let request = self.requests.get_mut(place);
        let Some(pass) = request.pass.take() else { return };
        let (user, class) = (request.user, usize::from(request.class));
        let (called, work_s, admitted_s) = (request.called, request.work_s, request.admitted_s);
        let Class { cost, network_delay_s, .. } = self.world.classes[class];
        let latency_s = self.now_s - admitted_s + network_delay_s;
        let dependency_s = self.requests.dependency_s(place);
        let ended = Ended { user, class, cost, end, latency_s, work_s, called, dependency_s };
        self.admission.ended(self.now_s, pass, &ended);
        self.in_flight -= 1;
        let good = self.tally.ended(end, latency_s, cost);
        self.tick.ended(end, good, cost);
        if good {
            self.fairness.good(user);
        }
    }

    /// Closes a slot and begins the next, or ends the course.
    fn begin_slot(&mut self) {
        let duration_s = self.world.scenario.duration_s;
        let from_s = self.slot_s;
        let ends = from_s >= duration_s;
        if self.slots > 0 && (ends || self.slots.is_multiple_of(SLOTS_PER_S)) {
            self.end_second();
        }
        if ends {
            self.ended = true;
            return;
        }
        self.slots += 1;
        // A remainder that rounding left is no slot of its own.
        let end_s = self.slots as f64 * SLOT_S;
        let end_s = if end_s + 1e-9 >= duration_s { duration_s } else { end_s };
        let arrivals = self.demand.open(end_s);
        let users = arrivals.iter().map(|arrival| arrival.user);
        let workers_s =
            |stage: &Stage| stage.workers * stage.timeline.mean_level(from_s, end_s) * (end_s - from_s);
        self.fairness.open(users, self.world.stages.iter().map(workers_s));
        let work = self.fairness.window_work();
        self.tally.begin_slot(work);
        self.tick.begin_slot(end_s - from_s, work);
        self.slot_s = end_s;
    }

    fn end_second(&mut self) {
        let seconds = (self.slots - 1) / SLOTS_PER_S;
        let (start_s, end_s) = (seconds as f64, self.slot_s);
        let stage = &self.world.stages[0];
        let workers_s = stage.workers * stage.timeline.mean_level(start_s, end_s) * (end_s - start_s);
        let (admitted_per_s, guard_s) = self.admission.limits();
        let end = SecondEnd {
            start_s,
            capacity: workers_s / stage.service_time.mean_s(),
            admitted_per_s,
            guard_ms: guard_s.map(|s| s * 1e3),
            in_flight: self.in_flight,
        };
        self.tally.end_second(&end, &self.fairness);
    }

    pub(crate) fn now_s(&self) -> f64 {
        self.now_s
    }

    pub(crate) fn outcome(&self) -> TickOutcome {
        self.tick.outcome(self.now_s, self.tick_s, self.fairness.fair_work(), self.tally.last_second())
    }

    /// Lets the next outcome begin here.
    pub(crate) fn restart_tick(&mut self) {
        self.tick.restart(self.now_s, self.fairness.fair_work());
    }

    /// The figures of a course that has ended.
    pub(crate) fn finish(self, controller: &str, decisions: u64) -> Run {
        self.tally.finish(&self.world, controller, decisions, &self.fairness)
    }
}

#[cfg(test)]
mod tests;
