//! Who gets how much when not all can have what they ask for: the water level of every class.
//!
//! Users rise together until a resource is used up: the service itself, of which a request takes its class's cost, or a
//! dependency, of which it takes the share of its class's requests that call it. Each user is levelled by the resource
//! it needs most (dominant-resource fairness; Ghodsi et al., NSDI 2011). What a class cannot use because a
//! dependency holds it, the others get. With one class and no dependency this is plain max-min fairness.
//!
//! All users of a class need the same, so classes are what stops, not users, and a solve is a few evaluations of a
//! concave, piecewise linear function: Newton's method from below lands on it exactly. Sorting all rungs of all
//! classes took several times as long.

use crate::parts::{CLASSES_MAX, DEPENDENCIES_MAX, PerClass, PerDependency};

/// The service and its dependencies.
const RESOURCES_MAX: usize = 1 + DEPENDENCIES_MAX;
/// Newton's method visits each rung at most once; it needs far fewer steps.
const STEPS_MAX: usize = 4096;

/// Users of one class with about the same demand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rung {
    /// Their mean demand, in attempts per second.
    pub(crate) per_s: f64,
    /// Users on this rung and above it.
    pub(crate) users: u64,
    /// Demand of these, in attempts per second.
    pub(crate) sum_per_s: f64,
}

/// The users of one class, from the highest demand down.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Ladder {
    rungs: Vec<Rung>,
}

impl Ladder {
    pub(crate) fn clear(&mut self) {
        self.rungs.clear();
    }

    /// Adds `users` with a mean demand of `per_s`, below all others.
    pub(crate) fn push(&mut self, users: u64, per_s: f64) {
        let (above, sum) = self.total();
        let sum_per_s = sum + per_s * users as f64;
        self.rungs.push(Rung { per_s, users: above + users, sum_per_s });
    }

    /// All users and their demand.
    fn total(&self) -> (u64, f64) {
        self.rungs.last().map_or((0, 0.0), |rung| (rung.users, rung.sum_per_s))
    }

    fn highest_per_s(&self) -> f64 {
        self.rungs.first().map_or(0.0, |rung| rung.per_s)
    }

    /// How many users ask for more than `level_per_s`, and what all others ask for together.
    fn split(&self, level_per_s: f64) -> (f64, f64) {
        let above = self.rungs.partition_point(|rung| rung.per_s > level_per_s);
        let (users, sum) = match above.checked_sub(1) {
            Some(last) => (self.rungs[last].users as f64, self.rungs[last].sum_per_s),
            None => (0.0, 0.0),
        };
        (users, self.total().1 - sum)
    }
}

/// What is shared out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Shared<'a> {
    /// R, in work units per second.
    pub(crate) admitted_per_s: f64,
    /// R of each dependency, in calls per second; infinite for no limit.
    pub(crate) dependencies_per_s: PerDependency<f64>,
    /// What a request of each class needs, and how high the class rises.
    pub(crate) classes: &'a [Needs],
}

/// What one request of a class needs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Needs {
    /// Work units.
    pub(crate) cost: f64,
    /// Calls to each dependency.
    pub(crate) calls: PerDependency<f64>,
    /// Multiplies the level of the class.
    pub(crate) level: f64,
}

/// The solved levels.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Level {
    /// By class, what a user gets at most, in ratings per second.
    pub(crate) per_s: PerClass<f64>,
    /// By class, an equal part of everything, in ratings per second.
    pub(crate) equal_per_s: PerClass<f64>,
    /// Users that share.
    pub(crate) users: u64,
    /// Demand of all of them, in work units per second.
    pub(crate) total_per_s: f64,
}

impl Level {
    /// What a user of a class gets at most, in ratings per second.
    pub(crate) fn of(&self, class: usize) -> f64 {
        self.per_s.get(class).or(self.per_s.first()).copied().unwrap_or(0.0)
    }

    /// A class's equal part of everything, in ratings per second.
    pub(crate) fn equal_part_of(&self, class: usize) -> f64 {
        self.equal_per_s.get(class).or(self.equal_per_s.first()).copied().unwrap_or(0.0)
    }
}

/// A division under way. Levels are in work units of the resource that a class needs most, scaled to the service.
struct Division<'a> {
    ladders: &'a [Ladder],
    capacities: [f64; RESOURCES_MAX],
    costs: [[f64; RESOURCES_MAX]; CLASSES_MAX],
    /// Ratings per second that one unit of the common level gives a user of each class.
    per_level: [f64; CLASSES_MAX],
    /// Set once a class has stopped, in ratings per second.
    stopped: [Option<f64>; CLASSES_MAX],
}

/// Solves for the users on `ladders`, one for each class of `shared`.
pub(crate) fn divide(ladders: &[Ladder], shared: &Shared<'_>) -> Level {
    let classes = shared.classes.len().min(ladders.len()).min(CLASSES_MAX);
    let mut division = Division::new(&ladders[..classes], shared);
    let users: u64 = ladders.iter().map(|ladder| ladder.total().0).sum();
    let demand = |(ladder, needs): (&Ladder, &Needs)| needs.cost * ladder.total().1;
    let total_per_s: f64 = ladders.iter().zip(shared.classes).map(demand).sum();
    let common = division.rise();
    let mut level = Level { users, total_per_s, ..Level::default() };
    for class in 0..classes {
        let per_level = division.per_level[class];
        level.per_s.push(division.stopped[class].unwrap_or(common * per_level).max(0.0));
        let plain_per_level = per_level / shared.classes[class].level;
        level.equal_per_s.push(shared.admitted_per_s / users.max(1) as f64 * plain_per_level);
    }
    level
}

impl<'a> Division<'a> {
    fn new(ladders: &'a [Ladder], shared: &Shared<'_>) -> Self {
        let mut capacities = [f64::INFINITY; RESOURCES_MAX];
        capacities[0] = shared.admitted_per_s;
        for (capacity, &per_s) in capacities[1..].iter_mut().zip(&shared.dependencies_per_s) {
            *capacity = per_s;
        }
        let (mut costs, mut per_level) = ([[0.0; RESOURCES_MAX]; CLASSES_MAX], [1.0; CLASSES_MAX]);
        for (class, needs) in shared.classes.iter().enumerate().take(CLASSES_MAX) {
            costs[class][0] = needs.cost;
            for (cost, &calls) in costs[class][1..].iter_mut().zip(&needs.calls) {
                *cost = calls;
            }
            let scaled = costs[class].iter().zip(capacities).map(|(&cost, capacity)| {
                if cost > 0.0 { cost * shared.admitted_per_s / capacity } else { 0.0 }
            });
            // The service's own share is its cost, free of rounding.
            per_level[class] = needs.level / scaled.skip(1).fold(needs.cost, f64::max);
        }
        Self { ladders, capacities, costs, per_level, stopped: [None; CLASSES_MAX] }
    }

    fn classes(&self) -> std::ops::Range<usize> {
        0..self.ladders.len()
    }

    /// Raises all classes until none can rise. Returns the level of those that nothing stopped.
    fn rise(&mut self) -> f64 {
        let mut reached = self.capacities[0];
        while self.classes().any(|class| self.rises(class)) {
            let levels: [f64; RESOURCES_MAX] = std::array::from_fn(|resource| self.level_of(resource));
            let level = levels.into_iter().fold(f64::INFINITY, f64::min);
            if level.is_infinite() {
                return self.surplus_level();
            }
            reached = level;
            for class in self.classes() {
                let binds = |resource: usize| levels[resource] <= level && self.costs[class][resource] > 0.0;
                if self.stopped[class].is_none() && (0..RESOURCES_MAX).any(binds) {
                    self.stopped[class] = Some(level * self.per_level[class]);
                }
            }
        }
        reached
    }

    /// Whether a class has users that may still rise.
    fn rises(&self, class: usize) -> bool {
        self.stopped[class].is_none() && !self.ladders[class].rungs.is_empty()
    }

    /// The level at which a resource is used up; infinite if it never is.
    fn level_of(&self, resource: usize) -> f64 {
        let capacity = self.capacities[resource];
        let needs = |class: usize| self.costs[class][resource];
        let rising = || self.classes().filter(|&class| self.rises(class) && needs(class) > 0.0);
        if capacity.is_infinite() || rising().next().is_none() {
            return f64::INFINITY;
        }
        let used = self.used_by_stopped(resource);
        let asked: f64 = rising().map(|class| needs(class) * self.ladders[class].total().1).sum();
        if used + asked <= capacity {
            return f64::INFINITY;
        }
        let mut level = 0.0;
        for _ in 0..STEPS_MAX {
            let (mut met, mut slope) = (used, 0.0);
            for class in rising() {
                let (above, below_per_s) = self.ladders[class].split(level * self.per_level[class]);
                met += needs(class) * below_per_s;
                slope += needs(class) * above * self.per_level[class];
            }
            let next = if slope > 0.0 { (capacity - met).max(0.0) / slope } else { level };
            if next <= level {
                break;
            }
            level = next;
        }
        level
    }

    /// What classes that have stopped take of a resource.
    fn used_by_stopped(&self, resource: usize) -> f64 {
        let used = |class: usize| {
            let Some(level_per_s) = self.stopped[class] else { return 0.0 };
            let (above, below_per_s) = self.ladders[class].split(level_per_s);
            self.costs[class][resource] * (below_per_s + above * level_per_s)
        };
        self.classes().map(used).sum()
    }

    /// There is enough for who is left: the level at which the largest demand keeps its share of the surplus.
    fn surplus_level(&self) -> f64 {
        let rising = || self.classes().filter(|&class| self.rises(class));
        let highest = rising()
            .map(|class| self.ladders[class].highest_per_s() / self.per_level[class])
            .fold(0.0, f64::max);
        let used = |resource: usize| {
            let asked: f64 =
                rising().map(|class| self.costs[class][resource] * self.ladders[class].total().1).sum();
            if asked > 0.0 {
                (asked + self.used_by_stopped(resource)) / self.capacities[resource]
            } else {
                0.0
            }
        };
        let utilisation = (0..RESOURCES_MAX).map(used).fold(0.0, f64::max);
        if utilisation > 0.0 { highest / utilisation } else { self.capacities[0] }
    }
}

#[cfg(test)]
mod tests;
