//! What a service is made of, as a controller sees it: classes of requests that differ in cost and network, and
//! the dependencies that some of them call.
//!
//! All lists are of fixed capacity, so that an observation and an action are plain values: nothing is
//! allocated per decision, and what clients send cannot make them grow.

use tinyvec::ArrayVec;

/// Context classes told apart at most, the plain one (number 0) included. Contexts beyond them count as plain.
pub const CLASSES_MAX: usize = 8;
/// Dependencies told apart at most; further ones are not controlled.
pub const DEPENDENCIES_MAX: usize = 4;

/// One value for each class that is known, in the order of their numbers.
pub type PerClass<T> = ArrayVec<[T; CLASSES_MAX]>;
/// One value for each dependency that is known, in the order of their numbers.
pub type PerDependency<T> = ArrayVec<[T; DEPENDENCIES_MAX]>;

/// One class of requests.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClassSeen {
    /// Its share of the offered work over 2.5 s, 0 to 1; 0 while nobody of the class is active.
    pub demand_share: f64,
    /// c: processing time of one request over that of a plain one.
    pub cost: f64,
    /// Time on the network, in seconds, part of every latency of the class.
    pub network_delay_s: f64,
    /// Fraction of the class's latencies of the last second over the SLO.
    pub late_fraction: f64,
    /// p: share of its requests that call each dependency, 0 to 1.
    pub call_shares: PerDependency<f64>,
}

impl Default for ClassSeen {
    /// A plain class that nobody uses.
    fn default() -> Self {
        Self {
            demand_share: 0.0,
            cost: 1.0,
            network_delay_s: 0.0,
            late_fraction: 0.0,
            call_shares: PerDependency::new(),
        }
    }
}

/// One dependency. Calls, not work units: a call costs the same whoever makes it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DependencySeen {
    /// Calls in flight.
    pub in_flight: f64,
    /// Change of the calls in flight over the last 200 ms.
    pub in_flight_change: f64,
    /// Calls completed per second, averaged over 0.25 s.
    pub throughput_fast_per_s: f64,
    /// Calls completed per second, averaged over 2.5 s.
    pub throughput_slow_per_s: f64,
    /// Highest slow throughput, fading over 30 s.
    pub throughput_peak_per_s: f64,
    /// Lowest median of its call times over 200 ms of the last 30 s, in seconds.
    pub base_s: f64,
}

/// What a controller decides for one class; the default leaves it alone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClassAction {
    /// Multiplies the level up to which users of the class are served.
    pub level: f64,
    /// W of the class, in seconds; `None` means the common guard time.
    pub guard_s: Option<f64>,
}

impl Default for ClassAction {
    fn default() -> Self {
        Self { level: 1.0, guard_s: None }
    }
}

/// What a controller decides for one dependency; the default leaves it unlimited.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DependencyAction {
    /// Calls per second that may be made; infinite for no limit.
    pub admitted_per_s: f64,
    /// Longest time that the calls in flight may take, in seconds; `None` leaves the guard open.
    pub guard_s: Option<f64>,
}

impl Default for DependencyAction {
    fn default() -> Self {
        Self { admitted_per_s: f64::INFINITY, guard_s: None }
    }
}
