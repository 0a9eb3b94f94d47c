//! The classic family: one condition each.

use std::ops::RangeInclusive;

use super::draw::{Draw, round};
use super::frame::{retry_probabilities, set_mean_ms};
use crate::scenario::{
    CapacityChange, CapacityKind, Feedback, NoisyNeighbour, Pauses, Scenario, ServiceTime, Surge, SurgeKind,
};

/// In the order of the indices.
pub(super) const KINDS: [&str; 13] = [
    "steady-overload",
    "under-load",
    "worker-drop",
    "slow-down",
    "ramp",
    "flash-crowd",
    "pauses",
    "noisy-neighbour",
    "abuse",
    "retry-storm",
    "heavy-tail",
    "feedback-delay",
    "feedback-loss",
];

/// Disturbances lie within this part of the length, so that each has a calm before and after it.
const DISTURBED: (f64, f64) = (0.15, 0.85);

/// Applies the kind of that number and says what it does.
pub(super) fn apply(kind: usize, scenario: &mut Scenario, draw: &mut Draw) -> String {
    match KINDS[kind] {
        "steady-overload" => steady(1.2..=2.5, "steady overload", scenario, draw),
        "under-load" => steady(0.5..=0.9, "within capacity", scenario, draw),
        "worker-drop" => worker_drop(scenario, draw),
        "slow-down" => slow_down(scenario, draw),
        "ramp" => ramp(scenario, draw),
        "flash-crowd" => flash_crowd(scenario, draw),
        "pauses" => {
            scenario.load = draw.uniform(0.7..=1.5, 2);
            pauses(scenario, draw)
        }
        "noisy-neighbour" => noisy_neighbour(scenario, draw),
        "abuse" => abuse(scenario, draw),
        "retry-storm" => retry_storm(scenario, draw),
        "heavy-tail" => heavy_tail(scenario, draw),
        "feedback-delay" => {
            let delay_ms = draw.uniform(100.0..=500.0, -1);
            scenario.feedback = Feedback { delay_ms, loss_fraction: 0.0 };
            format!("feedback {delay_ms} ms late, {}", mild_drop(scenario, draw))
        }
        _ => {
            let loss_fraction = draw.uniform(0.05..=0.3, 2);
            scenario.feedback = Feedback { delay_ms: 0.0, loss_fraction };
            format!("{} of the feedback lost, {}", percent(loss_fraction), mild_drop(scenario, draw))
        }
    }
}

fn steady(load: RangeInclusive<f64>, clause: &str, scenario: &mut Scenario, draw: &mut Draw) -> String {
    scenario.load = draw.uniform(load, 2);
    clause.to_owned()
}

fn worker_drop(scenario: &mut Scenario, draw: &mut Draw) -> String {
    scenario.load = draw.uniform(0.8..=1.6, 2);
    scenario.capacity = once_or_twice(CapacityKind::Workers, 0.2..=0.6, scenario.duration_s, draw);
    format!("workers drop to {}", levels(&scenario.capacity))
}

fn slow_down(scenario: &mut Scenario, draw: &mut Draw) -> String {
    scenario.load = draw.uniform(0.8..=1.5, 2);
    scenario.capacity = once_or_twice(CapacityKind::Slowdown, 0.35..=0.75, scenario.duration_s, draw);
    format!("service slows down to {}", levels(&scenario.capacity))
}

fn ramp(scenario: &mut Scenario, draw: &mut Draw) -> String {
    scenario.load = draw.uniform(0.8..=1.6, 2);
    let (start_s, duration_s) = span(0.4..=0.65, DISTURBED, scenario.duration_s, draw);
    let level = draw.uniform(0.2..=0.6, 2);
    scenario.capacity = vec![CapacityChange { kind: CapacityKind::Ramp, start_s, duration_s, level }];
    format!("workers fade to {} and come back", percent(level))
}

fn flash_crowd(scenario: &mut Scenario, draw: &mut Draw) -> String {
    scenario.load = draw.uniform(0.5..=0.9, 2);
    let surge = surge(SurgeKind::Flash, 2.0..=8.0, 0.3..=1.0, scenario.duration_s, draw);
    let clause = format!("{} of the users send {} times as much", percent(surge.user_fraction), surge.factor);
    scenario.surges = vec![surge];
    clause
}

/// Stops of all workers; also part of the harder conditions.
pub(super) fn pauses(scenario: &mut Scenario, draw: &mut Draw) -> String {
    let per_s = draw.uniform(0.05..=0.2, 2);
    let min_s = draw.uniform(0.2..=0.4, 2);
    let max_s = draw.uniform(min_s..=0.8, 2);
    scenario.pauses = Some(Pauses { per_s, min_s, max_s });
    format!("all workers stop {per_s} times a second for {min_s} to {max_s} s")
}

fn noisy_neighbour(scenario: &mut Scenario, draw: &mut Draw) -> String {
    scenario.load = draw.uniform(0.7..=1.4, 2);
    let noisy = NoisyNeighbour {
        per_s: draw.uniform(0.05..=0.25, 2),
        mean_duration_s: draw.uniform(1.5..=4.0, 1),
        level: draw.uniform(0.4..=0.8, 2),
    };
    let clause =
        format!("a neighbour leaves {} of the speed for {} s", percent(noisy.level), noisy.mean_duration_s);
    scenario.noisy_neighbour = Some(noisy);
    clause
}

fn abuse(scenario: &mut Scenario, draw: &mut Draw) -> String {
    scenario.load = draw.uniform(0.5..=0.9, 2);
    let surge = surge(SurgeKind::Abusive, 10.0..=50.0, 0.02..=0.1, scenario.duration_s, draw);
    let clause =
        format!("{} of the users abuse it with {} times as much", percent(surge.user_fraction), surge.factor);
    scenario.surges = vec![surge];
    clause
}

fn retry_storm(scenario: &mut Scenario, draw: &mut Draw) -> String {
    scenario.load = draw.uniform(1.0..=1.8, 2);
    let none = draw.uniform(0.0..=0.2, 2);
    scenario.clients.retry_probabilities = retry_probabilities(none, draw.uniform(0.1..=0.5, 2));
    scenario.clients.ignore_backoff_fraction = draw.uniform(0.3..=0.8, 2);
    let impatient = percent(scenario.clients.ignore_backoff_fraction);
    format!("{} try again, {impatient} of the users at once", percent(1.0 - none))
}

fn heavy_tail(scenario: &mut Scenario, draw: &mut Draw) -> String {
    scenario.load = draw.uniform(0.8..=1.8, 2);
    let mean_ms = draw.log_uniform(5.0..=15.0, 1);
    let alpha = draw.uniform(1.6..=3.0, 2);
    set_mean_ms(&mut scenario.service, mean_ms);
    scenario.service.service_time = ServiceTime::Pareto { mean_ms, alpha };
    format!("Pareto service times of shape {alpha}")
}

/// Late or lost feedback does no harm where nothing changes, so something must.
fn mild_drop(scenario: &mut Scenario, draw: &mut Draw) -> String {
    scenario.load = draw.uniform(0.8..=1.6, 2);
    scenario.capacity = once_or_twice(CapacityKind::Workers, 0.4..=0.7, scenario.duration_s, draw);
    format!("workers drop to {}", levels(&scenario.capacity))
}

/// One change, or two that do not overlap.
pub(super) fn once_or_twice(
    kind: CapacityKind,
    level: RangeInclusive<f64>,
    total_s: f64,
    draw: &mut Draw,
) -> Vec<CapacityChange> {
    let (first, last) = DISTURBED;
    let parts: &[(f64, f64)] = if draw.chance(0.3) { &[(first, 0.5), (0.5, last)] } else { &[(first, last)] };
    let change = |part: &(f64, f64)| {
        let (start_s, duration_s) = span(0.15..=0.3, *part, total_s, draw);
        CapacityChange { kind, start_s, duration_s, level: draw.uniform(level.clone(), 2) }
    };
    parts.iter().map(change).collect()
}

fn surge(
    kind: SurgeKind,
    factor: RangeInclusive<f64>,
    user_fraction: RangeInclusive<f64>,
    total_s: f64,
    draw: &mut Draw,
) -> Surge {
    let (start_s, duration_s) = span(0.2..=0.4, DISTURBED, total_s, draw);
    Surge {
        kind,
        start_s,
        duration_s,
        factor: draw.log_uniform(factor, 1),
        user_fraction: draw.uniform(user_fraction, 2),
    }
}

/// Start and length in seconds: a fraction of the whole that lies within `part` of it.
fn span(length: RangeInclusive<f64>, part: (f64, f64), total_s: f64, draw: &mut Draw) -> (f64, f64) {
    let length = draw.uniform(length, 3);
    let start = draw.uniform(part.0..=(part.1 - length), 3);
    (round(start * total_s, 1), round(length * total_s, 1))
}

fn levels(changes: &[CapacityChange]) -> String {
    changes.iter().map(|change| percent(change.level)).collect::<Vec<_>>().join(", then ")
}

pub(super) fn percent(fraction: f64) -> String {
    format!("{:.0} %", fraction * 100.0)
}
