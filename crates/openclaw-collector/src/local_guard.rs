//! The local guards on the request's path: a few atomic operations per request, moved by the cycle.
//!
//! The law is the controller's `Gate`; here are only its limits, as atomics, and what it looks at. A context is found by a
//! hash under a secret seed among at most eight, so that nothing is locked for it. A request that reads a class's number
//! and limit while the cycle moves them may be judged by a limit that held a moment ago, as any other may.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use openclaw_bucket::{GuardFull, HashSeed, InFlight, InFlightGuard};
use openclaw_controller::{
    CLASSES_MAX, CallsSeen, Gate, GateLimits, GateSeen, GateTimes, PerDependency, Stall, StallLimits,
    Throughput, cap_of_caller,
};
use openclaw_protocol::{Context, DependencyGauge, UserId};

use crate::clock::Clock;

/// The longest guard time that is obeyed, in seconds.
const GUARD_MAX_S: f64 = 3600.0;
/// How long a lateness keeps a guard's floor low, in nanoseconds.
const LATE_NS: u64 = 1_000_000_000;

/// Guards of one service.
#[derive(Debug)]
pub(crate) struct LocalGuard {
    law: Gate,
    clock: Clock,
    guard: Arc<InFlightGuard>,
    enabled: bool,
    open: AtomicBool,
    guard_ns: AtomicU64,
    guard_min_s: f64,
    hasher: RandomState,
    classes: [ClassLimit; CLASSES_MAX],
    calls: Vec<Calls>,
    stall: StallLimit,
    /// When something was last served, or the first of those in flight entered an idle service.
    progress_ns: AtomicU64,
    probed_ns: AtomicU64,
    late_ns: AtomicU64,
    pub(crate) requests_done: AtomicU64,
}

/// What holds for one class.
#[derive(Debug)]
struct ClassLimit {
    /// Hash of its context; 0 where the number is free, and of the plain class.
    context: AtomicU64,
    cap: AtomicU32,
    /// Dependencies that it calls, as bits.
    calls: AtomicU32,
}

#[derive(Debug)]
struct StallLimit {
    silent_ns: AtomicU64,
    silent_each_ns: AtomicU64,
    in_flight: AtomicU32,
    probe_ns: AtomicU64,
}

/// Calls to one dependency.
#[derive(Debug)]
struct Calls {
    name: String,
    cap: AtomicU32,
    guard_ns: AtomicU64,
    in_flight: AtomicU32,
    completed: AtomicU64,
    late_ns: AtomicU64,
}

/// One class of the local loop, as the limits are moved.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LocalClass<'a> {
    pub(crate) context: &'a Context,
    /// Which of this service's dependencies it calls.
    pub(crate) calls: PerDependency<bool>,
}

impl LocalGuard {
    /// Guards for a service with these dependencies, with W at `guard_s` and never under `guard_min_s`; where not
    /// `enabled`, everything is only counted.
    pub(crate) fn new(
        law: Gate,
        enabled: bool,
        guard_s: f64,
        guard_min_s: f64,
        dependencies: &[String],
        clock: Clock,
    ) -> Self {
        let class = || ClassLimit {
            context: AtomicU64::new(0),
            cap: AtomicU32::new(u32::MAX),
            calls: AtomicU32::new(0),
        };
        let calls = |name: &String| Calls {
            name: name.clone(),
            cap: AtomicU32::new(u32::MAX),
            guard_ns: AtomicU64::new(u64::MAX),
            in_flight: AtomicU32::new(0),
            completed: AtomicU64::new(0),
            late_ns: AtomicU64::new(0),
        };
        Self {
            law,
            clock,
            guard: Arc::new(InFlightGuard::with_seed(u32::MAX, HashSeed::random())),
            enabled,
            open: AtomicBool::new(!enabled),
            guard_ns: AtomicU64::new(ns(guard_s)),
            guard_min_s,
            hasher: RandomState::new(),
            classes: std::array::from_fn(|_| class()),
            calls: dependencies.iter().take(openclaw_controller::DEPENDENCIES_MAX).map(calls).collect(),
            stall: StallLimit::new(),
            progress_ns: AtomicU64::new(0),
            probed_ns: AtomicU64::new(0),
            late_ns: AtomicU64::new(0),
            requests_done: AtomicU64::new(0),
        }
    }

    /// Lets one request of `user` in, or says why not.
    pub(crate) fn try_enter(&self, user: &UserId, context: &Context) -> Result<InFlight, GuardFull> {
        let in_flight = self.guard.in_flight();
        let spared = self.stall.in_flight.load(Relaxed);
        if in_flight == 0 {
            self.progress_ns.fetch_max(self.clock.now_ns(), Relaxed);
        } else if in_flight > spared && !self.moves(in_flight) {
            return Err(GuardFull { in_flight, cap: spared });
        }
        let class = self.class(context);
        let mut cap = class.cap.load(Relaxed);
        let called = class.calls.load(Relaxed);
        for (number, calls) in self.calls.iter().enumerate() {
            if called & (1 << number) != 0 {
                let (in_work, calls_cap) = (calls.in_flight.load(Relaxed), calls.cap.load(Relaxed));
                cap = cap_of_caller(cap, in_flight, in_work, calls_cap);
            }
        }
        self.guard.try_enter_capped(user, cap)
    }

    /// Lets one request of `user` in, whatever is in flight.
    pub(crate) fn enter(&self, user: &UserId) -> InFlight {
        if self.guard.in_flight() == 0 {
            self.progress_ns.fetch_max(self.clock.now_ns(), Relaxed);
        }
        self.guard.enter(user)
    }

    /// Whether the service is not stalled, or it is time to try it.
    fn moves(&self, in_flight: u32) -> bool {
        let now_ns = self.clock.now_ns();
        let since_ns = |then_ns: u64| now_ns.saturating_sub(then_ns);
        let probed_ns = self.probed_ns.load(Relaxed);
        let silent_ns = since_ns(self.progress_ns.load(Relaxed));
        match self.stall.load().judge(in_flight, silent_ns, since_ns(probed_ns)) {
            Stall::None => true,
            // Of several that find it is time, one enters.
            Stall::Probe => self.probed_ns.compare_exchange(probed_ns, now_ns, Relaxed, Relaxed).is_ok(),
            Stall::Stalled => false,
        }
    }

    fn class(&self, context: &Context) -> &ClassLimit {
        let [plain, others @ ..] = &self.classes;
        if context.is_empty() {
            return plain;
        }
        let hash = self.hash(context);
        others.iter().find(|class| class.context.load(Relaxed) == hash).unwrap_or(plain)
    }

    fn hash(&self, context: &Context) -> u64 {
        // 0 marks a number that is free.
        self.hasher.hash_one(context).max(1)
    }

    /// Notes that a request is done; one that was not served shows no progress.
    pub(crate) fn done(&self, latency: Duration, served: bool) {
        self.requests_done.fetch_add(1, Relaxed);
        let late = duration_ns(latency) > self.guard_ns.load(Relaxed);
        if served || late {
            let now_ns = self.clock.now_ns();
            if served {
                self.progress_ns.fetch_max(now_ns, Relaxed);
            }
            if late {
                self.late_ns.fetch_max(now_ns, Relaxed);
            }
        }
    }

    /// The number of a dependency.
    pub(crate) fn dependency(&self, name: &str) -> Option<usize> {
        self.calls.iter().position(|calls| calls.name == name)
    }

    pub(crate) fn call_began(&self, dependency: usize) {
        self.calls[dependency].in_flight.fetch_add(1, Relaxed);
    }

    pub(crate) fn call_ended(&self, dependency: usize, took: Duration) {
        let calls = &self.calls[dependency];
        calls.in_flight.fetch_sub(1, Relaxed);
        calls.completed.fetch_add(1, Relaxed);
        if duration_ns(took) > calls.guard_ns.load(Relaxed) {
            calls.late_ns.fetch_max(self.clock.now_ns(), Relaxed);
        }
    }

    /// The state of every dependency.
    pub(crate) fn gauges(&self) -> Vec<DependencyGauge> {
        let gauge = |calls: &Calls| DependencyGauge {
            name: calls.name.clone(),
            in_flight: calls.in_flight.load(Relaxed),
            completed: calls.completed.load(Relaxed),
        };
        self.calls.iter().map(gauge).collect()
    }

    /// Sets what may be in flight, from the guard times and how fast requests and calls leave. Dependencies are in
    /// this service's order. An open guard only counts.
    pub(crate) fn move_limits<'a>(
        &self,
        times: GateTimes,
        requests: Throughput,
        calls: &[Throughput],
        unloaded_s: f64,
        classes: impl Iterator<Item = LocalClass<'a>>,
    ) {
        let seen = |(state, calls): (&Calls, &Throughput)| CallsSeen {
            calls: *calls,
            late: self.is_recent(&state.late_ns),
        };
        let seen = GateSeen {
            requests,
            late: self.is_recent(&self.late_ns),
            unloaded_s,
            dependencies: self.calls.iter().zip(calls).map(seen).collect(),
        };
        let least = |guard_s: f64| guard_s.clamp(self.guard_min_s.min(GUARD_MAX_S), GUARD_MAX_S);
        let times = GateTimes {
            guard_s: self.guard_s(),
            classes: times.classes.iter().map(|guard_s| guard_s.map(least)).collect(),
            dependencies: times.dependencies.iter().map(|guard_s| guard_s.map(least)).collect(),
        };
        self.apply(&self.law.limits(&times, &seen), &times, classes);
    }

    fn is_recent(&self, late_ns: &AtomicU64) -> bool {
        let late_ns = late_ns.load(Relaxed);
        late_ns > 0 && self.clock.now_ns().saturating_sub(late_ns) < LATE_NS
    }

    fn apply<'a>(
        &self,
        limits: &GateLimits,
        times: &GateTimes,
        classes: impl Iterator<Item = LocalClass<'a>>,
    ) {
        self.guard.set_cap(limits.cap);
        self.stall.store(&limits.stall);
        for (number, calls) in self.calls.iter().enumerate() {
            let guard_s = times.dependencies.get(number).copied().flatten();
            calls.guard_ns.store(guard_s.map_or(u64::MAX, ns), Relaxed);
            calls.cap.store(limits.dependencies.get(number).copied().unwrap_or(u32::MAX), Relaxed);
        }
        let mut classes = classes.take(CLASSES_MAX);
        for (number, limit) in self.classes.iter().enumerate() {
            let class = classes.next();
            limit.cap.store(limits.cap_of_class(number), Relaxed);
            let bits = class.iter().flat_map(|class| class.calls.iter().enumerate());
            let bits = bits.map(|(number, &calls)| u32::from(calls) << number).sum();
            limit.calls.store(bits, Relaxed);
            let named = class.filter(|class| !class.context.is_empty());
            limit.context.store(named.map_or(0, |class| self.hash(class.context)), Relaxed);
        }
    }

    /// Sets the guard time; `None` opens the guard. Returns false where the time is not a positive number and
    /// changes nothing.
    pub(crate) fn set_guard_s(&self, guard_s: Option<f64>) -> bool {
        match guard_s {
            None => self.open.store(true, Relaxed),
            Some(guard_s) if guard_s > 0.0 => {
                let guard_s = guard_s.clamp(self.guard_min_s.min(GUARD_MAX_S), GUARD_MAX_S);
                self.guard_ns.store(ns(guard_s), Relaxed);
                self.open.store(!self.enabled, Relaxed);
            }
            Some(_) => return false,
        }
        true
    }

    /// The guard time, where there is a guard.
    pub(crate) fn guard_s(&self) -> Option<f64> {
        (!self.open.load(Relaxed)).then(|| self.guard_time().as_secs_f64())
    }

    /// The guard time that holds, or held last.
    pub(crate) fn guard_time(&self) -> Duration {
        Duration::from_nanos(self.guard_ns.load(Relaxed))
    }

    pub(crate) fn in_flight(&self) -> u32 {
        self.guard.in_flight()
    }

    /// Requests that may be in flight, where there is a guard.
    pub(crate) fn cap(&self) -> Option<u32> {
        (!self.open.load(Relaxed)).then(|| self.guard.cap())
    }
}

impl StallLimit {
    fn new() -> Self {
        let open = StallLimits::open();
        Self {
            silent_ns: AtomicU64::new(open.silent_ns),
            silent_each_ns: AtomicU64::new(open.silent_each_ns),
            in_flight: AtomicU32::new(open.in_flight),
            probe_ns: AtomicU64::new(open.probe_ns),
        }
    }

    fn load(&self) -> StallLimits {
        StallLimits {
            silent_ns: self.silent_ns.load(Relaxed),
            silent_each_ns: self.silent_each_ns.load(Relaxed),
            in_flight: self.in_flight.load(Relaxed),
            probe_ns: self.probe_ns.load(Relaxed),
        }
    }

    fn store(&self, limits: &StallLimits) {
        self.silent_ns.store(limits.silent_ns, Relaxed);
        self.silent_each_ns.store(limits.silent_each_ns, Relaxed);
        self.in_flight.store(limits.in_flight, Relaxed);
        self.probe_ns.store(limits.probe_ns, Relaxed);
    }
}

fn ns(seconds: f64) -> u64 {
    (seconds * 1e9) as u64
}

fn duration_ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod tests;
