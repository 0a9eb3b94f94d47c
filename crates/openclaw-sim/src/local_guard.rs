//! The guards that a service holds by itself: requests in flight, of a class, towards a dependency, and stalls.
//!
//! The production law and the production guard; what the service would measure with its own eyes is measured here.

use std::sync::Arc;

use openclaw_bucket::{InFlight, InFlightGuard};
use openclaw_controller::{
    CallsSeen, ControlLoop, Gate, GateLimits, GateSeen, GateTimes, PerDependency, Stall, ThroughputMeter,
    cap_of_caller,
};
use openclaw_protocol::UserId;

use crate::seconds::nanoseconds;
use crate::world::World;

/// How long a lateness keeps a guard's floor low, in seconds.
const LATE_S: f64 = 1.0;

/// A scenario's class, as the control loop numbers it.
#[derive(Clone, Copy, Debug, Default)]
struct ClassPlace {
    number: usize,
    calls: PerDependency<bool>,
}

/// Calls to one dependency.
#[derive(Debug, Default)]
struct Calls {
    in_flight: u32,
    done: u64,
    meter: ThroughputMeter,
    late_until_s: f64,
}

/// All local guards of one service.
#[derive(Debug)]
pub(crate) struct LocalGuard {
    law: Gate,
    guard: Arc<InFlightGuard>,
    times: GateTimes,
    limits: GateLimits,
    classes: Vec<ClassPlace>,
    /// None where nothing tells of them.
    calls: Vec<Calls>,
    requests: ThroughputMeter,
    done: u64,
    late_until_s: f64,
    unloaded_s: f64,
    /// When something was last served, or the first of those in flight entered an idle service.
    progress_s: f64,
    probed_s: f64,
    moved_s: f64,
}

impl LocalGuard {
    /// Guards that are open until they are first moved, and then hold `guard_s`.
    pub(crate) fn new(law: Gate, guard_s: Option<f64>, world: &World) -> Self {
        let instrumented = world.scenario.instrumented;
        let dependencies = if instrumented { world.stages.len() - 1 } else { 0 };
        Self {
            law,
            guard: Arc::new(InFlightGuard::new(u32::MAX)),
            times: GateTimes { guard_s, ..GateTimes::default() },
            limits: GateLimits::open(),
            classes: vec![ClassPlace::default(); world.classes.len()],
            calls: (0..dependencies).map(|_| Calls::default()).collect(),
            requests: ThroughputMeter::default(),
            done: 0,
            late_until_s: 0.0,
            unloaded_s: 0.0,
            progress_s: 0.0,
            probed_s: f64::NEG_INFINITY,
            moved_s: 0.0,
        }
    }

    /// Lets a request of `class` in, or not.
    pub(crate) fn try_enter(&mut self, class: usize, id: &UserId, now_s: f64) -> Option<InFlight> {
        let in_flight = self.guard.in_flight();
        if in_flight == 0 {
            self.progress_s = now_s;
        }
        if in_flight > self.limits.stall.in_flight && !self.moves(in_flight, now_s) {
            return None;
        }
        let place = &self.classes[class];
        let mut cap = self.limits.cap_of_class(place.number);
        let guarded = place.calls.iter().zip(&self.limits.dependencies).zip(&self.calls);
        for ((_, calls_cap), calls) in guarded.filter(|((calls, _), _)| **calls) {
            cap = cap_of_caller(cap, in_flight, calls.in_flight, *calls_cap);
        }
        self.guard.try_enter_capped(id, cap).ok()
    }

    /// Whether the service is not stalled, or it is time to try it.
    fn moves(&mut self, in_flight: u32, now_s: f64) -> bool {
        let since_ns = |then_s: f64| nanoseconds(now_s - then_s);
        match self.limits.stall.judge(in_flight, since_ns(self.progress_s), since_ns(self.probed_s)) {
            Stall::None => true,
            Stall::Probe => {
                self.probed_s = now_s;
                true
            }
            Stall::Stalled => false,
        }
    }

    /// Notes that a request is done after `latency_s` seconds; one that was not served shows no progress.
    pub(crate) fn done(&mut self, served: bool, latency_s: f64, now_s: f64) {
        self.done += 1;
        if served {
            self.progress_s = now_s;
        }
        if self.times.guard_s.is_some_and(|guard_s| latency_s > guard_s) {
            self.late_until_s = now_s + LATE_S;
        }
    }

    /// Notes that a request calls a dependency.
    pub(crate) fn call_began(&mut self, dependency: usize) {
        if let Some(calls) = self.calls.get_mut(dependency) {
            calls.in_flight += 1;
        }
    }

    /// Notes the end of a call after `spent_s` seconds.
    pub(crate) fn call_ended(&mut self, dependency: usize, spent_s: f64, now_s: f64) {
        let Some(calls) = self.calls.get_mut(dependency) else { return };
        calls.in_flight -= 1;
        calls.done += 1;
        let guard_s = self.times.dependencies.get(dependency).copied().flatten();
        if guard_s.is_some_and(|guard_s| spent_s > guard_s) {
            calls.late_until_s = now_s + LATE_S;
        }
    }

    /// Turns the guard times into numbers of requests and calls, from how fast they leave.
    pub(crate) fn move_limits(&mut self, now_s: f64) {
        let interval_s = now_s - self.moved_s;
        self.moved_s = now_s;
        let dependencies = self.calls.iter_mut().take(openclaw_controller::DEPENDENCIES_MAX).map(|calls| {
            let late = now_s < calls.late_until_s;
            CallsSeen { calls: calls.meter.advance(calls.done, interval_s), late }
        });
        let seen = GateSeen {
            dependencies: dependencies.collect(),
            requests: self.requests.advance(self.done, interval_s),
            late: now_s < self.late_until_s,
            unloaded_s: self.unloaded_s,
        };
        self.limits = self.law.limits(&self.times, &seen);
        self.guard.set_cap(self.limits.cap);
    }

    /// The guard times that hold from now on, and what the loop knows of classes and of an unloaded service.
    pub(crate) fn assign(&mut self, times: GateTimes, unloaded_s: f64, control: &ControlLoop, world: &World) {
        (self.times, self.unloaded_s) = (times, unloaded_s);
        for (place, class) in self.classes.iter_mut().zip(&world.classes) {
            place.number = control.class_of(&class.context);
            place.calls = control.calls(place.number);
        }
    }

    /// W in seconds; `None` where the guard is open.
    pub(crate) fn guard_s(&self) -> Option<f64> {
        self.times.guard_s
    }
}

#[cfg(test)]
mod tests;
