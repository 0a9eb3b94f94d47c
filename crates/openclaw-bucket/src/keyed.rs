//! A bucket per key: what a caller sees of the table.

use std::fmt;

use thiserror::Error;

use crate::bucket::{Bucket, Taken};
use crate::cell::{Cell, View};
use crate::decision::{Ask, Bearings};
use crate::defaults::Defaults;
use crate::hash::KeyHash;
use crate::numbers::Spare;
use crate::sync::{AtomicBool, AtomicU64, Ordering};
use crate::table::{Fingerprint, Full, SlotIndex, Table};
use crate::units::{cost_units, tokens};
use crate::upkeep::Upkeep;
use crate::word::Word;
use crate::{BucketParams, Decision, RefusedBy, Settings, Snapshot, Standing};

/// How many slots an unseen key's arrival at a full table looks over for keys that can be forgotten, and
/// how often it tries again with what it found.
const SWEEP_ON_FULL_SLOTS: usize = 32;
const ENTER_ATTEMPTS: usize = 4;

/// A token bucket per key, for many threads, with parameters that change live.
///
/// `now_ns` is nanoseconds since any origin, always the same. See the [guide](crate::_guide) for what is
/// bounded, what a change carries over, and what happens when the clock misbehaves.
pub struct KeyedBuckets {
    hash: KeyHash,
    pub(crate) table: Table,
    pub(crate) defaults: Defaults,
    pub(crate) upkeep: Upkeep,
    newcomers: Newcomers,
    overflow: Overflow,
}

/// The bucket that all keys at the defaults share on top of their own.
#[derive(Debug)]
struct Newcomers {
    enforced: AtomicBool,
    bucket: Bucket,
}

/// The bucket of all keys that found no room; always at the defaults.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Overflow {
    word: AtomicU64,
    unused: Spare,
}

impl Overflow {
    fn cell(&self) -> Cell<'_> {
        Cell { word: &self.word, own: self.unused.numbers() }
    }
}

/// No room for another key, and none may be forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("all {keys_max} keys of the table are in use and none may be forgotten")]
pub struct TableFull {
    /// The table's bound.
    pub keys_max: usize,
}

impl KeyedBuckets {
    /// An empty table; its memory is reserved here.
    ///
    /// # Panics
    /// Where `keys_max` is so large that its memory (51.2 bytes a key) cannot be reserved.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let Settings { defaults, keys_max, seed, pages } = settings;
        Self {
            hash: KeyHash::new(seed),
            table: Table::new(keys_max, pages),
            defaults: Defaults::new(defaults),
            upkeep: Upkeep::new(defaults.refill_rate()),
            newcomers: Newcomers { enforced: AtomicBool::new(false), bucket: Bucket::new(defaults) },
            overflow: Overflow::default(),
        }
    }

    /// Takes `cost` tokens from the key's bucket, or says why not.
    ///
    /// A key without parameters of its own pays the newcomers' bucket too, where there is one, but only if its own
    /// bucket has the tokens. A cost of zero is always allowed; a negative one, or NaN, never.
    #[inline]
    pub fn try_acquire(&self, key: &str, cost: f64, now_ns: u64) -> Decision {
        self.acquire(self.fingerprint(key.as_bytes()), cost, now_ns)
    }

    /// The same for a request of lower priority, which must leave a `reserve` of the bucket's capacity (0 to 1)
    /// to those of higher priority.
    pub fn try_acquire_reserving(&self, key: &str, cost: f64, reserve: f64, now_ns: u64) -> Decision {
        let ask = Ask { cost: cost_units(cost), reserve };
        self.acquire_with_care(self.fingerprint(key.as_bytes()), ask, now_ns)
    }

    /// Gives a key parameters of its own, from the next decision on. What it holds at `now_ns`, settled at the old
    /// ones, is kept up to the new capacity. Costs no more than a read where nothing changes.
    ///
    /// # Errors
    /// [`TableFull`] where the key is unknown and there is no room.
    pub fn set_params(&self, key: &str, params: BucketParams, now_ns: u64) -> Result<(), TableFull> {
        self.assign(self.fingerprint(key.as_bytes()), params, now_ns)
    }

    /// Puts a key back to the defaults (its lease lapsed), with what it holds up to what an idle key holds there.
    pub fn clear_params(&self, key: &str, now_ns: u64) {
        self.unassign(self.fingerprint(key.as_bytes()), now_ns);
    }

    /// A key's bucket as it stands; `None` where the key is not known.
    #[must_use]
    pub fn peek(&self, key: &str, now_ns: u64) -> Option<Snapshot> {
        self.snapshot(self.fingerprint(key.as_bytes()), now_ns)
    }

    /// Changes the defaults of all keys without parameters of their own, seen or unseen, in constant time.
    pub fn set_defaults(&self, params: BucketParams, now_ns: u64) {
        self.keep_up(now_ns);
        self.upkeep.allow(params.refill_rate(), now_ns);
        self.defaults.change(params, now_ns);
    }

    /// One more bucket that all keys at the defaults share on top of their own; `None` lifts it. Starts full; while
    /// it is in force its parameters change as those of any bucket do.
    pub fn set_newcomers(&self, params: Option<BucketParams>, now_ns: u64) {
        let Newcomers { enforced, bucket } = &self.newcomers;
        match params {
            None => enforced.store(false, Ordering::Release),
            Some(params) if enforced.load(Ordering::Acquire) => bucket.set_params(params, now_ns),
            Some(params) => {
                bucket.renew(params, now_ns);
                enforced.store(true, Ordering::Release);
            }
        }
    }

    /// The defaults now in force.
    #[must_use]
    pub fn defaults(&self) -> BucketParams {
        self.defaults.current().params
    }

    /// Keys known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether no key is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets every key whose bucket is full and at the defaults; gives their number.
    pub fn forget_idle(&self, now_ns: u64) -> usize {
        self.keep_up(now_ns);
        let forgotten = self.forget_some(now_ns, usize::MAX);
        self.upkeep.looked(now_ns);
        forgotten
    }

    /// The same for the next `slots_max` slots of the table only.
    pub fn forget_some(&self, now_ns: u64, slots_max: usize) -> usize {
        self.keep_up(now_ns);
        self.table.sweep(slots_max, |cell, spare| self.look(cell, spare, now_ns, now_ns, Word::LEAVING))
    }

    /// Any decision: what [`acquire`](Self::acquire) leaves over.
    #[inline(never)]
    pub(crate) fn acquire_with_care(&self, key: Fingerprint, ask: Ask, now_ns: u64) -> Decision {
        self.keep_up(now_ns);
        if let Some(slot) = self.table.find(key)
            && let Some(decision) = self.decide(slot, key, ask, now_ns)
        {
            return decision;
        }
        self.meet(key, ask, now_ns)
    }

    pub(crate) fn assign(
        &self,
        key: Fingerprint,
        params: BucketParams,
        now_ns: u64,
    ) -> Result<(), TableFull> {
        self.keep_up(now_ns);
        if self.has_params(key, params, now_ns) {
            return Ok(());
        }
        self.upkeep.allow(params.refill_rate(), now_ns);
        for _ in 0..ENTER_ATTEMPTS {
            let mut held = self.table.hold(key);
            if let Ok(slot) = self.table.enter(key, &held) {
                let now_ns = held.change_at(now_ns);
                let spare = self.table.spare(slot);
                let cell = self.table.cell(slot);
                cell.assign(params, spare, now_ns, || cell.view(spare, &self.defaults, now_ns));
                return Ok(());
            }
            drop(held);
            if self.forget_some(now_ns, SWEEP_ON_FULL_SLOTS) == 0 {
                break;
            }
        }
        Err(TableFull { keys_max: self.table.keys_max() })
    }

    pub(crate) fn unassign(&self, key: Fingerprint, now_ns: u64) {
        self.keep_up(now_ns);
        let mut held = self.table.hold(key);
        if let Some(slot) = self.table.find(key) {
            let now_ns = held.change_at(now_ns);
            let spare = self.table.spare(slot);
            let cell = self.table.cell(slot);
            if cell.view(spare, &self.defaults, now_ns).word.assigned() {
                cell.unassign(spare, &self.defaults, now_ns);
            }
        }
    }

    pub(crate) fn snapshot(&self, key: Fingerprint, now_ns: u64) -> Option<Snapshot> {
        self.keep_up(now_ns);
        let (_, view) = self.view(key, now_ns)?;
        let standing = if view.word.assigned() { Standing::Assigned } else { Standing::Default };
        Some(Snapshot { level: tokens(view.level()), params: view.params, standing })
    }

    /// Sees to it that every position can be read at `now_ns`.
    #[inline]
    fn keep_up(&self, now_ns: u64) {
        if self.upkeep.is_due(now_ns) {
            self.look_at_all(now_ns);
        }
    }

    #[cold]
    fn look_at_all(&self, now_ns: u64) {
        self.upkeep.run(now_ns, |due_ns| {
            // A full overflow bucket goes back to where it began; nobody is told from anybody in it.
            self.look(self.overflow.cell(), &self.overflow.unused, due_ns, now_ns, Word::vacant(0));
            if !self.is_empty() {
                self.table
                    .sweep(usize::MAX, |cell, spare| self.look(cell, spare, due_ns, now_ns, Word::LEAVING));
            }
        });
    }

    /// Looks at a bucket that nobody has asked since `seen_ns`, and writes its position anew as it is at
    /// `now_ns`, so that no idle time is ever long enough to be misread. If it is full and at the
    /// defaults, exchanges its word for `forgotten` instead and says so.
    fn look(&self, cell: Cell<'_>, spare: &Spare, seen_ns: u64, now_ns: u64, forgotten: Word) -> bool {
        loop {
            let then = cell.view(spare, &self.defaults, seen_ns);
            let view = cell.view(spare, &self.defaults, now_ns);
            let Some(_) = view.word.position() else {
                return !view.word.assigned() && cell.exchange(view.word, forgotten);
            };
            let full = view.line.ceiling.cast_signed();
            let gained = view.law.refilled(now_ns).saturating_sub(view.law.refilled(seen_ns));
            let level = then.level().saturating_add(i64::try_from(gained).unwrap_or(i64::MAX)).min(full);
            let next = if level == full && !view.word.assigned() {
                forgotten
            } else if level == full || now_ns > seen_ns {
                view.word.at(view.line.position(level))
            } else {
                return false;
            };
            if then.word == view.word && cell.exchange(view.word, next) {
                return next == forgotten;
            }
        }
    }

    /// Decides on a slot; `None` where it is no longer the key's.
    fn decide(&self, slot: SlotIndex, key: Fingerprint, ask: Ask, now_ns: u64) -> Option<Decision> {
        let cell = self.table.cell(slot);
        loop {
            let view = cell.view(self.table.spare(slot), &self.defaults, now_ns);
            if !self.table.is_still(slot, key) || view.word.leaving() {
                return None;
            }
            if !view.word.assigned() && self.newcomers_share() {
                return self.decide_newcomer(slot, key, ask, now_ns);
            }
            if let Some(decision) = settle(cell, &view, ask, RefusedBy::Own) {
                return Some(decision);
            }
        }
    }

    /// Whether keys at the defaults share a bucket on top of their own.
    #[inline(always)]
    pub(crate) fn newcomers_share(&self) -> bool {
        self.newcomers.enforced.load(Ordering::Acquire)
    }

    fn decide_newcomer(&self, slot: SlotIndex, key: Fingerprint, ask: Ask, now_ns: u64) -> Option<Decision> {
        let view = || self.view(key, now_ns).filter(|(found, _)| *found == slot).map(|(_, view)| view);
        self.share(self.table.cell(slot), ask, now_ns, RefusedBy::Own, view)
    }

    /// Decides for a key at the defaults with the newcomers' bucket on top: its own is asked first, so that
    /// an exhausted key cannot drain what it shares, and the shared tokens go back if its own are
    /// taken by another call in between.
    fn share(
        &self,
        cell: Cell<'_>,
        ask: Ask,
        now_ns: u64,
        refused_by: RefusedBy,
        view: impl Fn() -> Option<View>,
    ) -> Option<Decision> {
        let mut paid = false;
        let decision = loop {
            let Some(view) = view() else { break None };
            let level = view.level();
            let shares = !view.word.assigned() && ask.cost > 0 && ask.needs(view.params) <= level;
            if shares && !paid {
                match self.newcomers.bucket.take(ask.cost, now_ns) {
                    Taken::Yes => paid = true,
                    Taken::No(retry_after) => {
                        break Some(bearings(&view, refused_by).refused(
                            level,
                            retry_after,
                            RefusedBy::Newcomers,
                        ));
                    }
                }
            }
            if let Some(decision) = settle(cell, &view, ask, refused_by) {
                if paid && shares && decision.is_allowed() {
                    return Some(decision);
                }
                break Some(decision);
            }
        };
        if paid {
            self.newcomers.bucket.refund(ask.cost);
        }
        decision
    }

    /// The first decision on a key, or one that lost its slot on the way.
    #[cold]
    fn meet(&self, key: Fingerprint, ask: Ask, now_ns: u64) -> Decision {
        let mut attempts = 0;
        while attempts < ENTER_ATTEMPTS {
            if let Some(refusal) = self.refuse_unseen(key, ask, now_ns) {
                return refusal;
            }
            let entered = {
                let held = self.table.hold(key);
                self.table.enter(key, &held)
            };
            match entered {
                // A slot lost again before the decision was a full bucket: no reason to give up.
                Ok(slot) => {
                    if let Some(decision) = self.decide(slot, key, ask, now_ns) {
                        return decision;
                    }
                }
                Err(Full) if self.forget_some(now_ns, SWEEP_ON_FULL_SLOTS) == 0 => break,
                Err(Full) => attempts += 1,
            }
        }
        self.overflow(ask, now_ns)
    }

    /// Refuses an unseen key what an idle key would be refused too, without remembering it: a flood
    /// of made-up keys then leaves no trace.
    fn refuse_unseen(&self, key: Fingerprint, ask: Ask, now_ns: u64) -> Option<Decision> {
        if self.table.find(key).is_some() {
            return None;
        }
        let epoch = self.defaults.current();
        let level = epoch.line(now_ns).ceiling.cast_signed();
        let bearings = Bearings { params: epoch.params, standing: Standing::Default };
        if ask.cost == 0 {
            return Some(bearings.allowed(level));
        }
        let needed = ask.needs(epoch.params);
        if needed > level {
            return Some(bearings.limited(level, needed, RefusedBy::Own));
        }
        if self.newcomers_share()
            && let Some(retry_after) = self.newcomers.bucket.lacks(ask.cost, now_ns)
        {
            return Some(bearings.refused(level, retry_after, RefusedBy::Newcomers));
        }
        None
    }

    #[cold]
    fn overflow(&self, ask: Ask, now_ns: u64) -> Decision {
        let cell = self.overflow.cell();
        let view = || cell.view(&self.overflow.unused, &self.defaults, now_ns);
        loop {
            let decision = if self.newcomers_share() {
                self.share(cell, ask, now_ns, RefusedBy::Overflow, || Some(view()))
            } else {
                settle(cell, &view(), ask, RefusedBy::Overflow)
            };
            if let Some(decision) = decision {
                return decision;
            }
        }
    }

    /// A known key's slot and bucket.
    fn view(&self, key: Fingerprint, now_ns: u64) -> Option<(SlotIndex, View)> {
        let slot = self.table.find(key)?;
        let view = self.table.cell(slot).view(self.table.spare(slot), &self.defaults, now_ns);
        (self.table.is_still(slot, key) && !view.word.leaving()).then_some((slot, view))
    }

    /// Whether a key has exactly these parameters already: a renewed lease then costs no more than a decision.
    fn has_params(&self, key: Fingerprint, params: BucketParams, now_ns: u64) -> bool {
        self.view(key, now_ns).is_some_and(|(_, view)| view.word.assigned() && view.params == params)
    }

    #[inline(always)]
    pub(crate) fn fingerprint(&self, key: &[u8]) -> Fingerprint {
        Fingerprint::from_hash(self.hash.of(key))
    }
}

impl fmt::Debug for KeyedBuckets {
    // Not the slots, of which there may be millions.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedBuckets")
            .field("keys", &self.len())
            .field("keys_max", &self.table.keys_max())
            .field("defaults", &self.defaults())
            .finish_non_exhaustive()
    }
}

/// Takes `cost` units from a bucket as seen; `None` where it has changed since.
#[inline]
fn settle(cell: Cell<'_>, view: &View, ask: Ask, refused_by: RefusedBy) -> Option<Decision> {
    let level = view.level();
    let bearings = bearings(view, refused_by);
    if ask.cost == 0 {
        return Some(bearings.allowed(level));
    }
    let needed = ask.needs(view.params);
    if needed > level {
        return Some(bearings.limited(level, needed, refused_by));
    }
    let left = level - ask.cost;
    cell.commit(view, left).then(|| bearings.allowed(left))
}

#[inline]
fn bearings(view: &View, refused_by: RefusedBy) -> Bearings {
    let standing = match refused_by {
        RefusedBy::Overflow => Standing::Overflow,
        _ if view.word.assigned() => Standing::Assigned,
        _ => Standing::Default,
    };
    Bearings { params: view.params, standing }
}
