//! What each user is entitled to, and F: how much good work was done within that.
//!
//! Shares are worked out for every window of 100 ms, from the demand and the capacity of that window, but both
//! entitlement and good work are counted from the beginning: a burst that a user has not used up the room for is not
//! held against it. What a window cannot serve may be served in the next, within the SLO, so it is asked for once
//! more there.

use openclaw_scenario::{Arrival, FairDivision};

use crate::world::World;

/// Rounding must not pass for ill behaviour.
const ROUNDING: f64 = 1e-6;

/// One user's fairness so far. Work units are those of a plain request.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Account {
    /// Work entitled to.
    pub(crate) entitled: f64,
    /// Work done within the SLO.
    pub(crate) good: f64,
    /// Requests first made in the window of that number.
    asked: f64,
    /// Requests of the window before that it could not serve.
    carried: f64,
    window: u32,
    well_behaved: bool,
}

/// All users' fairness.
#[derive(Debug)]
pub(crate) struct Fairness {
    accounts: Vec<Account>,
    division: FairDivision,
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

impl Fairness {
    pub(crate) fn new(world: &World) -> Self {
        Self {
            accounts: vec![Account::default(); world.ids.len()],
            division: FairDivision::for_scenario(&world.scenario),
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

    /// Entitles everyone for the window from `from_s` to `to_s`, in which `arrivals` come.
    pub(crate) fn open(&mut self, arrivals: &[Arrival], from_s: f64, to_s: f64, world: &World) {
        self.window += 1;
        self.gather(arrivals, world);
        self.capacities_s.clear();
        self.capacities_s.extend(
            world
                .stages
                .iter()
                .map(|stage| stage.workers * stage.timeline.mean_level(from_s, to_s) * (to_s - from_s)),
        );
        self.window_work = 0.0;
        if world.stages.len() == 1 {
            let work = self.capacities_s[0] / world.stages[0].service_time.mean_s();
            let level = self.level(work, world);
            for index in 0..self.active.len() {
                let user = self.active[index];
                let (cost, wanted) = (world.cost(user), self.wanted[index].1);
                self.entitle(user, wanted, wanted.min(level / cost), cost);
            }
        } else {
            let entitlements = self.division.entitlements(&self.wanted, &self.capacities_s);
            for (index, entitled) in entitlements.into_iter().enumerate() {
                let user = self.active[index];
                self.entitle(user, self.wanted[index].1, entitled, world.cost(user));
            }
        }
    }

    /// Lists who wants how much.
    fn gather(&mut self, arrivals: &[Arrival], world: &World) {
        self.active.clear();
        self.active.append(&mut self.carriers);
        for user in &self.active {
            let account = &mut self.accounts[*user as usize];
            (account.window, account.asked) = (self.window, 0.0);
        }
        for arrival in arrivals {
            let account = &mut self.accounts[arrival.user as usize];
            if account.window != self.window {
                (account.window, account.asked, account.carried) = (self.window, 0.0, 0.0);
                self.active.push(arrival.user);
            }
            account.asked += 1.0;
        }
        self.wanted.clear();
        let wanted = |user: &u32| {
            let account = &self.accounts[*user as usize];
            (world.class_of(*user), account.asked + account.carried)
        };
        self.wanted.extend(self.active.iter().map(wanted));
    }

    /// The level in work at which `capacity` is used up; infinite where everybody gets all.
    fn level(&mut self, capacity: f64, world: &World) -> f64 {
        self.sorted.clear();
        self.sorted.extend(self.wanted.iter().map(|(class, wanted)| wanted * world.classes[*class].cost));
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
    pub(crate) fn good(&mut self, user: u32, cost: f64) {
        let account = &mut self.accounts[user as usize];
        self.fair_work += (account.entitled - account.good).clamp(0.0, cost);
        account.good += cost;
    }

    /// Whether a user asks for no more than its share in this window.
    pub(crate) fn is_well_behaved(&self, user: u32) -> bool {
        let account = &self.accounts[user as usize];
        account.window == self.window && account.well_behaved
    }

    /// F, in work units.
    pub(crate) fn fair_work(&self) -> f64 {
        self.fair_work
    }

    /// Work that all users of this window are entitled to: the lesser of capacity and demand.
    pub(crate) fn window_work(&self) -> f64 {
        self.window_work
    }

    pub(crate) fn accounts(&self) -> &[Account] {
        &self.accounts
    }
}

#[cfg(test)]
mod tests;
