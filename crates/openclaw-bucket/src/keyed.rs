//! A bucket per key: what a caller sees of the table.

use std::fmt;

use thiserror::Error;

use crate::bucket::Bucket;
use crate::cell::{Cell, View};
use crate::decision::Ask;
use crate::defaults::Defaults;
use crate::hash::KeyHash;
use crate::law::Law;
use crate::numbers::Spare;
use crate::sync::{AtomicBool, AtomicU64, Ordering};
use crate::table::{Fingerprint, SlotIndex, Table};
use crate::units::{cost_units, tokens};
use crate::upkeep::Upkeep;
use crate::word::Word;
use crate::{BucketParams, Decision, Settings, Snapshot, Standing};

/// How many slots an unseen key's arrival at a full table looks over for keys that can be forgotten, and
/// how often it tries again with what it found.
pub(crate) const SWEEP_ON_FULL_SLOTS: usize = 32;
pub(crate) const ENTER_ATTEMPTS: usize = 4;

/// A token bucket per key, for many threads, with parameters that change live.
///
/// `now_ns` is nanoseconds since any origin, always the same. See the [guide](crate::_guide) for what is
/// bounded, what a change carries over, and what happens when the clock misbehaves.
pub struct KeyedBuckets {
    hash: KeyHash,
    pub(crate) table: Table,
    pub(crate) defaults: Defaults,
    pub(crate) upkeep: Upkeep,
    pub(crate) newcomers: Newcomers,
    pub(crate) overflow: Overflow,
}

/// The bucket that all keys at the defaults share on top of their own.
#[derive(Debug)]
pub(crate) struct Newcomers {
    pub(crate) enforced: AtomicBool,
    pub(crate) bucket: Bucket,
}

/// The bucket of all keys that found no room; always at the defaults.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Overflow {
    word: AtomicU64,
    pub(crate) unused: Spare,
}

impl Overflow {
    pub(crate) fn cell(&self) -> Cell<'_> {
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
        self.defaults.current().law.params()
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
                cell.assign(Law::of(params), spare, now_ns, || cell.view(spare, &self.defaults, now_ns));
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
        Some(Snapshot { level: tokens(view.level()), params: view.law.params(), standing })
    }

    /// Sees to it that every position can be read at `now_ns`.
    #[inline]
    pub(crate) fn keep_up(&self, now_ns: u64) {
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

    /// A known key's slot and bucket.
    pub(crate) fn view(&self, key: Fingerprint, now_ns: u64) -> Option<(SlotIndex, View)> {
        let slot = self.table.find(key)?;
        let view = self.table.cell(slot).view(self.table.spare(slot), &self.defaults, now_ns);
        (self.table.is_still(slot, key) && !view.word.leaving()).then_some((slot, view))
    }

    /// Whether a key has exactly these parameters already: a renewed lease then costs no more than a decision.
    fn has_params(&self, key: Fingerprint, params: BucketParams, now_ns: u64) -> bool {
        self.view(key, now_ns).is_some_and(|(_, view)| view.word.assigned() && view.law == Law::of(params))
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
