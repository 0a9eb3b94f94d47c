//! Max-min fair shares: who gets how much when not all can have what they ask for.
//!
//! With one resource the level `L` solves `sum of min(L, demand) = capacity`. It is computed exactly by sorting; the live
//! controller, which must answer for a million users within microseconds, approximates the same level with
//! a histogram, and is measured against this one.
//!
//! Where requests also need dependencies, [`FairDivision`] generalises it to dominant-resource fairness
//! (Ghodsi et al., NSDI 2011): users are levelled by their share of the resource that they need most.

use crate::scenario::Scenario;

/// The solved level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WaterLevel {
    level: f64,
}

impl WaterLevel {
    /// Solves for `demands` (any unit of work, each at least 0) and a `capacity` in the same unit.
    ///
    /// Users whose requests cost more than plain ones are counted in work: multiply their demand by the cost.
    #[must_use]
    pub fn new(demands: &[f64], capacity: f64) -> Self {
        let mut ascending: Vec<f64> = demands.iter().copied().filter(|demand| *demand > 0.0).collect();
        ascending.sort_unstable_by(f64::total_cmp);
        let mut left = capacity.max(0.0);
        for (satisfied, demand) in ascending.iter().enumerate() {
            let unsatisfied = (ascending.len() - satisfied) as f64;
            if demand * unsatisfied > left {
                return Self { level: left / unsatisfied };
            }
            left -= demand;
        }
        Self { level: f64::INFINITY }
    }

    /// The level; infinite when everybody gets all they ask for.
    #[must_use]
    pub fn level(self) -> f64 {
        self.level
    }

    /// What a user with this demand is entitled to.
    #[must_use]
    pub fn entitlement(self, demand: f64) -> f64 {
        demand.min(self.level)
    }

    /// Whether a user with this demand is well-behaved: asks for no more than its entitlement.
    #[must_use]
    pub fn covers(self, demand: f64) -> bool {
        demand <= self.level
    }
}

/// Divides several resources among users whose requests need different amounts of them.
#[derive(Clone, Debug, PartialEq)]
pub struct FairDivision {
    /// By class, what one request needs of each resource.
    costs: Vec<Vec<f64>>,
}

impl FairDivision {
    /// By class, what one request needs of each resource; the unit is that of the capacities.
    #[must_use]
    pub fn new(costs: Vec<Vec<f64>>) -> Self {
        Self { costs }
    }

    /// The resources of a scenario: the service, then its dependencies, in seconds of a worker.
    #[must_use]
    pub fn for_scenario(scenario: &Scenario) -> Self {
        let class_costs = |class: usize| {
            let service = scenario.service.service_time.mean_s() * scenario.service_time_factor(class);
            let calls = scenario.dependencies.iter().map(|dependency| {
                dependency.service_time.mean_s() * scenario.call_fraction(class, dependency)
            });
            std::iter::once(service).chain(calls).collect()
        };
        Self::new((0..=scenario.request_classes.len()).map(class_costs).collect())
    }

    /// The requests that each user is entitled to, given the class and the number of the requests each
    /// asks for, and the capacity of each resource.
    ///
    /// All users rise together in their dominant share. A resource that is used up stops those who need
    /// it; the others rise on.
    ///
    /// # Panics
    /// If a class is unknown, or its costs are not as many as the capacities.
    #[must_use]
    pub fn entitlements(&self, users: &[(usize, f64)], capacities: &[f64]) -> Vec<f64> {
        let mut rising: Vec<Rising<'_>> = users
            .iter()
            .map(|(class, asked)| {
                let costs = self.costs[*class].as_slice();
                assert_eq!(costs.len(), capacities.len(), "one cost for each resource");
                let dominant = dominant_fraction(costs, capacities);
                // A resource that stands still has nothing to give to those who need it.
                Rising { asked: *asked, costs, dominant, given: dominant.is_infinite().then_some(0.0) }
            })
            .collect();
        while rising.iter().any(|user| user.given.is_none()) {
            rise_until_one_binds(&mut rising, capacities);
        }
        rising.into_iter().map(|user| user.given.unwrap_or(0.0)).collect()
    }
}

/// A user on the way to what it is entitled to.
struct Rising<'a> {
    asked: f64,
    costs: &'a [f64],
    /// What one request takes of the resource it takes most of, as a fraction of that resource.
    dominant: f64,
    /// Set once the user has stopped.
    given: Option<f64>,
}

/// Raises everybody to the level at which the first resource is used up, and stops who is satisfied there
/// or needs that resource. Where none binds, the level is infinite and everybody is satisfied.
fn rise_until_one_binds(users: &mut [Rising<'_>], capacities: &[f64]) {
    let level_of = |resource: usize| {
        let used: f64 = users.iter().map(|user| user.given.unwrap_or(0.0) * user.costs[resource]).sum();
        let still = users.iter().filter(|user| user.given.is_none());
        let slopes =
            still.map(|user| (user.asked * user.dominant, user.costs[resource] / user.dominant)).collect();
        sloped_level(slopes, capacities[resource] - used)
    };
    let levels: Vec<f64> = (0..capacities.len()).map(level_of).collect();
    let level = levels.iter().copied().fold(f64::INFINITY, f64::min);
    for user in users.iter_mut().filter(|user| user.given.is_none()) {
        if user.asked * user.dominant <= level {
            user.given = Some(user.asked);
        } else if levels.iter().zip(user.costs).any(|(binding, cost)| *binding <= level && *cost > 0.0) {
            user.given = Some(level / user.dominant);
        }
    }
}

fn dominant_fraction(costs: &[f64], capacities: &[f64]) -> f64 {
    let fractions = costs.iter().zip(capacities).filter(|(cost, _)| **cost > 0.0);
    fractions.map(|(cost, capacity)| cost / capacity.max(0.0)).fold(0.0, f64::max)
}

/// The level at which `sum of slope * min(limit, level)` reaches `capacity`; infinite if it never does.
fn sloped_level(mut users: Vec<(f64, f64)>, capacity: f64) -> f64 {
    // Who does not need the resource must not meet what rounding leaves of the slope.
    users.retain(|(_, slope)| *slope > 0.0);
    users.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let mut slope: f64 = users.iter().map(|(_, slope)| slope).sum();
    let (mut left, mut reached) = (capacity.max(0.0), 0.0);
    for (limit, own) in users {
        if limit * slope > left {
            return (left / slope).max(reached);
        }
        left -= limit * own;
        slope -= own;
        reached = limit;
    }
    f64::INFINITY
}

#[cfg(test)]
mod tests;
