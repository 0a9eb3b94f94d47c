//! One bucket's protocol: how decisions and changes of parameters meet in the word without a lock
//! between them.
//!
//! # Protocol
//! A decision reads the word, then the numbers its tag points at, then the tag again; computes; and
//! commits the new position by compare-exchange on the word. Changes of one bucket exclude each other
//! by a lock that decisions never touch:
//!
//! 1. write the new numbers to the spare place,
//! 2. exchange the word: level carried over, next generation, `moving` (readers now use the spare),
//! 3. write the new numbers to the bucket's own place,
//! 4. clear `moving` (readers use the own place again).
//!
//! Parameters and level therefore change in one atomic step, 2, and a decision never waits: whatever
//! the word says, the place it points at is not being written. A sequence lock lost (a paused
//! writer stalls the key), as did a 128-bit word (exact parameters do not fit beside a level, and
//! the standard library has no such atomic).
//!
//! # Orderings
//! Step 2 acquires and a decision's commit releases, so a decision that committed before step 2 had
//! read its numbers before they were overwritten. A decision that reads overwritten numbers sees, by
//! their acquire/release pair, a later tag and starts again. The generation counts to 63: a decision
//! would have to sleep through a multiple of 63 changes that end in the very same position to be
//! mistaken, and would then judge one request by parameters it read before it slept.

use std::time::Duration;

use crate::defaults::Defaults;
use crate::law::Law;
use crate::numbers::{Numbers, Spare};
use crate::sync::{AtomicU64, Ordering};
use crate::units::{Line, POSITION_MASK, wait};
use crate::word::{MOVING, Word};

/// Keeps the changes under one lock in the order of time.
///
/// Threads read the clock before they reach the lock. If a change at an earlier time came after one at a later
/// time, the time between would be refilled at both rates in turn, and two threads that take turns could mint.
#[derive(Debug, Default)]
pub(crate) struct ChangeClock {
    latest_ns: u64,
}

impl ChangeClock {
    /// How far behind a thread may be; a clock that is further behind was set back, and is believed.
    const SKEW_MAX_NS: u64 = 10_000_000_000;

    /// The time of a change asked for at `now_ns`.
    pub(crate) fn tick(&mut self, now_ns: u64) -> u64 {
        let behind_ns = self.latest_ns.saturating_sub(now_ns);
        if behind_ns == 0 || behind_ns > Self::SKEW_MAX_NS {
            self.latest_ns = now_ns;
        }
        self.latest_ns
    }
}

/// A bucket: its word and the place of its own numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell<'a> {
    pub(crate) word: &'a AtomicU64,
    pub(crate) own: Numbers<'a>,
}

/// A bucket seen at one instant: the word, and all it means.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    pub(crate) word: Word,
    pub(crate) law: Law,
    pub(crate) line: Line,
}

impl View {
    /// Units in the bucket.
    #[inline]
    pub(crate) fn level(&self) -> i64 {
        self.line.level(self.word.position())
    }

    /// The time until the bucket can hold `cost` units, or `None` where it never will.
    pub(crate) fn retry_after(&self, cost: i64) -> Option<Duration> {
        wait(self.law, self.level(), cost)
    }
}

impl Cell<'_> {
    /// Reads the bucket; the parts belong together.
    #[inline]
    pub(crate) fn view(self, spare: &Spare, defaults: &Defaults, now_ns: u64) -> View {
        loop {
            let word = Word(self.word.load(Ordering::Acquire));
            if !word.assigned() {
                let epoch = defaults.current();
                return View { word, law: epoch.law, line: epoch.line(now_ns) };
            }
            if let Some(view) = self.view_own(word, spare, now_ns) {
                return view;
            }
        }
    }

    /// Reads a bucket that never stands at defaults.
    #[inline]
    pub(crate) fn view_assigned(self, spare: &Spare, now_ns: u64) -> View {
        loop {
            if let Some(view) = self.view_own(Word(self.word.load(Ordering::Acquire)), spare, now_ns) {
                return view;
            }
        }
    }

    #[inline]
    fn view_own(self, word: Word, spare: &Spare, now_ns: u64) -> Option<View> {
        let law = if word.moving() { spare.numbers().load() } else { self.own.load() };
        if Word(self.word.load(Ordering::Relaxed)).tag() != word.tag() {
            return None;
        }
        Some(View { word, law, line: Line::own(law, now_ns) })
    }

    /// Commits `level` as the bucket's level, unless the word has changed since `view`.
    #[inline]
    pub(crate) fn commit(self, view: &View, level: i64) -> bool {
        self.exchange(view.word, view.word.at(view.line.position(level)))
    }

    #[inline(always)]
    pub(crate) fn exchange(self, old: Word, new: Word) -> bool {
        self.word.compare_exchange(old.0, new.0, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Gives the bucket parameters of its own: what it holds now, settled at the old ones, stays, up to
    /// the new capacity. The caller holds the lock that `spare` belongs to; `seen` views this bucket.
    pub(crate) fn assign(self, law: Law, spare: &Spare, now_ns: u64, seen: impl Fn() -> View) {
        let line = Line::own(law, now_ns);
        // While the bucket stands at the defaults nobody reads its own numbers, and no detour is needed.
        let moving = Word(self.word.load(Ordering::Acquire)).assigned();
        if moving { spare.numbers() } else { self.own }.store(law);
        self.change(seen, |view| {
            let level = view.level().min(law.capacity().cast_signed());
            view.word.succeeded_by(true, moving, line.position(level))
        });
        if moving {
            self.own.store(law);
            self.word.fetch_and(!MOVING, Ordering::AcqRel);
        }
    }

    /// Puts the bucket back to the defaults, with what it holds now up to what a bucket there can hold.
    /// The caller holds the lock that `spare` belongs to.
    pub(crate) fn unassign(self, spare: &Spare, defaults: &Defaults, now_ns: u64) {
        self.change(
            || self.view(spare, defaults, now_ns),
            |view| {
                let line = defaults.current().line(now_ns);
                let level = view.level().min(line.ceiling.cast_signed());
                view.word.succeeded_by(false, false, line.position(level))
            },
        );
    }

    /// Exchanges the word for what `next` makes of it, however many decisions come between.
    pub(crate) fn change(self, seen: impl Fn() -> View, next: impl Fn(&View) -> Word) {
        loop {
            let view = seen();
            if self.exchange(view.word, next(&view)) {
                return;
            }
        }
    }

    /// Gives back units that were taken and not used. Never lifts a bucket above its capacity, since a
    /// level is capped whenever it is read.
    #[cold]
    pub(crate) fn refund(self, units: u64) {
        let mut word = Word(self.word.load(Ordering::Relaxed));
        while let Some(position) = word.position() {
            let earlier = word.at(position.wrapping_sub(units) & POSITION_MASK);
            match self.word.compare_exchange(word.0, earlier.0, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return,
                Err(current) => word = Word(current),
            }
        }
    }
}
