//! What one class costs, from its events: processing time where it is reported, else what latencies tell.
//!
//! Without processing times a class's cost is inferred. Classes wait in the same queue, so the difference of their
//! mean latencies within one tick is the difference of their own times, whatever the queue; over the time that the
//! reference takes unloaded it is the cost. The ratio of the classes' own latency floors lost: a rare class has few
//! chances to find the service idle, and the floor of whoever has fewer is higher.

use std::collections::VecDeque;

use openclaw_protocol::RatingEvent;

use crate::dependencies::Dependencies;
use crate::filter::{DecayedMean, DecayedMeans, LowestOf, left_after};
use crate::parts::{DEPENDENCIES_MAX, PerDependency};

/// Time constant of processing times and call shares, in seconds.
const WORK_TAU_S: f64 = 5.0;
/// Time constant of the latencies' difference, in seconds: it is noisier.
const DIFFERENCE_TAU_S: f64 = 10.0;
/// Shortest and longest processing time that is believed, in seconds: one absurd report must not outweigh all others
/// for long.
const WORK_MIN_S: f64 = 1e-6;
const WORK_MAX_S: f64 = 100.0;
/// Pairs of latencies after which half of the inferred difference is believed.
const PAIRS_HALF: f64 = 10.0;
/// Latencies in a second from which on their mean counts for the floor.
const MEAN_OF: f64 = 5.0;

/// What is known of one class.
#[derive(Clone, Debug)]
pub(crate) struct ClassCost {
    work_s: DecayedMean,
    calls: DecayedMeans<DEPENDENCIES_MAX>,
    difference_s: DecayedMean,
    /// Shortest latency beyond processing.
    floor_s: LowestOf,
    /// Shortest mean latency of a second.
    unloaded_s: LowestOf,
    /// The tick under way first, then those of the last second.
    ticks: VecDeque<Tick>,
    /// Requests of all those ticks that ended, and that were late.
    ended: f64,
    late: f64,
    turns: usize,
}

/// How much of what is known is left after a tick; the same for all classes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Left {
    work: f64,
    difference: f64,
}

impl Left {
    /// After a tick of `interval_s` seconds.
    pub(crate) fn after(interval_s: f64) -> Self {
        Self {
            work: left_after(interval_s, WORK_TAU_S),
            difference: left_after(interval_s, DIFFERENCE_TAU_S),
        }
    }
}

/// Latencies of one tick.
#[derive(Clone, Copy, Debug, Default)]
struct Tick {
    ended: f64,
    late: f64,
    latencies: f64,
    sum_s: f64,
}

impl ClassCost {
    /// A class of which nothing is known, whose ticks come `ticks_per_s` times a second.
    pub(crate) fn new(ticks_per_s: usize) -> Self {
        Self {
            work_s: DecayedMean::default(),
            calls: DecayedMeans::default(),
            difference_s: DecayedMean::default(),
            floor_s: LowestOf::default(),
            unloaded_s: LowestOf::default(),
            ticks: vec![Tick::default(); ticks_per_s.max(1)].into(),
            ended: 0.0,
            late: 0.0,
            turns: 0,
        }
    }

    /// A request's client gave up.
    pub(crate) fn timed_out(&mut self) {
        self.end(true);
    }

    fn end(&mut self, late: bool) {
        let late = f64::from(u8::from(late));
        self.ticks[0].ended += 1.0;
        self.ticks[0].late += late;
        self.ended += 1.0;
        self.late += late;
    }

    /// A request completed.
    pub(crate) fn completed(
        &mut self,
        event: &RatingEvent,
        latency_s: Option<f64>,
        slo_s: f64,
        known: &Dependencies,
    ) {
        let mut beyond_s = latency_s.unwrap_or(f64::NAN);
        if let Some(work_ms) = event.work_ms {
            self.work_s.add((work_ms / 1e3).clamp(WORK_MIN_S, WORK_MAX_S), 1.0);
            beyond_s -= work_ms / 1e3;
        }
        let mut called = [0.0; DEPENDENCIES_MAX];
        for (name, ms) in event.dependency_ms.iter().flatten() {
            beyond_s -= ms / 1e3;
            if let Some(dependency) = known.find(name) {
                called[dependency] = 1.0;
            }
        }
        self.calls.add(called);
        // What is beyond an unknown processing time is unknown too; NaN is never the lowest.
        if event.work_ms.is_some() {
            self.floor_s.add(beyond_s.max(0.0));
        }
        if let Some(latency_s) = latency_s {
            self.end(latency_s > slo_s);
            let tick = &mut self.ticks[0];
            tick.latencies += 1.0;
            tick.sum_s += latency_s;
        }
    }

    /// Mean latency of the tick under way and the number it is taken over.
    pub(crate) fn tick_latency(&self) -> Option<(f64, f64)> {
        let tick = self.ticks[0];
        (tick.latencies > 0.0).then(|| (tick.sum_s / tick.latencies, tick.latencies))
    }

    /// Compares the tick's latencies with those of the reference class, where it is another.
    pub(crate) fn compare(&mut self, reference: Option<(f64, f64)>) {
        if let Some(((own_s, own), (other_s, other))) = self.tick_latency().zip(reference) {
            self.difference_s.add(own_s - other_s, own * other / (own + other));
        }
    }

    /// Closes a tick, after which so much of the past is left.
    pub(crate) fn turn(&mut self, left: Left) {
        self.work_s.decay(left.work);
        self.calls.decay(left.work);
        self.difference_s.decay(left.difference);
        self.turns += 1;
        if self.turns.is_multiple_of(self.ticks.len()) {
            let (latencies, sum_s) = self.over_second(|tick| (tick.latencies, tick.sum_s));
            if latencies >= MEAN_OF {
                self.unloaded_s.add(sum_s / latencies);
            }
            self.unloaded_s.close_second();
            self.floor_s.close_second();
        }
        if let Some(oldest) = self.ticks.pop_back() {
            // Whole numbers: taking away what was added leaves nothing behind.
            self.ended -= oldest.ended;
            self.late -= oldest.late;
        }
        self.ticks.push_front(Tick::default());
    }

    fn over_second(&self, of: fn(&Tick) -> (f64, f64)) -> (f64, f64) {
        self.ticks.iter().map(of).fold((0.0, 0.0), |sum, each| (sum.0 + each.0, sum.1 + each.1))
    }

    /// Mean processing time, in seconds, where it is reported.
    pub(crate) fn work_s(&self) -> Option<f64> {
        self.work_s.mean().filter(|&work_s| work_s > 0.0)
    }

    /// Shortest latency beyond processing of the last 30 s, in seconds, where processing times are reported.
    pub(crate) fn floor_s(&self) -> Option<f64> {
        self.floor_s.value()
    }

    /// Shortest mean latency of a second of the last 30 s, in seconds.
    pub(crate) fn unloaded_s(&self) -> Option<f64> {
        self.unloaded_s.value()
    }

    /// The cost that latencies tell, for a reference that takes `reference_s` unloaded; nearer to 1 the less is
    /// known.
    pub(crate) fn inferred(&self, reference_s: Option<f64>) -> Option<f64> {
        let (difference_s, pairs) = (self.difference_s.mean()?, self.difference_s.weight());
        let reference_s = reference_s.filter(|&reference_s| reference_s > 0.0)?;
        Some(1.0 + difference_s / reference_s * pairs / (pairs + PAIRS_HALF))
    }

    /// Fraction of the last second's latencies over the goal, timeouts included.
    pub(crate) fn late_fraction(&self) -> f64 {
        if self.ended > 0.0 { self.late / self.ended } else { 0.0 }
    }

    /// Share of the requests that call each of the first `dependencies`.
    pub(crate) fn call_shares(&self, dependencies: usize) -> PerDependency<f64> {
        self.calls.means().take(dependencies).collect()
    }
}
