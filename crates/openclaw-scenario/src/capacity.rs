//! What the workers can do at every instant of a scenario.
//!
//! Random disturbances are drawn when the timeline is made, not while it is played: two controllers that
//! are compared then face the same pauses at the same instants, whatever work they let through.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp};

use crate::scenario::{CapacityChange, CapacityKind, Scenario};
use crate::streams::Stream;

/// Ramps move in steps of this length, so that capacity is constant between boundaries.
const RAMP_STEP_S: f64 = 0.05;

/// The capacity of one stage (the service, or a dependency) over time.
#[derive(Clone, Debug, PartialEq)]
pub struct CapacityTimeline {
    workers: u32,
    changes: Vec<CapacityChange>,
    pauses: Vec<Span>,
    noisy: Vec<Span>,
    noisy_level: f64,
}

/// From `start_s` up to, not including, `end_s`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Span {
    start_s: f64,
    end_s: f64,
}

impl Span {
    fn contains(self, at_s: f64) -> bool {
        (self.start_s..self.end_s).contains(&at_s)
    }
}

impl CapacityTimeline {
    /// The first stage of `scenario`, with its pauses and noisy neighbours.
    #[must_use]
    pub fn for_service(scenario: &Scenario) -> Self {
        let mut timeline = Self::undisturbed(scenario.service.workers, scenario.capacity.clone());
        if let Some(pauses) = &scenario.pauses {
            let mut rng = Stream::Pauses.rng(scenario.seed);
            timeline.pauses = draw_spans(scenario.duration_s, pauses.per_s, &mut rng, |rng| {
                rng.random_range(pauses.min_s..=pauses.max_s)
            });
        }
        if let Some(noisy) = &scenario.noisy_neighbour {
            let mut rng = Stream::NoisyNeighbour.rng(scenario.seed);
            timeline.noisy = draw_spans(scenario.duration_s, noisy.per_s, &mut rng, |rng| {
                exponential_s(noisy.mean_duration_s, rng)
            });
            timeline.noisy_level = noisy.level;
        }
        timeline
    }

    /// One dependency of `scenario`; `None` if there is no such index.
    #[must_use]
    pub fn for_dependency(scenario: &Scenario, index: usize) -> Option<Self> {
        let dependency = scenario.dependencies.get(index)?;
        Some(Self::undisturbed(dependency.workers, dependency.capacity.clone()))
    }

    fn undisturbed(workers: u32, changes: Vec<CapacityChange>) -> Self {
        Self { workers, changes, pauses: Vec::new(), noisy: Vec::new(), noisy_level: 1.0 }
    }

    /// Workers that may take up work, at least one.
    #[must_use]
    #[expect(clippy::cast_sign_loss, clippy::cast_possible_truncation, reason = "levels are in (0, 1]")]
    pub fn workers_at(&self, at_s: f64) -> u32 {
        let levels = self.changes.iter().map(|change| match change.kind {
            CapacityKind::Workers if covers(change, at_s) => change.level,
            CapacityKind::Ramp if covers(change, at_s) => ramp_level(change, at_s),
            _ => 1.0,
        });
        ((f64::from(self.workers) * levels.product::<f64>()).round() as u32).clamp(1, self.workers)
    }

    /// What service times of work that starts now are divided by.
    #[must_use]
    pub fn speed_at(&self, at_s: f64) -> f64 {
        let slowed = self.changes.iter().filter(|change| change.kind == CapacityKind::Slowdown);
        let levels = slowed.filter(|change| covers(change, at_s)).map(|change| change.level);
        let noise = if within(&self.noisy, at_s) { self.noisy_level } else { 1.0 };
        levels.product::<f64>() * noise
    }

    /// Whether all workers stand still.
    #[must_use]
    pub fn paused_at(&self, at_s: f64) -> bool {
        within(&self.pauses, at_s)
    }

    /// When the workers go on: the end of the pause that reigns at `at_s`, or `at_s` itself where none does.
    #[must_use]
    pub fn resumes_s(&self, at_s: f64) -> f64 {
        let next = self.pauses.get(self.pauses.partition_point(|span| span.end_s <= at_s));
        next.filter(|span| span.contains(at_s)).map_or(at_s, |span| span.end_s)
    }

    /// Fraction of the undisturbed capacity, 0 in a pause.
    #[must_use]
    pub fn level_at(&self, at_s: f64) -> f64 {
        if self.paused_at(at_s) {
            return 0.0;
        }
        f64::from(self.workers_at(at_s)) / f64::from(self.workers) * self.speed_at(at_s)
    }

    /// The mean of [`level_at`](Self::level_at) over an interval, exactly.
    #[must_use]
    pub fn mean_level(&self, from_s: f64, to_s: f64) -> f64 {
        if to_s <= from_s {
            return self.level_at(from_s);
        }
        let (mut at_s, mut area) = (from_s, 0.0);
        while at_s < to_s {
            let next_s = self.next_change_s(at_s).min(to_s);
            area += self.level_at(at_s) * (next_s - at_s);
            at_s = next_s;
        }
        area / (to_s - from_s)
    }

    /// When work of `work_s` seconds that starts now is done, pauses included.
    #[must_use]
    pub fn finish_s(&self, start_s: f64, work_s: f64) -> f64 {
        let first = self.pauses.partition_point(|pause| pause.end_s <= start_s);
        let (mut at_s, mut left_s) = (start_s, work_s);
        for pause in &self.pauses[first..] {
            let runs_s = (pause.start_s - at_s).max(0.0);
            if left_s <= runs_s {
                break;
            }
            left_s -= runs_s;
            at_s = pause.end_s;
        }
        at_s + left_s
    }

    /// The next instant after `at_s` at which the number of workers may change; infinity if there is none.
    #[must_use]
    pub fn next_worker_change_s(&self, at_s: f64) -> f64 {
        let moving = self.changes.iter().filter(|change| change.kind != CapacityKind::Slowdown);
        moving.map(|change| next_edge_s(change, at_s)).fold(f64::INFINITY, f64::min)
    }

    /// The next instant after `at_s` at which anything may change; infinity if there is none.
    #[must_use]
    pub fn next_change_s(&self, at_s: f64) -> f64 {
        let changes = self.changes.iter().map(|change| next_edge_s(change, at_s));
        changes
            .chain([next_span_edge_s(&self.pauses, at_s), next_span_edge_s(&self.noisy, at_s)])
            .fold(f64::INFINITY, f64::min)
    }
}

fn covers(change: &CapacityChange, at_s: f64) -> bool {
    (change.start_s..change.start_s + change.duration_s).contains(&at_s)
}

/// 1 at both ends, `level` at mid-time, held for [`RAMP_STEP_S`].
fn ramp_level(change: &CapacityChange, at_s: f64) -> f64 {
    let held_s = ((at_s - change.start_s) / RAMP_STEP_S + 1e-9).floor() * RAMP_STEP_S;
    let depth = 1.0 - (2.0 * held_s / change.duration_s - 1.0).abs();
    1.0 - (1.0 - change.level) * depth
}

/// The next instant after `at_s` at which this change begins, ends or takes a step of its ramp.
fn next_edge_s(change: &CapacityChange, at_s: f64) -> f64 {
    let end_s = change.start_s + change.duration_s;
    if at_s < change.start_s {
        change.start_s
    } else if at_s >= end_s {
        f64::INFINITY
    } else if change.kind == CapacityKind::Ramp {
        let step = ((at_s - change.start_s) / RAMP_STEP_S + 1e-9).floor() + 1.0;
        let next_s = change.start_s + step * RAMP_STEP_S;
        // Rounding must not return the instant itself: a caller that walks the edges would never get on.
        if next_s > at_s { next_s.min(end_s) } else { end_s }
    } else {
        end_s
    }
}

fn within(spans: &[Span], at_s: f64) -> bool {
    spans.get(spans.partition_point(|span| span.end_s <= at_s)).is_some_and(|span| span.contains(at_s))
}

fn next_span_edge_s(spans: &[Span], at_s: f64) -> f64 {
    match spans.get(spans.partition_point(|span| span.end_s <= at_s)) {
        Some(span) if at_s < span.start_s => span.start_s,
        Some(span) => span.end_s,
        None => f64::INFINITY,
    }
}

/// Spans that begin `per_s` times a second of the time between them, and never overlap.
fn draw_spans(
    duration_s: f64,
    per_s: f64,
    rng: &mut ChaCha8Rng,
    mut length_s: impl FnMut(&mut ChaCha8Rng) -> f64,
) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut start_s = exponential_s(1.0 / per_s, rng);
    while start_s < duration_s {
        let end_s = start_s + length_s(rng);
        spans.push(Span { start_s, end_s });
        start_s = end_s + exponential_s(1.0 / per_s, rng);
    }
    spans
}

fn exponential_s(mean_s: f64, rng: &mut ChaCha8Rng) -> f64 {
    Exp::new(1.0 / mean_s).map_or(mean_s, |exponential| exponential.sample(rng))
}

#[cfg(test)]
mod tests;
