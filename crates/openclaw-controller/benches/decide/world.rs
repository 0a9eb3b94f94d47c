//! A service to decide for: users in four circumstances, two dependencies, and reports that keep coming.

use std::collections::BTreeMap;
use std::sync::Arc;

use openclaw_benchkit::median;
use openclaw_controller::policy::{Artifact, LearnedPolicy, Network, Output};
use openclaw_controller::{Action, ControlLoop, Controller, LittleGuard, LoopSettings, Observation, Report};
use openclaw_protocol::{
    CollectorInfo, Context, DependencyGauge, ItemId, RatingEvent, Totals, UserCounts, UserId,
};

/// The configured start of R.
pub(crate) const START_PER_S: f64 = 1000.0;
const TICK_NS: u64 = 100_000_000;
/// Attempts of each report, whose users take turns.
const ATTEMPTS: usize = 100;
const DEPENDENCIES: [&str; 2] = ["moderation", "search"];

/// What a service is made of.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Parts {
    /// Four classes of users, and two dependencies.
    Many,
    /// Nobody tells a context, and nothing is called.
    Plain,
}

pub(crate) struct World {
    parts: Parts,
    control: ControlLoop,
    collector: CollectorInfo,
    users: Vec<UserCounts>,
    next: usize,
    seq: u64,
    now_ns: u64,
    totals: Totals,
    called: u64,
}

impl World {
    /// A service that so many users have used for some seconds.
    pub(crate) fn warm(users: usize, parts: Parts) -> Self {
        let settings = LoopSettings { users_max: users, start_per_s: START_PER_S, ..LoopSettings::default() };
        let user = |index: usize| {
            let id = UserId::new(&format!("user-{index}")).expect("a short id is one");
            UserCounts { context: context(index, parts), ..UserCounts::new(id, 0, 0) }
        };
        let mut world = Self {
            parts,
            control: ControlLoop::new(settings, Box::new(LittleGuard::new(START_PER_S)), 0),
            collector: CollectorInfo { id: "c".into(), service: "s".into(), epoch: 1 },
            users: (0..users).map(user).collect(),
            next: 0,
            seq: 0,
            now_ns: 0,
            totals: Totals::default(),
            called: 0,
        };
        for _ in 0..50 {
            world.report(ATTEMPTS);
            world.control.tick(world.now_ns);
        }
        // Two rounds: the first makes the users known, the second counts. Idle ones would be forgotten in 5 s.
        for _ in 0..2 {
            world.report(users);
            world.control.tick(world.now_ns);
        }
        assert_eq!(world.control.users_tracked(), users, "nobody is forgotten yet");
        world
    }

    /// The median time that observing and deciding takes, over so many ticks.
    pub(crate) fn p50_ns(&mut self, ticks: usize, controller: &mut impl Controller) -> f64 {
        let mut times = Vec::with_capacity(ticks);
        for _ in 0..ticks {
            self.report(ATTEMPTS);
            let (ns, decided) = crate::timed_ns(|| {
                let seen = self.control.observe(self.now_ns);
                seen.map(|seen| (seen, controller.decide(seen)))
            });
            times.push(ns);
            if let Some((&seen, action)) = decided {
                self.control.act(&seen, action, self.now_ns);
            }
        }
        median(&mut times)
    }

    /// What a controller sees now.
    pub(crate) fn observation(&mut self) -> Observation {
        self.report(ATTEMPTS);
        *self.control.observe(self.now_ns).expect("latencies were reported")
    }

    /// Acts, which finds the water level.
    pub(crate) fn act(&mut self, seen: &Observation, action: Action) {
        self.control.act(seen, action, self.now_ns);
    }

    fn report(&mut self, attempts: usize) {
        self.seq += 1;
        self.now_ns += TICK_NS;
        let count = attempts as u64;
        self.totals.attempts += count;
        self.totals.accepted += count;
        self.totals.completed += count;
        self.called += count / 2;
        let mut users = Vec::with_capacity(attempts);
        for _ in 0..attempts {
            let user = &mut self.users[self.next];
            // The busiest tenth attempts four times as much.
            user.attempts += if self.next.is_multiple_of(10) { 4 } else { 1 };
            users.push(user.clone());
            self.next = (self.next + 1) % self.users.len();
        }
        let gauge =
            |name: &&str| DependencyGauge { name: (*name).to_owned(), in_flight: 3, completed: self.called };
        let report = Report {
            collector: &self.collector,
            seq: self.seq,
            in_flight: 12,
            totals: self.totals,
            users: &users,
            dependencies: &self.dependencies().iter().map(gauge).collect::<Vec<_>>(),
            round_trip_s: Some(0.001),
        };
        assert!(self.control.report(&report, self.now_ns), "one collector is not too many");
        for index in 0..ATTEMPTS.min(attempts) {
            self.control.observe_event(&self.event(index));
        }
    }

    fn dependencies(&self) -> &'static [&'static str] {
        if self.parts == Parts::Many { &DEPENDENCIES } else { &[] }
    }

    fn event(&self, index: usize) -> RatingEvent {
        let id = UserId::new(&format!("user-{index}")).expect("a short id is one");
        let mut event = RatingEvent::new(id, ItemId::new("item").expect("a short id is one"), 5.0, 0);
        event.latency_ms = Some(10.0 + (index * 37 % 100) as f64);
        event.work_ms = Some(5.0 * (1 + index % 4) as f64);
        event.context = context(index, self.parts);
        let calls = self.dependencies().iter().map(|name| (Arc::from(*name), 4.0 + (index % 7) as f64));
        event.dependency_ms = Some(calls.collect::<BTreeMap<_, _>>());
        event
    }
}

/// The circumstances of a user or an event.
fn context(index: usize, parts: Parts) -> Context {
    match ["mobile", "tablet", "desktop"].get(index % 4) {
        Some(kind) if parts == Parts::Many => {
            Context { device_type: Some(Arc::from(*kind)), ..Context::default() }
        }
        _ => Context::default(),
    }
}

/// The network of the shipped policy. One made up would do for the arithmetic, but which of its units are 0 for a given
/// service is learned, and those cost nothing.
pub(crate) fn network() -> Network {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies/ppo-4.safetensors");
    let bytes = std::fs::read(path).expect("the shipped policy is in the project's folder");
    Artifact::from_bytes(&bytes).expect("the shipped policy is whole").network().clone()
}

pub(crate) fn policy(network: &Network) -> LearnedPolicy {
    LearnedPolicy::new(network, Output::Clipped, "bench".to_owned(), START_PER_S).expect("its parts fit")
}
