//! Who asks for how much: every user's demand, split by the collectors that report it.
//!
//! Memory is bounded: users idle for longer than a lease lasts are forgotten, a few at every tick, and when the
//! table is full nobody new is tracked. Attempts by users not tracked yet count for one pseudo-user, the
//! newcomers, whom water-filling treats like any other user: a thousand made-up ids get one share.

use indexmap::IndexMap;
use openclaw_protocol::{BucketPolicy, EffectiveLimits, UserId};

use crate::demand::{Demand, Mark};
use crate::division::{Level, Shared};
use crate::observation::SharedAction;
use crate::overrides::{Asking, Overrides, part_of};
use crate::parts::CLASSES_MAX;

/// Identifies a collector for as long as the loop lives.
pub(crate) type SourceId = u32;

/// The share of a user's (or of the newcomers') parameters that goes by the collector's share of all traffic
/// instead of its share of that user's: without it a user that moves to another collector would find nothing
/// there.
const COMMON_SHARE: f64 = 0.1;

/// A collector's view of a user below this demand, in attempts per second, may be forgotten.
const FORGOTTEN_PER_S: f64 = 1e-3;

#[derive(Clone, Debug)]
struct User {
    class: usize,
    mark: Mark,
    parts: Vec<Part>,
}

/// One collector's view of one user.
#[derive(Clone, Copy, Debug)]
struct Part {
    source: SourceId,
    attempts: u64,
    throttled: u64,
    mark: Mark,
}

/// A user's counters at one collector, as a report has them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Counted {
    pub(crate) source: SourceId,
    /// The number of its class.
    pub(crate) class: usize,
    /// Offered and refused since the collector's epoch.
    pub(crate) attempts: u64,
    pub(crate) throttled: u64,
    /// Whether the counters only show where the counting stands.
    pub(crate) baseline: bool,
}

/// What a report adds to a user's counters.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Added {
    pub(crate) attempts: u64,
    pub(crate) throttled: u64,
}

impl Added {
    /// Adds more of the same.
    pub(crate) fn add(&mut self, attempts: u64, throttled: u64) {
        self.attempts = self.attempts.saturating_add(attempts);
        self.throttled = self.throttled.saturating_add(throttled);
    }
}

/// A user's demand, as an explanation shows it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Ask {
    pub(crate) class: usize,
    pub(crate) demand_per_s: f64,
    /// Refused since the collectors' epochs, and offered.
    pub(crate) throttled: u64,
    pub(crate) attempts: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Users {
    table: IndexMap<UserId, User>,
    /// When each was last seen, by its place in the table. Apart from it, because every tick looks at many.
    seen_ns: Vec<u64>,
    demand: Demand,
    /// What users that are not tracked offer, in work units, and the mean cost of it.
    newcomers: Mark,
    newcomers_cost: f64,
    users_max: usize,
    ttl_ns: u64,
    hand: usize,
}

impl Users {
    pub(crate) fn new(users_max: usize, ttl_ns: u64, now_ns: u64) -> Self {
        Self {
            table: IndexMap::new(),
            seen_ns: Vec::new(),
            demand: Demand::new(now_ns),
            newcomers: Mark::default(),
            newcomers_cost: 1.0,
            users_max,
            ttl_ns,
            hand: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// Takes a user's cumulative counters from a collector. Returns what they add for a user tracked before, or
    /// `None` for a newcomer.
    pub(crate) fn record(&mut self, id: &UserId, counted: Counted, now_ns: u64) -> Option<Added> {
        let Counted { source, class, attempts, throttled, baseline } = counted;
        let Some((place, _, user)) = self.table.get_full_mut(id) else {
            if self.table.len() < self.users_max {
                let part = Part { source, attempts, throttled, mark: Mark::default() };
                let user = User { class, mark: Mark::default(), parts: vec![part] };
                self.table.insert(id.clone(), user);
                self.seen_ns.push(now_ns);
            }
            return None;
        };
        self.seen_ns[place] = now_ns;
        let Some(part) = user.parts.iter_mut().find(|part| part.source == source) else {
            // Collectors come and go; what one of them saw long ago no longer shares anything.
            user.parts.retain(|part| self.demand.per_s(part.mark, now_ns) > FORGOTTEN_PER_S);
            user.parts.push(Part { source, attempts, throttled, mark: Mark::default() });
            return None;
        };
        let added =
            Added { attempts: since(part.attempts, attempts), throttled: since(part.throttled, throttled) };
        (part.attempts, part.throttled) = (attempts, throttled);
        if baseline {
            return Some(Added::default());
        }
        let mark = self.demand.raised(user.mark, added.attempts as f64, now_ns);
        // Who comes through one collector only has the same demand there as in all.
        let alone = part.mark == user.mark;
        part.mark = if alone { mark } else { self.demand.raised(part.mark, added.attempts as f64, now_ns) };
        self.demand.replace((user.class, user.mark), (class, mark));
        (user.class, user.mark) = (class, mark);
        Some(added)
    }

    /// Counts one attempt by a user that no collector counts.
    pub(crate) fn record_one(
        &mut self,
        id: &UserId,
        source: SourceId,
        class: usize,
        throttled: bool,
        now_ns: u64,
    ) {
        let before = self
            .table
            .get(id)
            .and_then(|user| user.parts.iter().find(|part| part.source == source))
            .map_or((0, 0), |part| (part.attempts, part.throttled));
        let counted = Counted { source, class, attempts: before.0, throttled: before.1, baseline: true };
        if before == (0, 0) {
            // Introduces the user, so that its first attempt counts as its own.
            self.record(id, counted, now_ns);
        }
        let (attempts, throttled) = (before.0 + 1, before.1 + u64::from(throttled));
        self.record(id, Counted { attempts, throttled, baseline: false, ..counted }, now_ns);
    }

    /// Counts attempts, by class, of users that were not tracked when they made them, at the classes' costs.
    pub(crate) fn record_newcomers(
        &mut self,
        attempts: &[f64; CLASSES_MAX],
        costs: &[f64; CLASSES_MAX],
        now_ns: u64,
    ) {
        let offered: f64 = attempts.iter().sum();
        let work: f64 = attempts.iter().zip(costs).map(|(attempts, cost)| attempts * cost).sum();
        let before = self.demand.per_s(self.newcomers, now_ns);
        let mark = self.demand.raised(self.newcomers, work, now_ns);
        if work > 0.0 {
            // The mean over what is still remembered of them and what is new.
            self.newcomers_cost = (before + work) / (before / self.newcomers_cost + offered);
        }
        self.demand.replace((0, self.newcomers), (0, mark));
        self.newcomers = mark;
    }

    /// How much each user of a class gets at most; all resources are shared out.
    pub(crate) fn level(&mut self, shared: &Shared<'_>, now_ns: u64) -> Level {
        self.demand.level(shared, now_ns)
    }

    /// Users of a class with a demand worth counting.
    pub(crate) fn of_class(&self, class: usize) -> u64 {
        self.demand.users(class)
    }

    /// Forgets users idle for longer than a lease lasts; looks at a part of the table per call.
    pub(crate) fn sweep(&mut self, now_ns: u64) {
        // Fifty calls see the whole table, however large.
        let looks = (self.table.len() / 50 + 16).min(self.table.len());
        let oldest_ns = now_ns.saturating_sub(self.ttl_ns);
        for _ in 0..looks {
            if self.hand >= self.seen_ns.len() {
                self.hand = 0;
            }
            let Some(&seen_ns) = self.seen_ns.get(self.hand) else { break };
            if seen_ns < oldest_ns {
                // The last entry takes its place and is looked at next.
                self.seen_ns.swap_remove(self.hand);
                if let Some((_, user)) = self.table.swap_remove_index(self.hand) {
                    self.demand.remove(user.class, user.mark);
                }
            } else {
                self.hand += 1;
            }
        }
    }

    pub(crate) fn ask(&self, id: &str, now_ns: u64) -> Option<Ask> {
        let user = self.table.get(id)?;
        Some(Ask {
            class: user.class,
            demand_per_s: self.demand.per_s(user.mark, now_ns),
            throttled: user.parts.iter().map(|part| part.throttled).sum(),
            attempts: user.parts.iter().map(|part| part.attempts).sum(),
        })
    }

    /// The parameters of a tracked user at one collector, before the bounds for everyone.
    pub(crate) fn policy(
        &self,
        id: &str,
        sharing: &Sharing<'_>,
        limits: Option<&EffectiveLimits>,
        now_ns: u64,
    ) -> Option<BucketPolicy> {
        let user = self.table.get(id)?;
        let demand_per_s = self.demand.per_s(user.mark, now_ns);
        let own = match user.parts.iter().find(|part| part.source == sharing.source) {
            _ if demand_per_s <= 0.0 => sharing.source_share,
            Some(part) if part.mark == user.mark => 1.0,
            Some(part) => (self.demand.per_s(part.mark, now_ns) / demand_per_s).min(1.0),
            None => 0.0,
        };
        let share = COMMON_SHARE * sharing.source_share + (1.0 - COMMON_SHARE) * own;
        Some(match limits {
            None => sharing.policy(user.class, demand_per_s, 1.0, share),
            Some(limits) => part_of(sharing.overridden(user.class, demand_per_s, limits), share),
        })
    }

    /// The parameters of a tracked user over all collectors, before the bounds for everyone.
    pub(crate) fn whole_policy(
        &self,
        id: &str,
        sharing: &Sharing<'_>,
        limits: Option<&EffectiveLimits>,
        now_ns: u64,
    ) -> Option<BucketPolicy> {
        let user = self.table.get(id)?;
        let demand_per_s = self.demand.per_s(user.mark, now_ns);
        Some(sharing.whole(user.class, demand_per_s, limits))
    }

    /// The tracked users among those with an override.
    pub(crate) fn asking<'a>(&self, overrides: &'a Overrides, now_ns: u64) -> Vec<Asking<'a>> {
        let asking = |(id, limits): (&UserId, &'a EffectiveLimits)| {
            let user = self.table.get(id)?;
            Some(Asking { class: user.class, demand_per_s: self.demand.per_s(user.mark, now_ns), limits })
        };
        overrides.iter().filter_map(asking).collect()
    }

    /// The parameters of all newcomers together at one collector, before the operator's bounds.
    pub(crate) fn newcomers_policy(&self, sharing: &Sharing<'_>, now_ns: u64) -> BucketPolicy {
        // Their demand is in work units, like that of plain users; a token is a rating.
        let share = sharing.source_share / self.newcomers_cost;
        sharing.policy(0, self.demand.per_s(self.newcomers, now_ns), 1.0, share)
    }

    /// Every tracked user with its class and its demand in attempts per second.
    pub(crate) fn demands(&self, now_ns: u64) -> impl Iterator<Item = (&UserId, usize, f64)> {
        self.table.iter().map(move |(id, user)| (id, user.class, self.demand.per_s(user.mark, now_ns)))
    }
}

/// What a counter that stood at `then` adds. One that went back began anew: the collector forgot an idle user, or
/// restarted.
fn since(then: u64, now: u64) -> u64 {
    now.checked_sub(then).unwrap_or(now)
}

/// How one tick's total is handed out at one collector.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sharing<'a> {
    pub(crate) action: &'a SharedAction,
    pub(crate) level: Level,
    pub(crate) source: SourceId,
    /// This collector's share of all traffic, 0 to 1.
    pub(crate) source_share: f64,
}

impl Sharing<'_> {
    /// A user gets the level of its class, `weight` times, but no more than a multiple of what it asks for, and never
    /// less than an equal part of everything: a user with no accepted event gets no answer, and would stay locked out.
    pub(crate) fn policy(&self, class: usize, demand_per_s: f64, weight: f64, share: f64) -> BucketPolicy {
        let wanted = (self.action.headroom * demand_per_s).max(self.level.equal_part_of(class) * weight);
        let refill_rate = wanted.min(self.level.of(class) * weight) * share;
        BucketPolicy { bucket_size: (self.action.bucket_s * refill_rate).max(1.2), refill_rate }
    }

    /// What a user with an override gets over all collectors.
    fn overridden(&self, class: usize, demand_per_s: f64, limits: &EffectiveLimits) -> BucketPolicy {
        limits.apply(self.policy(class, demand_per_s, limits.weight, 1.0))
    }

    /// What a user gets over all collectors.
    pub(crate) fn whole(
        &self,
        class: usize,
        demand_per_s: f64,
        limits: Option<&EffectiveLimits>,
    ) -> BucketPolicy {
        match limits {
            None => self.policy(class, demand_per_s, 1.0, 1.0),
            Some(limits) => self.overridden(class, demand_per_s, limits),
        }
    }
}
