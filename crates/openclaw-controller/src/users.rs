//! Who asks for how much: every user's demand, split by the collectors that report it.
//!
//! Memory is bounded: users idle for longer than a lease lasts are forgotten, a few at every tick, and when the
//! table is full nobody new is tracked. Attempts by users not tracked yet count for one pseudo-user, the
//! newcomers, whom water-filling treats like any other user: a thousand made-up ids get one share.

use indexmap::IndexMap;
use openclaw_protocol::{BucketPolicy, UserId};

use crate::demand::{Demand, Level, Mark};
use crate::observation::SharedAction;

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
    mark: Mark,
    seen_ns: u64,
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

/// A user's demand, as an explanation shows it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Ask {
    pub(crate) demand_per_s: f64,
    /// Refused since the collectors' epochs, and offered.
    pub(crate) throttled: u64,
    pub(crate) attempts: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Users {
    table: IndexMap<UserId, User>,
    demand: Demand,
    newcomers: Mark,
    users_max: usize,
    ttl_ns: u64,
    hand: usize,
}

impl Users {
    pub(crate) fn new(users_max: usize, ttl_ns: u64, now_ns: u64) -> Self {
        Self {
            table: IndexMap::new(),
            demand: Demand::new(now_ns),
            newcomers: Mark::default(),
            users_max,
            ttl_ns,
            hand: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// Takes a user's cumulative counters from a collector. `baseline` says that they only show where the
    /// counting stands. Returns the attempts of a user tracked before, or `None` for a newcomer.
    pub(crate) fn record(
        &mut self,
        id: &UserId,
        source: SourceId,
        (attempts, throttled): (u64, u64),
        baseline: bool,
        now_ns: u64,
    ) -> Option<u64> {
        let Some(user) = self.table.get_mut(id) else {
            if self.table.len() < self.users_max {
                let part = Part { source, attempts, throttled, mark: Mark::default() };
                let user = User { mark: Mark::default(), seen_ns: now_ns, parts: vec![part] };
                self.table.insert(id.clone(), user);
            }
            return None;
        };
        user.seen_ns = now_ns;
        let Some(part) = user.parts.iter_mut().find(|part| part.source == source) else {
            // Collectors come and go; what one of them saw long ago no longer shares anything.
            user.parts.retain(|part| self.demand.per_s(part.mark, now_ns) > FORGOTTEN_PER_S);
            user.parts.push(Part { source, attempts, throttled, mark: Mark::default() });
            return None;
        };
        // Counters that went back began anew: the collector forgot an idle user, or restarted.
        let since = if attempts >= part.attempts { attempts - part.attempts } else { attempts };
        (part.attempts, part.throttled) = (attempts, throttled);
        if baseline {
            return Some(0);
        }
        part.mark = self.demand.raised(part.mark, since, now_ns);
        let mark = self.demand.raised(user.mark, since, now_ns);
        self.demand.replace(user.mark, mark);
        user.mark = mark;
        Some(since)
    }

    /// Counts one attempt by a user that no collector counts.
    pub(crate) fn record_one(&mut self, id: &UserId, source: SourceId, throttled: bool, now_ns: u64) {
        let before = self
            .table
            .get(id)
            .and_then(|user| user.parts.iter().find(|part| part.source == source))
            .map_or((0, 0), |part| (part.attempts, part.throttled));
        if before == (0, 0) {
            // Introduces the user, so that its first attempt counts as its own.
            self.record(id, source, (0, 0), true, now_ns);
        }
        self.record(id, source, (before.0 + 1, before.1 + u64::from(throttled)), false, now_ns);
    }

    /// Counts attempts by users that were not tracked when they made them.
    pub(crate) fn record_newcomers(&mut self, attempts: u64, now_ns: u64) {
        let mark = self.demand.raised(self.newcomers, attempts, now_ns);
        self.demand.replace(self.newcomers, mark);
        self.newcomers = mark;
    }

    pub(crate) fn level(&self, admitted_per_s: f64, now_ns: u64) -> Level {
        self.demand.level(admitted_per_s, now_ns)
    }

    /// Forgets users idle for longer than a lease lasts; looks at a part of the table per call.
    pub(crate) fn sweep(&mut self, now_ns: u64) {
        // Fifty calls see the whole table, however large.
        let looks = (self.table.len() / 50 + 16).min(self.table.len());
        for _ in 0..looks {
            if self.hand >= self.table.len() {
                self.hand = 0;
            }
            match self.table.get_index(self.hand) {
                Some((_, user)) if now_ns.saturating_sub(user.seen_ns) > self.ttl_ns => {
                    self.demand.remove(user.mark);
                    // The last entry takes its place and is looked at next.
                    self.table.swap_remove_index(self.hand);
                }
                Some(_) => self.hand += 1,
                None => break,
            }
        }
    }

    pub(crate) fn ask(&self, id: &str, now_ns: u64) -> Option<Ask> {
        let user = self.table.get(id)?;
        Some(Ask {
            demand_per_s: self.demand.per_s(user.mark, now_ns),
            throttled: user.parts.iter().map(|part| part.throttled).sum(),
            attempts: user.parts.iter().map(|part| part.attempts).sum(),
        })
    }

    /// The parameters of a tracked user at one collector, before the operator's bounds.
    pub(crate) fn policy(&self, id: &str, sharing: &Sharing<'_>, now_ns: u64) -> Option<BucketPolicy> {
        let user = self.table.get(id)?;
        let demand_per_s = self.demand.per_s(user.mark, now_ns);
        let own = match user.parts.iter().find(|part| part.source == sharing.source) {
            _ if demand_per_s <= 0.0 => sharing.source_share,
            Some(part) => (self.demand.per_s(part.mark, now_ns) / demand_per_s).min(1.0),
            None => 0.0,
        };
        let share = COMMON_SHARE * sharing.source_share + (1.0 - COMMON_SHARE) * own;
        Some(sharing.policy(demand_per_s, share))
    }

    /// The parameters of a tracked user over all collectors, before the operator's bounds.
    pub(crate) fn whole_policy(&self, id: &str, sharing: &Sharing<'_>, now_ns: u64) -> Option<BucketPolicy> {
        let user = self.table.get(id)?;
        Some(sharing.policy(self.demand.per_s(user.mark, now_ns), 1.0))
    }

    /// The parameters of all newcomers together at one collector, before the operator's bounds.
    pub(crate) fn newcomers_policy(&self, sharing: &Sharing<'_>, now_ns: u64) -> BucketPolicy {
        sharing.policy(self.demand.per_s(self.newcomers, now_ns), sharing.source_share)
    }

    /// Every tracked user with its demand in attempts per second.
    pub(crate) fn demands(&self, now_ns: u64) -> impl Iterator<Item = (&UserId, f64)> {
        self.table.iter().map(move |(id, user)| (id, self.demand.per_s(user.mark, now_ns)))
    }
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
    /// A user gets the common level, but no more than a multiple of what it asks for, and never less than an
    /// equal part of everything: a user with no accepted event gets no answer, and would stay locked out.
    pub(crate) fn policy(&self, demand_per_s: f64, share: f64) -> BucketPolicy {
        let equal_part = self.action.admitted_per_s / self.level.users.max(1) as f64;
        let wanted = (self.action.headroom * demand_per_s).max(equal_part);
        let refill_rate = wanted.min(self.level.per_s.max(0.0)) * share;
        BucketPolicy { bucket_size: (self.action.bucket_s * refill_rate).max(1.2), refill_rate }
    }
}
