//! How a simulated service is run; what happens to it is the scenario's business.

use openclaw_controller::{Bounds, Gate};

/// Settings of a [`Simulation`](crate::Simulation). The defaults are those of the services.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SimSettings {
    /// The latency goal for the 95th percentile, in seconds.
    pub slo_s: f64,
    /// Time between two reports, and between two decisions, in nanoseconds.
    pub tick_ns: u64,
    /// Time between two moves of the guards' caps, in nanoseconds.
    pub guard_interval_ns: u64,
    /// Whether users have buckets; without them only the guard limits.
    pub buckets: bool,
    /// Whether requests in flight are guarded; a controller may still open the guard.
    pub guard: bool,
    /// The law of the local guards.
    pub gate: Gate,
    /// What a user gets at least and at most.
    pub bounds: Bounds,
}

impl Default for SimSettings {
    fn default() -> Self {
        Self {
            slo_s: 0.2,
            tick_ns: 100_000_000,
            guard_interval_ns: 100_000_000,
            buckets: true,
            guard: true,
            gate: Gate::default(),
            bounds: Bounds::default(),
        }
    }
}
