//! Any decision: unseen keys, refusals, newcomers, a full table, races. What is allowed without any of
//! these never comes here (`hot.rs`).

use crate::bucket::Taken;
use crate::cell::{Cell, View};
use crate::decision::{Ask, Bearings};
use crate::keyed::{ENTER_ATTEMPTS, SWEEP_ON_FULL_SLOTS};
use crate::sync::Ordering;
use crate::table::{Fingerprint, Full, SlotIndex};
use crate::{Decision, KeyedBuckets, RefusedBy, Standing};

impl KeyedBuckets {
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
            let shares = !view.word.assigned() && ask.cost > 0 && ask.needs(view.law) <= level;
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
        let bearings = Bearings { law: epoch.law, standing: Standing::Default };
        if ask.cost == 0 {
            return Some(bearings.allowed(level));
        }
        let needed = ask.needs(epoch.law);
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
}

/// Takes `cost` units from a bucket as seen; `None` where it has changed since.
#[inline]
fn settle(cell: Cell<'_>, view: &View, ask: Ask, refused_by: RefusedBy) -> Option<Decision> {
    let level = view.level();
    let bearings = bearings(view, refused_by);
    if ask.cost == 0 {
        return Some(bearings.allowed(level));
    }
    let needed = ask.needs(view.law);
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
    Bearings { law: view.law, standing }
}
