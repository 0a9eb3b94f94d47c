//! The context classes of one service: who belongs to which, and what each costs.
//!
//! Contexts get numbers as they come, up to [`CLASSES_MAX`]; number 0 is the plain class of everyone without a context,
//! and of contexts that found no number. A class that nobody has used for a minute gives its number up when
//! another context needs one.

use openclaw_protocol::{Context, Outcome, RatingEvent};

use crate::class_cost::{ClassCost, Left};
use crate::class_flows::ClassFlows;
use crate::dependencies::Dependencies;
use crate::filter::Shares;
use crate::parts::{CLASSES_MAX, ClassSeen, PerClass, PerDependency};

/// A class unused for this long may give its number up.
const UNUSED_NS: u64 = 60_000_000_000;
/// Bounds of a class's cost: whatever is measured, no class is worth less or more.
const COST_MIN: f64 = 0.1;
const COST_MAX: f64 = 50.0;
/// Time constant of the unit of work, in seconds, while it moves.
const UNIT_TAU_S: f64 = 5.0;

/// Mean costs of what flows: they turn numbers of ratings into work units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct MeanCosts {
    pub(crate) offered_fast: f64,
    pub(crate) offered_slow: f64,
    pub(crate) accepted_fast: f64,
    pub(crate) completed_fast: f64,
    pub(crate) completed_slow: f64,
}

impl MeanCosts {
    /// All requests are plain.
    #[cfg(test)]
    pub(crate) const PLAIN: Self = Self {
        offered_fast: 1.0,
        offered_slow: 1.0,
        accepted_fast: 1.0,
        completed_fast: 1.0,
        completed_slow: 1.0,
    };
}

/// One class.
#[derive(Clone, Debug)]
struct Class {
    context: Context,
    used_ns: u64,
    cost: ClassCost,
}

/// The classes of one service.
#[derive(Clone, Debug)]
pub(crate) struct Classes {
    aware: bool,
    slo_s: f64,
    ticks_per_s: usize,
    known: Vec<Class>,
    flows: ClassFlows,
    costs: [f64; CLASSES_MAX],
    /// Processing time of one work unit, in seconds.
    unit_s: Option<f64>,
    /// The unit was chosen before a plain request was measured, and moves to that.
    unit_moves: bool,
}

impl Classes {
    /// Only the plain class. Where not `aware`, it stays the only one.
    pub(crate) fn new(aware: bool, slo_s: f64, ticks_per_s: usize) -> Self {
        let cost = ClassCost::new(ticks_per_s);
        Self {
            aware,
            slo_s,
            ticks_per_s,
            known: vec![Class { context: Context::default(), used_ns: 0, cost }],
            flows: ClassFlows::default(),
            costs: [1.0; CLASSES_MAX],
            unit_s: None,
            unit_moves: false,
        }
    }

    /// Classes that have a number, the plain one included.
    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }

    /// The contexts of the classes, by number.
    pub(crate) fn contexts(&self) -> impl Iterator<Item = &Context> {
        self.known.iter().map(|class| &class.context)
    }

    /// The number of a context, if it has one.
    pub(crate) fn find(&self, context: &Context) -> Option<usize> {
        self.known.iter().position(|class| class.context == *context)
    }

    /// The number of a context that was just used, which may get one now. `in_use` says which numbers still have
    /// users.
    pub(crate) fn number(&mut self, context: &Context, in_use: impl Fn(usize) -> bool, now_ns: u64) -> usize {
        if !self.aware || context.is_empty() {
            return 0;
        }
        if let Some(number) = self.find(context) {
            self.known[number].used_ns = now_ns;
            return number;
        }
        let cost = ClassCost::new(self.ticks_per_s);
        let new = Class { context: context.clone(), used_ns: now_ns, cost };
        if self.known.len() < CLASSES_MAX {
            self.known.push(new);
            return self.known.len() - 1;
        }
        let unused =
            |class: &Class| now_ns.saturating_sub(class.used_ns) > UNUSED_NS && !class.context.is_empty();
        let free = self.known.iter().enumerate().find(|(number, class)| unused(class) && !in_use(*number));
        let Some((number, _)) = free else { return 0 };
        self.known[number] = new;
        self.flows.forget(number);
        self.costs[number] = 1.0;
        number
    }

    /// Counts ratings that users of a class offered, `throttled` of which were refused.
    pub(crate) fn count(&mut self, class: usize, attempts: f64, throttled: f64) {
        self.flows.offer(class, attempts, (attempts - throttled).max(0.0));
    }

    /// Takes an event of a class.
    pub(crate) fn event(&mut self, class: usize, event: &RatingEvent, dependencies: &Dependencies) {
        match (event.outcome, event.latency_ms) {
            (Some(Outcome::Timeout), _) => self.known[class].cost.timed_out(),
            (Some(Outcome::Accepted) | None, latency_ms) => {
                self.flows.complete(class);
                let latency_s = latency_ms.map(|ms| ms / 1e3);
                self.known[class].cost.completed(event, latency_s, self.slo_s, dependencies);
            }
            _ => {}
        }
    }

    /// Closes a tick.
    pub(crate) fn turn(&mut self, shares: &Shares) {
        let interval_s = shares.interval_s;
        self.flows.turn(shares, self.known.len());
        if self.known.len() > 1 {
            // Latencies compare where they waited in the same queue: within the tick.
            let reference = self.reference();
            let beside = self.known[reference].cost.tick_latency();
            for (number, class) in self.known.iter_mut().enumerate() {
                class.cost.compare(beside.filter(|_| number != reference));
            }
        }
        let left = Left::after(interval_s);
        self.known.iter_mut().for_each(|class| class.cost.turn(left));
        self.set_unit(interval_s);
        self.set_costs();
    }

    /// The class that others are compared with: the plain one, or the busiest where that one is absent.
    fn reference(&self) -> usize {
        let per_s = |number: usize| self.flows.per_s().completed_slow[number];
        if per_s(0) > 0.0 {
            return 0;
        }
        (0..self.known.len()).max_by(|&one, &other| per_s(one).total_cmp(&per_s(other))).unwrap_or(0)
    }

    /// A work unit is a plain request's processing time. Until one was measured, it is the mean over what there is;
    /// it then moves over slowly, because a unit that jumps would look like traffic that does.
    fn set_unit(&mut self, interval_s: f64) {
        let plain_s = self.known[0].cost.work_s();
        self.unit_s = match (plain_s, self.unit_s) {
            (Some(plain_s), Some(unit_s)) if self.unit_moves => {
                let far = (plain_s / unit_s).ln();
                let next = unit_s * (far * (1.0 - (-interval_s / UNIT_TAU_S).exp())).exp();
                self.unit_moves = far.abs() > 1e-3;
                Some(if self.unit_moves { next } else { plain_s })
            }
            (Some(plain_s), _) => Some(plain_s),
            (None, None) => {
                self.unit_moves = true;
                self.mean_work_s()
            }
            (None, unit_s) => unit_s,
        };
    }

    /// Mean processing time over what completed lately, in seconds, where any class reports it.
    fn mean_work_s(&self) -> Option<f64> {
        self.mean_of(|class| class.cost.work_s())
    }

    /// Time that a request takes while nobody waits, in seconds, where processing times are reported: processing,
    /// calls to dependencies that take `calls_s`, and the rest. `seen` are the classes as a controller sees them.
    pub(crate) fn unloaded_s(&self, seen: &PerClass<ClassSeen>, calls_s: &PerDependency<f64>) -> Option<f64> {
        let mut classes = seen.iter();
        let alone = |class: &Class| {
            let shares = classes.next().map_or(&[][..], |seen| &seen.call_shares);
            let calls_s: f64 = shares.iter().zip(calls_s).map(|(share, s)| share * s).sum();
            Some(class.cost.work_s()? + calls_s)
        };
        Some(self.mean_of(alone)? + self.plain_floor_s().unwrap_or(0.0))
    }

    /// Mean over what completed lately.
    fn mean_of(&self, mut of: impl FnMut(&Class) -> Option<f64>) -> Option<f64> {
        let (mut sum, mut weight) = (0.0, 0.0);
        for (class, per_s) in self.known.iter().zip(self.flows.per_s().completed_slow) {
            if let Some(value) = of(class) {
                sum += per_s * value;
                weight += per_s;
            }
        }
        (weight > 0.0).then(|| sum / weight)
    }

    fn set_costs(&mut self) {
        if self.known.len() == 1 {
            // Nothing to tell apart: a work unit is a rating.
            return;
        }
        let reference_s = self.known[self.reference()].cost.unloaded_s();
        for (number, class) in self.known.iter().enumerate() {
            let measured = class.cost.work_s().zip(self.unit_s).map(|(work_s, unit_s)| work_s / unit_s);
            let inferred = || class.cost.inferred(reference_s).filter(|_| number != 0);
            self.costs[number] = measured.or_else(inferred).unwrap_or(1.0).clamp(COST_MIN, COST_MAX);
        }
    }

    /// Work units of one request of each class.
    pub(crate) fn costs(&self) -> &[f64; CLASSES_MAX] {
        &self.costs
    }

    /// Share of a class's requests that call each of the first `dependencies`.
    pub(crate) fn call_shares(&self, class: usize, dependencies: usize) -> PerDependency<f64> {
        self.known.get(class).map_or_else(PerDependency::new, |class| class.cost.call_shares(dependencies))
    }

    /// Mean costs of what flows; exactly 1 where only the plain class is known.
    pub(crate) fn mean_costs(&self) -> MeanCosts {
        let known = self.known.len();
        let mean = |per_s: &[f64; CLASSES_MAX]| {
            let (mut work, mut ratings) = (0.0, 0.0);
            for (per_s, cost) in per_s[..known].iter().zip(&self.costs) {
                work += cost * per_s;
                ratings += per_s;
            }
            if ratings > 0.0 { Some(work / ratings) } else { None }
        };
        let per_s = self.flows.per_s();
        let offered_slow = mean(&per_s.offered_slow).unwrap_or(1.0);
        let offered_fast = mean(&per_s.offered_fast).unwrap_or(offered_slow);
        let completed_slow = mean(&per_s.completed_slow).unwrap_or(offered_slow);
        MeanCosts {
            offered_fast,
            offered_slow,
            accepted_fast: mean(&per_s.accepted_fast).unwrap_or(offered_fast),
            completed_fast: mean(&per_s.completed_fast).unwrap_or(completed_slow),
            completed_slow,
        }
    }

    /// Writes what a controller sees of the classes; nothing where only the plain one is known.
    pub(crate) fn see(&self, seen: &mut PerClass<ClassSeen>, dependencies: usize) {
        seen.clear();
        if self.known.len() == 1 && dependencies == 0 {
            return;
        }
        let mut work = self.flows.per_s().offered_slow;
        work.iter_mut().zip(&self.costs).for_each(|(work, cost)| *work *= cost);
        let total: f64 = work[..self.known.len()].iter().sum();
        let floor_s = self.plain_floor_s();
        seen.extend(self.known.iter().enumerate().map(|(number, class)| ClassSeen {
            demand_share: if total > 0.0 { work[number] / total } else { 0.0 },
            cost: self.costs[number],
            network_delay_s:
                class.cost.floor_s().zip(floor_s).map_or(0.0, |(own, plain)| (own - plain).max(0.0)),
            late_fraction: class.cost.late_fraction(),
            call_shares: class.cost.call_shares(dependencies),
        }));
    }

    /// Time beyond processing of the plain class while nobody waits, in seconds; the shortest of any class where the
    /// plain one is absent.
    fn plain_floor_s(&self) -> Option<f64> {
        let floors = self.known.iter().filter_map(|class| class.cost.floor_s());
        self.known[0].cost.floor_s().or_else(|| floors.min_by(f64::total_cmp))
    }
}

#[cfg(test)]
mod tests;
