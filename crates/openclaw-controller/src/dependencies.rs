//! The dependencies of one service, from its collectors' gauges and the events' call times.
//!
//! A dependency is known from its first gauge on; call times alone say nothing of how many calls are in flight.
//! Numbers are given as classes get theirs.

use openclaw_protocol::DependencyGauge;

use crate::filter::{FadingMax, LowestOf, RateFilter};
use crate::latency::LatencyWindow;
use crate::parts::{DEPENDENCIES_MAX, DependencySeen, PerDependency};
use crate::signals::{FAST_S, InFlight, SLOW_S, fast_ticks};
use crate::users::SourceId;

/// A dependency of which no gauge came for this long gives its number up.
const UNUSED_NS: u64 = 60_000_000_000;

/// Calls from which on their median counts for the base.
const MEDIAN_OF: u64 = 5;

/// What a collector says of one dependency.
#[derive(Clone, Debug)]
struct Part {
    source: SourceId,
    seen_ns: u64,
    in_flight: u32,
    completed: u64,
    fast: RateFilter,
    slow: RateFilter,
}

#[derive(Clone, Debug)]
struct Dependency {
    name: String,
    seen_ns: u64,
    parts: Vec<Part>,
    peak: FadingMax,
    in_flight: InFlight,
    call_times: LatencyWindow,
    base_s: LowestOf,
    /// Calls in flight over those completed per second: by Little's law the mean call time, where events tell none.
    little_s: LowestOf,
}

/// The dependencies of one service.
#[derive(Clone, Debug)]
pub(crate) struct Dependencies {
    aware: bool,
    ticks_per_s: usize,
    turns: usize,
    known: Vec<Dependency>,
}

impl Dependencies {
    /// None yet; where not `aware`, there never are any.
    pub(crate) fn new(aware: bool, ticks_per_s: usize) -> Self {
        Self { aware, ticks_per_s: ticks_per_s.max(1), turns: 0, known: Vec::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.known.iter().map(|dependency| dependency.name.as_str())
    }

    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.known.iter().position(|dependency| dependency.name == name)
    }

    /// Takes a collector's gauge, `interval_s` seconds after its last; `baseline` says that the counter only shows
    /// where the counting stands.
    pub(crate) fn report(
        &mut self,
        source: SourceId,
        gauge: &DependencyGauge,
        interval_s: f64,
        baseline: bool,
        now_ns: u64,
    ) {
        let Some(number) = self.number(&gauge.name, now_ns) else { return };
        let dependency = &mut self.known[number];
        dependency.seen_ns = now_ns;
        let place = dependency.parts.iter().position(|part| part.source == source);
        let place = place.unwrap_or_else(|| {
            let completed = if baseline { gauge.completed } else { 0 };
            dependency.parts.push(Part {
                source,
                seen_ns: now_ns,
                in_flight: 0,
                completed,
                fast: RateFilter::new(FAST_S),
                slow: RateFilter::new(SLOW_S),
            });
            dependency.parts.len() - 1
        });
        let part = &mut dependency.parts[place];
        let since = gauge.completed.saturating_sub(part.completed) as f64;
        part.fast.add(since, interval_s);
        part.slow.add(since, interval_s);
        (part.seen_ns, part.in_flight, part.completed) = (now_ns, gauge.in_flight, gauge.completed);
    }

    /// The number of a dependency, which may get one now.
    fn number(&mut self, name: &str, now_ns: u64) -> Option<usize> {
        if !self.aware {
            return None;
        }
        if let Some(number) = self.find(name) {
            return Some(number);
        }
        let new = Dependency {
            name: name.to_owned(),
            seen_ns: now_ns,
            parts: Vec::new(),
            peak: FadingMax::default(),
            in_flight: InFlight::new(self.ticks_per_s),
            call_times: LatencyWindow::new(self.ticks_per_s, fast_ticks(self.ticks_per_s), f64::INFINITY),
            base_s: LowestOf::default(),
            little_s: LowestOf::default(),
        };
        if self.known.len() < DEPENDENCIES_MAX {
            self.known.push(new);
            return Some(self.known.len() - 1);
        }
        let unused = self.known.iter().position(|known| now_ns.saturating_sub(known.seen_ns) > UNUSED_NS)?;
        self.known[unused] = new;
        Some(unused)
    }

    /// Takes the time of one call, in seconds.
    pub(crate) fn called(&mut self, name: &str, call_s: f64) {
        if let Some(number) = self.find(name) {
            self.known[number].call_times.add(call_s);
        }
    }

    /// Closes a tick, after which `peak_left` is left of the highest throughput: forgets collectors that were silent for
    /// `ttl_ns`, and tells what a controller sees.
    pub(crate) fn turn(&mut self, ttl_ns: u64, peak_left: f64, now_ns: u64) -> PerDependency<DependencySeen> {
        self.turns += 1;
        let second_ends = self.turns.is_multiple_of(self.ticks_per_s);
        self.known
            .iter_mut()
            .map(|dependency| {
                dependency.parts.retain(|part| now_ns.saturating_sub(part.seen_ns) <= ttl_ns);
                dependency.turn(second_ends, peak_left)
            })
            .collect()
    }
}

impl Dependency {
    fn turn(&mut self, second_ends: bool, peak_left: f64) -> DependencySeen {
        let in_flight: f64 = self.parts.iter().map(|part| f64::from(part.in_flight)).sum();
        let fast: f64 = self.parts.iter().map(|part| part.fast.per_s()).sum();
        let slow: f64 = self.parts.iter().map(|part| part.slow.per_s()).sum();
        self.peak.add(slow, peak_left);
        // Over 200 ms: a queue that comes and goes is gone for that long now and then, hardly ever for a second.
        if let Some(median_s) = self.call_times.recent_median_s(MEDIAN_OF) {
            self.base_s.add(median_s);
        }
        if second_ends {
            if in_flight > 0.0 && slow > 0.0 {
                self.little_s.add(in_flight / slow);
            }
            self.base_s.close_second();
            self.little_s.close_second();
        }
        self.call_times.turn();
        DependencySeen {
            in_flight,
            in_flight_change: self.in_flight.change(in_flight),
            throughput_fast_per_s: fast,
            throughput_slow_per_s: slow,
            throughput_peak_per_s: self.peak.value(),
            base_s: self.base_s.value().or_else(|| self.little_s.value()).unwrap_or(0.0),
        }
    }
}

#[cfg(test)]
mod tests;
