//! What a controller sees, what it may do, and the interface between the two.

use openclaw_protocol::BucketPolicy;

use crate::parts::{ClassAction, ClassSeen, DependencyAction, DependencySeen, PerClass, PerDependency};
use crate::policy::LearnedPolicy;

/// A service as a controller sees it at one tick. Times are seconds. Throughputs, demand and what is in flight
/// are in work units, the cost of one plain request; with one class only they are numbers of ratings.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Observation {
    /// When, in nanoseconds since the loop's origin.
    pub now_ns: u64,
    /// The latency goal for the 95th percentile.
    pub slo_s: f64,
    /// Latency floor: the lowest 1 s median of the last 30 s.
    pub base_s: f64,
    /// Median over the last second.
    pub p50_s: f64,
    /// 95th percentile over the last second; infinite where timeouts make it so.
    pub p95_s: f64,
    /// 95th percentile over the last 200 ms; the last second's where that is empty.
    pub p95_fast_s: f64,
    /// Fraction of the last second's latencies over the SLO.
    pub late_fraction: f64,
    /// Fraction of the last 200 ms' latencies over the SLO; the last second's where that is empty.
    pub late_fraction_fast: f64,
    /// Latencies seen in the last second.
    pub samples: u64,
    /// In flight.
    pub in_flight: f64,
    /// Change of what is in flight over the last 200 ms.
    pub in_flight_change: f64,
    /// Time since something was last seen to complete; 0 while nothing is in flight.
    pub since_completion_s: f64,
    /// How old the newest report is, with the time that reports and answers take on their way.
    pub feedback_age_s: f64,
    /// Completed, averaged over 0.25 s.
    pub throughput_fast_per_s: f64,
    /// Completed, averaged over 2.5 s.
    pub throughput_slow_per_s: f64,
    /// Highest slow throughput, fading over 30 s.
    pub throughput_peak_per_s: f64,
    /// Admitted, averaged over 0.25 s.
    pub accepted_fast_per_s: f64,
    /// Offered, averaged over 0.25 s.
    pub demand_fast_per_s: f64,
    /// Offered, averaged over 2.5 s.
    pub demand_slow_per_s: f64,
    /// Failed, averaged over 0.25 s.
    pub failed_fast_per_s: f64,
    /// The classes, the plain one first; empty where only that one is known.
    pub classes: PerClass<ClassSeen>,
    /// The dependencies.
    pub dependencies: PerDependency<DependencySeen>,
}

impl Observation {
    /// Every feature by name, as explanations and logs show it.
    #[must_use]
    pub fn named(&self) -> [(&'static str, f64); 19] {
        [
            ("sloS", self.slo_s),
            ("baseS", self.base_s),
            ("p50S", self.p50_s),
            ("p95S", self.p95_s),
            ("p95FastS", self.p95_fast_s),
            ("lateFraction", self.late_fraction),
            ("lateFractionFast", self.late_fraction_fast),
            ("samples", self.samples as f64),
            ("inFlight", self.in_flight),
            ("inFlightChange", self.in_flight_change),
            ("sinceCompletionS", self.since_completion_s),
            ("feedbackAgeS", self.feedback_age_s),
            ("throughputFastPerS", self.throughput_fast_per_s),
            ("throughputSlowPerS", self.throughput_slow_per_s),
            ("throughputPeakPerS", self.throughput_peak_per_s),
            ("acceptedFastPerS", self.accepted_fast_per_s),
            ("demandFastPerS", self.demand_fast_per_s),
            ("demandSlowPerS", self.demand_slow_per_s),
            ("failedFastPerS", self.failed_fast_per_s),
        ]
    }
}

/// What a controller decides for the next tick.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "one action exists per service, and a decision allocates nothing"
)]
pub enum Action {
    /// The same parameters for every user, whatever they ask for.
    PerUser(BucketPolicy),
    /// One total, shared by water-filling.
    Shared(SharedAction),
}

/// A total admitted rate and how it is handed out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SharedAction {
    /// R: work units per second that may be admitted, over all users.
    pub admitted_per_s: f64,
    /// W: longest time that the work in flight may take, in seconds; `None` leaves the guard open.
    pub guard_s: Option<f64>,
    /// A bucket holds what it refills in this many seconds.
    pub bucket_s: f64,
    /// A user's refill rate is at most this multiple of its own demand, so that nobody saves up for a burst
    /// that the service cannot take.
    pub headroom: f64,
    /// By class, in the observation's order; missing ones are left alone.
    pub classes: PerClass<ClassAction>,
    /// By dependency, in the observation's order; missing ones are not limited.
    pub dependencies: PerDependency<DependencyAction>,
}

impl SharedAction {
    /// An action that treats all classes alike and limits no dependency.
    #[must_use]
    pub fn new(admitted_per_s: f64, guard_s: Option<f64>, bucket_s: f64, headroom: f64) -> Self {
        let (classes, dependencies) = (PerClass::new(), PerDependency::new());
        Self { admitted_per_s, guard_s, bucket_s, headroom, classes, dependencies }
    }

    /// Becomes [`SharedAction::new`] where it is: an action is half a kilobyte, which a decision need not move.
    pub(crate) fn begin(&mut self, admitted_per_s: f64, guard_s: Option<f64>, bucket_s: f64, headroom: f64) {
        (self.admitted_per_s, self.guard_s) = (admitted_per_s, guard_s);
        (self.bucket_s, self.headroom) = (bucket_s, headroom);
        self.classes.clear();
        self.dependencies.clear();
    }
}

impl Action {
    /// Whether every number is finite and positive enough to act on.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        match self {
            Self::PerUser(policy) => policy.is_sound(),
            Self::Shared(shared) => {
                let positive = |value: f64| value.is_finite() && value > 0.0;
                positive(shared.admitted_per_s)
                    && positive(shared.bucket_s)
                    && positive(shared.headroom)
                    && shared.guard_s.is_none_or(positive)
                    && shared
                        .classes
                        .iter()
                        .all(|class| positive(class.level) && class.guard_s.is_none_or(positive))
                    && shared.dependencies.iter().all(|dependency| {
                        // Infinite means no limit.
                        dependency.admitted_per_s > 0.0 && dependency.guard_s.is_none_or(positive)
                    })
            }
        }
    }
}

/// A rule that turns observations into actions.
pub trait Controller: Send {
    /// Its name, as the command line and the answers' `policyVersion` have it.
    fn name(&self) -> &'static str;

    /// Decides for the coming tick.
    fn decide(&mut self, seen: &Observation) -> Action;

    /// Whether the service should hold an in-flight guard before the first decision.
    fn guards(&self) -> bool;

    /// The learned policy, where this is one: explanations tell more of it.
    fn learned(&self) -> Option<&LearnedPolicy> {
        None
    }

    /// Whether classes and dependencies are told apart for it. Where not, it sees and shares out ratings, all alike.
    fn is_aware(&self) -> bool {
        true
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A service of 800 ratings/s that is neither idle nor late.
    pub(crate) fn observation() -> Observation {
        Observation {
            now_ns: 10_000_000_000,
            slo_s: 0.2,
            base_s: 0.02,
            p50_s: 0.03,
            p95_s: 0.05,
            p95_fast_s: 0.05,
            late_fraction: 0.0,
            late_fraction_fast: 0.0,
            samples: 600,
            in_flight: 20.0,
            in_flight_change: 0.0,
            since_completion_s: 0.0,
            feedback_age_s: 0.0,
            throughput_fast_per_s: 600.0,
            throughput_slow_per_s: 600.0,
            throughput_peak_per_s: 800.0,
            accepted_fast_per_s: 600.0,
            demand_fast_per_s: 600.0,
            demand_slow_per_s: 600.0,
            failed_fast_per_s: 0.0,
            classes: PerClass::new(),
            dependencies: PerDependency::new(),
        }
    }

    #[test]
    fn an_action_with_a_nan_or_nothing_admitted_is_not_sound() {
        let good = SharedAction::new(1.0, Some(0.1), 1.0, 3.0);
        assert!(Action::Shared(good).is_sound());
        assert!(!Action::Shared(SharedAction { admitted_per_s: f64::NAN, ..good }).is_sound());
        assert!(!Action::Shared(SharedAction { admitted_per_s: 0.0, ..good }).is_sound());
        assert!(!Action::Shared(SharedAction { guard_s: Some(f64::INFINITY), ..good }).is_sound());
    }
}
