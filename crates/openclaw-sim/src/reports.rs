//! What the service tells its controller: counters, active users, events, on a way that takes time and loses some.

use std::collections::VecDeque;

use openclaw_protocol::{DependencyGauge, Totals, UserCounts};
use openclaw_scenario::{FeedbackLosses, Scenario};

use crate::engine::Ended;
use crate::tally::End;
use crate::world::World;

/// One event, in little room; made into a message when it arrives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    pub(crate) latency_s: f64,
    pub(crate) work_s: f64,
    pub(crate) called: u32,
    pub(crate) class: u16,
    pub(crate) end: End,
}

/// One report on its way.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) arrives_s: f64,
    pub(crate) seq: u64,
    pub(crate) in_flight: u32,
    pub(crate) totals: Totals,
    pub(crate) users: Vec<UserCounts>,
    /// The users' numbers, in the same order.
    pub(crate) numbers: Vec<u32>,
    pub(crate) dependencies: Vec<DependencyGauge>,
    pub(crate) events: Vec<Event>,
    /// For each event, seconds at each dependency.
    pub(crate) dependency_s: Vec<f64>,
}

#[derive(Clone, Copy, Debug, Default)]
struct User {
    attempts: u64,
    throttled: u64,
    listed: bool,
}

/// Counters of the service, and its reports.
#[derive(Debug)]
pub(crate) struct Reports {
    totals: Totals,
    users: Vec<User>,
    /// Users active since the last report that was not lost.
    active: Vec<u32>,
    open: Batch,
    under_way: VecDeque<Batch>,
    spare: Vec<Batch>,
    losses: FeedbackLosses,
    delay_s: f64,
    instrumented: bool,
    seq: u64,
}

impl Reports {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        let gauge = |name: &String| DependencyGauge { name: name.clone(), in_flight: 0, completed: 0 };
        let names = scenario.dependencies.iter().map(|dependency| &dependency.name);
        let dependencies = if scenario.instrumented { names.map(gauge).collect() } else { Vec::new() };
        Self {
            totals: Totals::default(),
            users: vec![User::default(); scenario.users.count as usize],
            active: Vec::new(),
            open: Batch { dependencies, ..Batch::default() },
            under_way: VecDeque::new(),
            spare: Vec::new(),
            losses: FeedbackLosses::for_scenario(scenario),
            delay_s: scenario.feedback.delay_ms / 1e3,
            instrumented: scenario.instrumented,
            seq: 0,
        }
    }

    /// Counts an attempt.
    pub(crate) fn attempt(&mut self, user: u32, accepted: bool) {
        let totals = &mut self.totals;
        totals.attempts += 1;
        totals.accepted += u64::from(accepted);
        totals.throttled += u64::from(!accepted);
        let counts = &mut self.users[user as usize];
        counts.attempts += 1;
        counts.throttled += u64::from(!accepted);
        if !counts.listed {
            counts.listed = true;
            self.active.push(user);
        }
    }

    /// Counts the end of an admitted request, and keeps its event.
    pub(crate) fn ended(&mut self, ended: &Ended<'_>) {
        let served = ended.end == End::Served;
        self.totals.completed += u64::from(served);
        self.totals.failed += u64::from(!served);
        let open = &mut self.open;
        open.events.push(Event {
            latency_s: ended.latency_s,
            work_s: ended.work_s,
            called: if self.instrumented { ended.called } else { 0 },
            class: ended.class as u16,
            end: ended.end,
        });
        if self.instrumented {
            open.dependency_s.extend_from_slice(ended.dependency_s);
        }
    }

    /// Counts a call to a dependency.
    pub(crate) fn call_began(&mut self, dependency: usize) {
        if let Some(gauge) = self.open.dependencies.get_mut(dependency) {
            gauge.in_flight += 1;
        }
    }

    /// Counts the end of a call.
    pub(crate) fn call_ended(&mut self, dependency: usize) {
        if let Some(gauge) = self.open.dependencies.get_mut(dependency) {
            gauge.in_flight = gauge.in_flight.saturating_sub(1);
            gauge.completed += 1;
        }
    }

    /// Sends a report off. A lost one takes its events with it; counters and active users come with the next.
    pub(crate) fn flush(&mut self, now_s: f64, world: &World) {
        self.seq += 1;
        let mut next = self.spare.pop().unwrap_or_default();
        next.clear();
        if self.losses.next_is_lost() {
            self.open.events.clear();
            self.open.dependency_s.clear();
            self.spare.push(next);
            return;
        }
        next.dependencies.extend_from_slice(&self.open.dependencies);
        let mut batch = std::mem::replace(&mut self.open, next);
        let totals = self.totals;
        (batch.arrives_s, batch.seq, batch.totals) = (now_s + self.delay_s, self.seq, totals);
        let in_flight = totals.accepted - totals.completed - totals.failed;
        batch.in_flight = u32::try_from(in_flight).unwrap_or(u32::MAX);
        for &number in &self.active {
            let user = &mut self.users[number as usize];
            user.listed = false;
            batch.users.push(UserCounts {
                user_id: world.ids[number as usize].clone(),
                attempts: user.attempts,
                throttled: user.throttled,
                context: world.classes[world.class_of(number)].context.clone(),
            });
        }
        batch.numbers.append(&mut self.active);
        self.under_way.push_back(batch);
    }

    /// When the next report arrives; infinity where none is under way.
    pub(crate) fn arrives_s(&self) -> f64 {
        self.under_way.front().map_or(f64::INFINITY, |batch| batch.arrives_s)
    }

    pub(crate) fn arrive(&mut self) -> Option<Batch> {
        self.under_way.pop_front()
    }

    /// Takes a report back that has been read.
    pub(crate) fn recycle(&mut self, batch: Batch) {
        self.spare.push(batch);
    }
}

impl Batch {
    fn clear(&mut self) {
        self.users.clear();
        self.numbers.clear();
        self.dependencies.clear();
        self.events.clear();
        self.dependency_s.clear();
    }
}
