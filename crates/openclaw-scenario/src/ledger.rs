//! What each user is entitled to, and F: how much good work was done within that.
//!
//! Shares are worked out for every window of 100 ms, from the demand and the capacity of that window, but both
//! entitlement and good work are counted from the beginning: a burst that a user has not used up the room for is not
//! held against it. What a window cannot serve may be served in the next, within the SLO, so it is asked for once
//! more there.
//!
//! One ledger scores simulated courses and played ones: by another rule on one of the sides, shares by whole seconds for
//! example, the same course comes out some points apart.

use crate::fairness::FairDivision;
use crate::population::Population;
use crate::scenario::Scenario;

/// Length of a window in seconds.
pub const FAIR_WINDOW_S: f64 = 0.1;

/// Rounding must not pass for ill behaviour.
const ROUNDING: f64 = 1e-6;

/// One user's fairness so far. Work units are those of a plain request.
#[derive(Clone, Copy, Debug, Default)]
pub struct FairAccount {
    /// Work entitled to.
    pub entitled: f64,
    /// Work done within the SLO.
    pub good: f64,
    /// Requests first made in the window of that number.
    asked: f64,
    /// Requests of the window before that it could not serve.
    carried: f64,
    window: u32,
    well_behaved: bool,
}

/// All users' fairness.
#[derive(Clone, Debug)]
pub struct FairLedger {
    accounts: Vec<FairAccount>,
    division: FairDivision,
    /// By user.
    classes: Vec<usize>,
    /// By class, the work of one request.
    costs: Vec<f64>,
    /// Seconds of a worker that a plain request takes.
    plain_work_s: f64,
    window: u32,
    /// Users with a demand in this window, and then those with something carried into the next.
    active: Vec<u32>,
    carriers: Vec<u32>,
    wanted: Vec<(usize, f64)>,
    sorted: Vec<f64>,
    capacities_s: Vec<f64>,
    /// Work that all users of the window are entitled to.
    window_work: f64,
    fair_work: f64,
}

impl FairLedger {
    /// Before the first window of a scenario with these users.
    #[must_use]
    pub fn new(scenario: &Scenario, population: &Population) -> Self {
        let classes: Vec<usize> = population.users().iter().map(|user| user.class.into()).collect();
        let costs = 0..=scenario.request_classes.len();
        Self {
            accounts: vec![FairAccount::default(); classes.len()],
            division: FairDivision::for_scenario(scenario),
            classes,
            costs: costs.map(|class| scenario.service_time_factor(class)).collect(),
            plain_work_s: scenario.service.service_time.mean_s(),
            window: 0,
            active: Vec::new(),
            carriers: Vec::new(),
            wanted: Vec::new(),
            sorted: Vec::new(),
            capacities_s: Vec::new(),
            window_work: 0.0,
            fair_work: 0.0,
        }
    }

    /// Entitles everyone for the next window, in which each of `users` first asks once, and the service and each
    /// dependency have so many seconds of a worker.
    ///
    /// # Panics
    /// There is no such user, or there are not as many capacities as the service and its dependencies.
    pub fn open(
        &mut self,
        users: impl IntoIterator<Item = u32>,
        capacities_s: impl IntoIterator<Item = f64>,
    ) {
        self.window += 1;
        self.gather(users);
        self.capacities_s.clear();
        self.capacities_s.extend(capacities_s);
        self.window_work = 0.0;
        if let [of_service_s] = self.capacities_s[..] {
            let level = self.level(of_service_s / self.plain_work_s);
            for index in 0..self.active.len() {
                let user = self.active[index];
                let (cost, wanted) = (self.cost(user), self.wanted[index].1);
                self.entitle(user, wanted, wanted.min(level / cost), cost);
            }
        } else {
            let entitlements = self.division.entitlements(&self.wanted, &self.capacities_s);
            for (index, entitled) in entitlements.into_iter().enumerate() {
                let user = self.active[index];
                self.entitle(user, self.wanted[index].1, entitled, self.cost(user));
            }
        }
    }

    /// The work of one request of `user`.
    #[must_use]
    pub fn cost(&self, user: u32) -> f64 {
        self.costs[self.classes[user as usize]]
    }

    /// Lists who wants how much.
    fn gather(&mut self, users: impl IntoIterator<Item = u32>) {
        self.active.clear();
        self.active.append(&mut self.carriers);
        for user in &self.active {
            let account = &mut self.accounts[*user as usize];
            (account.window, account.asked) = (self.window, 0.0);
        }
        for user in users {
            let account = &mut self.accounts[user as usize];
            if account.window != self.window {
                (account.window, account.asked, account.carried) = (self.window, 0.0, 0.0);
                self.active.push(user);
            }
            account.asked += 1.0;
        }
        self.wanted.clear();
        let wanted = |user: &u32| {
            let account = &self.accounts[*user as usize];
            (self.classes[*user as usize], account.asked + account.carried)
        };
        self.wanted.extend(self.active.iter().map(wanted));
    }

    /// The level in work at which `capacity` is used up; infinite where everybody gets all.
    fn level(&mut self, capacity: f64) -> f64 {
        self.sorted.clear();
        self.sorted.extend(self.wanted.iter().map(|(class, wanted)| wanted * self.costs[*class]));
        let total: f64 = self.sorted.iter().sum();
        if total <= capacity {
            return f64::INFINITY;
        }
        self.sorted.sort_unstable_by(f64::total_cmp);
        let mut left = capacity;
        for (satisfied, wanted) in self.sorted.iter().enumerate() {
            let unsatisfied = (self.sorted.len() - satisfied) as f64;
            if wanted * unsatisfied > left {
                return left / unsatisfied;
            }
            left -= wanted;
        }
        f64::INFINITY
    }

    /// Books `entitled` of the `wanted` requests of a user.
    fn entitle(&mut self, user: u32, wanted: f64, entitled: f64, cost: f64) {
        let account = &mut self.accounts[user as usize];
        account.well_behaved = account.asked <= entitled + ROUNDING;
        account.carried = (wanted - entitled).min(account.asked);
        if account.carried > ROUNDING {
            self.carriers.push(user);
        }
        let work = entitled * cost;
        self.fair_work += (account.good - account.entitled).clamp(0.0, work);
        account.entitled += work;
        self.window_work += work;
    }

    /// Books a request that was served within the SLO.
    pub fn good(&mut self, user: u32) {
        let cost = self.cost(user);
        let account = &mut self.accounts[user as usize];
        self.fair_work += (account.entitled - account.good).clamp(0.0, cost);
        account.good += cost;
    }

    /// Whether a user asks for no more than its share in this window.
    #[must_use]
    pub fn is_well_behaved(&self, user: u32) -> bool {
        let account = &self.accounts[user as usize];
        account.window == self.window && account.well_behaved
    }

    /// F, in work units.
    #[must_use]
    pub fn fair_work(&self) -> f64 {
        self.fair_work
    }

    /// Work that all users of this window are entitled to: the lesser of capacity and demand.
    #[must_use]
    pub fn window_work(&self) -> f64 {
        self.window_work
    }

    /// The accounts, by user.
    #[must_use]
    pub fn accounts(&self) -> &[FairAccount] {
        &self.accounts
    }
}

#[cfg(test)]
mod tests;
