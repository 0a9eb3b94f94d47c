//! Every local guard in one law: what may be in flight in all, of a class, and towards a dependency, and when a
//! service counts as stalled.
//!
//! The guard times come from the edge; the rest is measured where the work is done, because no answer from an edge
//! is fast enough for a pause. A service applies the limits with a few comparisons per request, a simulator with the
//! same ones. Each class or dependency behind a guard of its own was the alternative: requests of one class would
//! then wait behind those of another without either guard seeing why.

use crate::guard::{GuardLaw, GuardTime};
use crate::parts::{PerClass, PerDependency};
use crate::throughput::Throughput;

/// A class calls a dependency, as far as guards are concerned, where more than this share of its requests does.
const CALLERS_SHARE_MIN: f64 = 0.02;

/// Whether a class of that call share counts as a caller.
#[must_use]
pub fn is_caller(call_share: f64) -> bool {
    call_share > CALLERS_SHARE_MIN
}

/// The law of the stall guard.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StallLaw {
    /// Completions that must be missing before a service counts as stalled; infinite turns the guard off.
    pub missing: f64,
    /// The shortest stall, in seconds: what a scheduler may do to any thread is none.
    pub shortest_s: f64,
    /// Share of the peak below which the throughput does not count, so that a long stall stays noticed.
    pub peak_share: f64,
    /// Time between two requests that are let into a stalled service to try it, as a share of W.
    pub probe: f64,
}

impl Default for StallLaw {
    fn default() -> Self {
        Self { missing: 8.0, shortest_s: 0.004, peak_share: 0.1, probe: 0.5 }
    }
}

/// The law of all local guards.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Gate {
    /// How many requests or calls a guard time allows.
    pub guard: GuardLaw,
    /// When a service counts as stalled.
    pub stall: StallLaw,
}

/// The guard times that hold, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct GateTimes {
    /// W; `None` opens every guard.
    pub guard_s: Option<f64>,
    /// W of each class, by its number; a class beyond the list, or `None`, has the common W.
    pub classes: PerClass<Option<f64>>,
    /// W of each dependency; one beyond the list, or `None`, has no guard.
    pub dependencies: PerDependency<Option<f64>>,
}

/// What the law looks at, measured in the service.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct GateSeen {
    /// Requests completed.
    pub requests: Throughput,
    /// Whether any request of the last second took longer than W.
    pub late: bool,
    /// Time that a request takes while nobody waits, in seconds; 0 where it is not known.
    pub unloaded_s: f64,
    /// Calls to each dependency.
    pub dependencies: PerDependency<CallsSeen>,
}

/// Calls to one dependency, measured in the service.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CallsSeen {
    /// Calls completed.
    pub calls: Throughput,
    /// Whether any call of the last second took longer than the dependency's guard time.
    pub late: bool,
}

/// What may be in flight until the law is asked again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GateLimits {
    /// Requests.
    pub cap: u32,
    /// Requests of all classes together at which a class is refused, by its number; never above `cap`.
    pub classes: PerClass<u32>,
    /// Calls in flight at which callers of a dependency are refused.
    pub dependencies: PerDependency<u32>,
    /// When the service counts as stalled.
    pub stall: StallLimits,
}

/// When a service counts as stalled, and what it then lets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StallLimits {
    /// Nothing has completed for this long, and
    pub silent_ns: u64,
    /// for this long divided by the requests in flight, and
    pub silent_each_ns: u64,
    /// more requests than these are in flight.
    pub in_flight: u32,
    /// One request in this time is let in to try.
    pub probe_ns: u64,
}

/// What the stall guard says of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stall {
    /// Work leaves.
    None,
    /// Nothing leaves, and it is time to try again: this one may enter.
    Probe,
    /// Nothing leaves.
    Stalled,
}

impl Gate {
    /// The limits that follow from the guard times and what the service measured.
    #[must_use]
    pub fn limits(&self, times: &GateTimes, seen: &GateSeen) -> GateLimits {
        let Some(guard_s) = times.guard_s else { return GateLimits::open() };
        let cap_of = |guard_s| self.guard.cap(&guard_time(guard_s, seen.requests, seen.late));
        let cap = cap_of(guard_s);
        let own = |class: &Option<f64>| class.map_or(cap, |guard_s| cap_of(guard_s).min(cap));
        let calls = |(guard_s, seen): (&Option<f64>, &CallsSeen)| {
            guard_s.map_or(u32::MAX, |guard_s| self.guard.cap(&guard_time(guard_s, seen.calls, seen.late)))
        };
        GateLimits {
            cap,
            classes: times.classes.iter().map(own).collect(),
            dependencies: times.dependencies.iter().zip(&seen.dependencies).map(calls).collect(),
            stall: self.stall_limits(guard_s, seen),
        }
    }

    /// A gap of `missing` times the usual one is a stall. What is usual follows from the throughput; where few are in
    /// flight, and the throughput was higher once, it follows from the time that each of them takes.
    fn stall_limits(&self, guard_s: f64, seen: &GateSeen) -> StallLimits {
        let law = &self.stall;
        let flow = &seen.requests;
        let per_s = self.guard.throughput_per_s(flow.fast_per_s, flow.slow_per_s);
        let per_s = per_s.max(law.peak_share * flow.peak_per_s);
        // Where nothing is known to leave, nothing can be missing.
        let usual_s = if per_s > 0.0 { law.missing / per_s } else { f64::INFINITY };
        StallLimits {
            silent_ns: ns(usual_s.max(law.shortest_s)),
            silent_each_ns: ns(law.missing * seen.unloaded_s.max(0.0)),
            in_flight: self.guard.floor.round() as u32,
            probe_ns: ns(law.probe * guard_s),
        }
    }
}

fn guard_time(guard_s: f64, flow: Throughput, late: bool) -> GuardTime {
    GuardTime {
        guard_s,
        throughput_fast_per_s: flow.fast_per_s,
        throughput_slow_per_s: flow.slow_per_s,
        throughput_peak_per_s: flow.peak_per_s,
        late,
    }
}

/// Nanoseconds; what is infinite becomes a time that never passes.
fn ns(seconds: f64) -> u64 {
    (seconds * crate::NS_PER_S) as u64
}

impl GateLimits {
    /// Guards that refuse nothing.
    #[must_use]
    pub fn open() -> Self {
        Self {
            cap: u32::MAX,
            classes: PerClass::new(),
            dependencies: PerDependency::new(),
            stall: StallLimits::open(),
        }
    }

    /// Requests in flight at which a class is refused; one that is not listed has the common cap.
    #[must_use]
    pub fn cap_of_class(&self, class: usize) -> u32 {
        self.classes.get(class).copied().unwrap_or(self.cap).min(self.cap)
    }
}

/// The cap of a request that may call a dependency with `calls` in flight, `calls_cap` of which it may have, where
/// `in_flight` requests are in all and `cap` would hold otherwise.
///
/// A full dependency makes the service full for its callers as it is: only users who have less than their share in
/// flight still enter, and from 1.2 times the dependency's cap on, nobody.
#[must_use]
pub fn cap_of_caller(cap: u32, in_flight: u32, calls: u32, calls_cap: u32) -> u32 {
    if calls < calls_cap {
        cap
    } else if calls < calls_cap.saturating_add((calls_cap / 5).max(1)) {
        cap.min(in_flight)
    } else {
        0
    }
}

impl StallLimits {
    /// A guard that takes nothing for a stall.
    #[must_use]
    pub fn open() -> Self {
        Self { silent_ns: u64::MAX, silent_each_ns: u64::MAX, in_flight: u32::MAX, probe_ns: u64::MAX }
    }

    /// Judges a request: `in_flight` others are in service, the last completed, or the first of them entered an idle
    /// service, `silent_ns` ago, and the last [`Stall::Probe`] was `probed_ns` ago.
    #[must_use]
    pub fn judge(&self, in_flight: u32, silent_ns: u64, probed_ns: u64) -> Stall {
        let each_ns = silent_ns.saturating_mul(u64::from(in_flight));
        if in_flight <= self.in_flight || silent_ns <= self.silent_ns || each_ns <= self.silent_each_ns {
            Stall::None
        } else if silent_ns.min(probed_ns) > self.probe_ns {
            // A few requests that hang must not close a service that could take others.
            Stall::Probe
        } else {
            Stall::Stalled
        }
    }
}

#[cfg(test)]
mod tests;
