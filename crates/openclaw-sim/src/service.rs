//! The rating service's side and the edge's side of the loop, joined by reports that take their time.

use std::sync::Arc;

use openclaw_bucket::InFlight;
use openclaw_controller::{Action, ControlLoop, Controller, LittleGuard, LoopSettings, Observation, Report};
use openclaw_protocol::{BucketPolicy, CollectorInfo, InvalidId};

use crate::door::Door;
use crate::engine::{Admission, Ended, Inside};
use crate::messages::Messages;
use crate::reports::{Batch, Reports};
use crate::seconds::nanoseconds;
use crate::settings::SimSettings;
use crate::tally::End;
use crate::world::World;

/// Tokens that a bucket holds to begin with, in seconds of its refill rate.
const START_BUCKET_S: f64 = 1.5;

/// The loop of one simulated service.
#[derive(Debug)]
pub(crate) struct Service {
    collector: CollectorInfo,
    door: Door,
    reports: Reports,
    messages: Messages,
    control: ControlLoop,
    world: Arc<World>,
    dependencies: usize,
    round_trip_s: Option<f64>,
    delay_s: f64,
    tick_s: f64,
    guard_interval_s: f64,
    flushes: u64,
    guard_moves: u64,
    flush_s: f64,
    guard_s: f64,
    wake_s: f64,
    /// The report that waits for a decision.
    deciding: Option<Batch>,
    observation: Option<Observation>,
    admitted_per_s: Option<f64>,
    pub(crate) decisions: u64,
}

/// Stands in the control loop for whoever decides outside of it.
struct Outside {
    stands_for: StandsFor,
    fallback: LittleGuard,
}

/// What the loop must know of who decides.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StandsFor {
    /// Whether it will use the guard.
    pub(crate) guards: bool,
    /// Whether classes and dependencies are told apart for it.
    pub(crate) is_aware: bool,
}

impl Controller for Outside {
    fn name(&self) -> &'static str {
        "outside"
    }

    fn guards(&self) -> bool {
        self.stands_for.guards
    }

    fn is_aware(&self) -> bool {
        self.stands_for.is_aware
    }

    fn decide(&mut self, seen: &Observation) -> Action {
        self.fallback.decide(seen)
    }
}

impl Service {
    /// A service before its first request.
    pub(crate) fn new(
        world: &Arc<World>,
        settings: SimSettings,
        stands_for: StandsFor,
    ) -> Result<Self, InvalidId> {
        let scenario = &world.scenario;
        let users = world.ids.len();
        let start_per_s = world.start_per_s();
        let refill_rate = start_per_s / users.max(1) as f64;
        let defaults = BucketPolicy { bucket_size: START_BUCKET_S * refill_rate, refill_rate };
        let defaults = settings.bounds.clamp(defaults);
        let loop_settings = LoopSettings {
            slo_s: settings.slo_s,
            tick_ns: settings.tick_ns,
            start_per_s,
            defaults,
            bounds: settings.bounds,
            users_max: users,
            sources_max: 1,
            ..LoopSettings::default()
        };
        let outside = Outside { stands_for, fallback: LittleGuard::new(start_per_s) };
        let mut service = Self {
            collector: CollectorInfo { id: "simulated".into(), service: "simulated".into(), epoch: 0 },
            door: Door::new(settings, defaults, loop_settings.ttl_ns as f64 / 1e9, world),
            reports: Reports::new(scenario),
            messages: Messages::new(world)?,
            control: ControlLoop::new(loop_settings, Box::new(outside), 0),
            world: Arc::clone(world),
            dependencies: scenario.dependencies.len(),
            round_trip_s: None,
            delay_s: scenario.feedback.delay_ms / 1e3,
            tick_s: settings.tick_ns as f64 / 1e9,
            guard_interval_s: settings.guard_interval_ns as f64 / 1e9,
            flushes: 0,
            guard_moves: 0,
            flush_s: 0.0,
            guard_s: 0.0,
            wake_s: 0.0,
            deciding: None,
            observation: None,
            admitted_per_s: None,
            decisions: 0,
        };
        service.plan();
        Ok(service)
    }

    /// Sets the next instants of the timers, as multiples, so that no error adds up.
    fn plan(&mut self) {
        self.flush_s = (self.flushes + 1) as f64 * self.tick_s;
        self.guard_s = (self.guard_moves + 1) as f64 * self.guard_interval_s;
        self.wake_s = self.flush_s.min(self.guard_s).min(self.reports.arrives_s());
    }

    /// Lets the loop read a report; true where a decision is due.
    fn read(&mut self, batch: Batch, now_s: f64) -> bool {
        let now_ns = nanoseconds(now_s);
        let report = Report {
            collector: &self.collector,
            seq: batch.seq,
            in_flight: batch.in_flight,
            totals: batch.totals,
            users: &batch.users,
            dependencies: &batch.dependencies,
            round_trip_s: self.round_trip_s,
        };
        self.control.report(&report, now_ns);
        self.round_trip_s = Some(self.delay_s);
        for (index, event) in batch.events.iter().enumerate() {
            let at = if event.called == 0 { 0 } else { index * self.dependencies };
            let times = batch.dependency_s.get(at..at + self.dependencies).unwrap_or_default();
            self.control.observe_event(self.messages.fill(event, times));
        }
        if !self.control.due(now_ns) {
            self.answer(&batch, now_s);
            self.reports.recycle(batch);
            return false;
        }
        self.observation = self.control.observe(now_ns).copied();
        self.deciding = Some(batch);
        true
    }

    /// What a controller sees at this decision; `None` while nothing was measured.
    pub(crate) fn observation(&self) -> Option<Observation> {
        self.observation
    }

    /// Acts on the pending observation, where there is one.
    pub(crate) fn act(&mut self, action: &Action, now_s: f64) {
        let Some(observation) = self.observation.take() else { return };
        self.control.act(&observation, *action, nanoseconds(now_s));
        self.decisions += 1;
        self.admitted_per_s = match action {
            Action::Shared(shared) => Some(shared.admitted_per_s),
            Action::PerUser(_) => None,
        };
        self.conclude(now_s);
    }

    /// Answers the report that waited for a decision.
    pub(crate) fn conclude(&mut self, now_s: f64) {
        self.observation = None;
        if let Some(batch) = self.deciding.take() {
            self.answer(&batch, now_s);
            self.reports.recycle(batch);
        }
    }

    fn answer(&mut self, batch: &Batch, now_s: f64) {
        let now_ns = nanoseconds(now_s);
        let collector = Some(self.collector.id.as_str());
        let unloaded_s = self.control.observation().map_or(0.0, |seen| seen.base_s);
        self.door.assign_everyone(&self.control, &self.collector.id, unloaded_s, now_s, &self.world);
        let users = batch.users.iter().map(|user| &user.user_id);
        let policies = self.control.policies(users, collector, now_ns);
        for (&number, (id, policy)) in batch.numbers.iter().zip(policies) {
            self.door.assign(number, id, policy, now_s);
        }
    }
}

impl Admission for Service {
    type Pass = InFlight;

    fn attempt(&mut self, now_s: f64, user: u32, _: &Inside<'_>) -> Option<InFlight> {
        let (class, id) = (self.world.class_of(user), &self.world.ids[user as usize]);
        let pass = self.door.try_enter(user, class, id, now_s);
        self.reports.attempt(user, pass.is_some());
        pass
    }

    fn ended(&mut self, now_s: f64, pass: InFlight, ended: &Ended<'_>) {
        drop(pass);
        self.door.guard.done(ended.end == End::Served, ended.latency_s, now_s);
        self.reports.ended(ended);
    }

    fn call_began(&mut self, dependency: usize) {
        self.door.guard.call_began(dependency);
        self.reports.call_began(dependency);
    }

    fn call_ended(&mut self, now_s: f64, dependency: usize, spent_s: f64) {
        self.door.guard.call_ended(dependency, spent_s, now_s);
        self.reports.call_ended(dependency);
    }

    fn wake_s(&self) -> f64 {
        self.wake_s
    }

    fn wake(&mut self, now_s: f64) -> bool {
        let mut decides = false;
        if now_s >= self.flush_s {
            self.reports.flush(now_s, &self.world);
            self.flushes += 1;
        } else if now_s >= self.reports.arrives_s()
            && let Some(batch) = self.reports.arrive()
        {
            decides = self.read(batch, now_s);
        } else {
            self.door.guard.move_limits(now_s);
            self.guard_moves += 1;
        }
        self.plan();
        decides
    }

    fn limits(&self) -> (Option<f64>, Option<f64>) {
        (self.admitted_per_s, self.door.guard.guard_s())
    }
}
