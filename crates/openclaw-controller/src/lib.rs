//! From what a service reports to every user's bucket, as pure functions of time.
//!
//! A [`ControlLoop`] takes cumulative counters and latencies ([`ControlLoop::report`]), asks a
//! [`Controller`] every tick for one total admitted rate and one guard time ([`Action`]), and turns them
//! into each user's `{bucketSize, refillRate}` by water-filling. The edge holds one loop per service; a
//! rating service holds one of its own for the time when the edge is away. Nothing here reads a clock.

mod bounds;
mod catalogue;
mod class_cost;
mod class_flows;
mod classes;
mod classical;
mod control_loop;
mod demand;
mod dependencies;
mod division;
mod explanation;
mod filter;
mod gate;
mod guard;
mod latency;
mod little_guard;
mod observation;
mod overrides;
mod parts;
pub mod policy;
mod reward;
mod signals;
mod sources;
mod throughput;
mod users;

pub use bounds::Bounds;
pub use catalogue::{ControllerKind, UnknownController};
pub use classical::{
    Aimd, AimdSettings, Aperture, ApertureSettings, Bouncer, BouncerSettings, Breakwater, BreakwaterSettings,
    Dagor, DagorSettings, EnvoyGradient, EnvoyGradientSettings, Fixed, FixedSettings, Gradient2,
    Gradient2Settings, Handout, Parameter, Pid, PidSettings, Seda, SedaSettings, SlaGradient,
    SlaGradientSettings, StaticTotal, StaticTotalSettings, TopFullMimd, TopFullMimdSettings, TopFullStep,
    TopFullStepSettings, Vegas, VegasSettings,
};
pub use control_loop::{Assignment, BusyUser, ControlLoop, LoopSettings, Report};
pub use explanation::{Explanation, LearnedExplanation};
pub use gate::{
    CallsSeen, Gate, GateLimits, GateSeen, GateTimes, Stall, StallLaw, StallLimits, cap_of_caller, is_caller,
};
pub use guard::{GuardLaw, GuardTime};
pub use little_guard::{LittleGuard, LittleGuardSettings};
pub use observation::{Action, Controller, Observation, SharedAction};
pub use overrides::Overrides;
pub use parts::{
    CLASSES_MAX, ClassAction, ClassSeen, DEPENDENCIES_MAX, DependencyAction, DependencySeen, PerClass,
    PerDependency,
};
pub use reward::RewardInputs;
pub use signals::Flow;
pub use throughput::{Throughput, ThroughputMeter};

/// Nanoseconds in a second, for turning the `now_ns` arguments into seconds.
pub(crate) const NS_PER_S: f64 = 1e9;
