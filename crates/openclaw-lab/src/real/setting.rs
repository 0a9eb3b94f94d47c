//! What can be played in real time, how large, and what users get to begin with.

use openclaw_controller::{ControllerKind, FixedSettings};
use openclaw_protocol::BucketPolicy;
use openclaw_scenario::{Arrivals, Population, Scenario};

use crate::evaluate::{Case, Contender, Kind, Trial};

/// Attempts in one second that are played at most. Beyond it one machine that plays clients, services and backend
/// measures itself.
pub const ATTEMPTS_PER_S_MAX: f64 = 3000.0;
/// Tokens that a newcomer's bucket holds, in seconds of its refill rate: as in the simulator.
const START_BUCKET_S: f64 = 1.5;

/// Why a scenario is not played.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Unplayable {
    /// More than one machine can take.
    #[error(
        "scenario {name:?} comes to {peak_per_s:.0} attempts in its busiest second if all are refused and try again, and at \
         most {ATTEMPTS_PER_S_MAX:.0} are played in real time; --scale {scale:.2} plays that part of its workers and its demand"
    )]
    TooMuch {
        /// The scenario.
        name: String,
        /// Attempts in the busiest second.
        peak_per_s: f64,
        /// What would do.
        scale: f64,
    },
    /// Recorded arrivals have one size.
    #[error(
        "scenario {0:?} plays recorded arrivals, which cannot be scaled; leave --scale out, or the scenario"
    )]
    Trace(String),
    /// Feedback of real processes takes the time that it takes.
    #[error(
        "scenario {0:?} delays or loses feedback, which only the simulator can; evaluate it without --real"
    )]
    Feedback(String),
    /// Nobody is the oracle in reality.
    #[error("--controllers: {0} cannot be played in real time: it exists in the simulator only")]
    Bound(String),
}

/// What a service is configured with before anything is known of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Start {
    /// The total admitted, in work units per second.
    pub per_s: f64,
    /// What a user gets of whom nothing is known.
    pub defaults: BucketPolicy,
}

impl Start {
    /// The same that the contender starts with in the simulator. The static controller gives its defaults to everybody
    /// for ever; all others share the start among the users.
    #[must_use]
    pub fn of(trial: &Trial, contender: &Contender) -> Self {
        let per_s = trial.start_per_s();
        let defaults = match &contender.kind {
            Kind::Classical { kind: ControllerKind::Static, values } => {
                FixedSettings::from_values(values).policy(per_s)
            }
            _ => {
                let refill_rate = per_s / f64::from(trial.scenario().users.count.max(1));
                BucketPolicy { bucket_size: START_BUCKET_S * refill_rate, refill_rate }
            }
        };
        Self { per_s, defaults: contender.bounds().clamp(defaults) }
    }
}

/// The case with `scale` times the workers, and so, as load is relative to them, `scale` times the demand.
///
/// # Errors
/// Its arrivals are recorded.
pub fn scaled(case: Case, scale: f64) -> Result<Case, Unplayable> {
    if scale.total_cmp(&1.0).is_eq() {
        return Ok(case);
    }
    if case.trace.is_some() {
        return Err(Unplayable::Trace(case.name));
    }
    let mut scenario = (*case.scenario).clone();
    scenario.service.workers = part(scenario.service.workers, scale);
    scenario.service.queue_max = part(scenario.service.queue_max, scale);
    for dependency in &mut scenario.dependencies {
        dependency.workers = part(dependency.workers, scale);
    }
    Ok(Case { scenario: std::sync::Arc::new(scenario), ..case })
}

fn part(whole: u32, scale: f64) -> u32 {
    (f64::from(whole) * scale).round().clamp(1.0, f64::from(u32::MAX)) as u32
}

/// Checks that real processes can play what `scenario` says.
///
/// # Errors
/// What they cannot, and what to do instead.
pub fn playable(case: &Case) -> Result<(), Unplayable> {
    let feedback = &case.scenario.feedback;
    if feedback.delay_ms > 0.0 || feedback.loss_fraction > 0.0 {
        return Err(Unplayable::Feedback(case.name.clone()));
    }
    let peak_per_s = peak_attempts_per_s(case);
    if peak_per_s > ATTEMPTS_PER_S_MAX {
        // Rounded down to the hundredth, so that the advice holds.
        let scale = (ATTEMPTS_PER_S_MAX / peak_per_s * 1e2).floor() / 1e2;
        return Err(Unplayable::TooMuch { name: case.name.clone(), peak_per_s, scale });
    }
    Ok(())
}

/// Attempts in the busiest second, every retry counted that clients would make were all refused.
#[must_use]
pub fn peak_attempts_per_s(case: &Case) -> f64 {
    let scenario: &Scenario = &case.scenario;
    let users = Population::new(scenario);
    let mut seconds: Vec<u64> = vec![0; scenario.duration_s.ceil() as usize + 1];
    let mut count = |time_s: f64, attempts: u64| {
        if let Some(second) = seconds.get_mut(time_s as usize) {
            *second += attempts;
        }
    };
    match &case.trace {
        Some(trace) => Arrivals::from_trace(scenario, &users, trace)
            .for_each(|arrival| count(arrival.time_s, 1 + u64::from(arrival.retries_max))),
        None => Arrivals::new(scenario, &users)
            .for_each(|arrival| count(arrival.time_s, 1 + u64::from(arrival.retries_max))),
    }
    seconds.into_iter().max().unwrap_or(0) as f64
}

#[cfg(test)]
mod tests;
