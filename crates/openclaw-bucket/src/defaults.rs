//! The parameters shared by every key without its own, and how they change under all of them at once.
//!
//! Visiting a million keys to settle them would stop the world, and remembering for each key which
//! defaults it last saw would need the history of defaults. Neither is needed: all these keys stand on
//! one line. `refilled` runs on at the new rate from the moment of the change, so positions
//! stay valid; and the cap of every past epoch binds all keys alike, so one number carries it: the
//! level of an imaginary key that has been idle from the beginning. No key at the defaults ever holds
//! more than that idle key, and min(idle level, refilled - position) is exactly what settling each key at
//! every change would give.
//!
//! An unseen key *is* that idle key. So forgetting a full key and meeting it again changes nothing, and
//! raising the defaults mints no tokens for either.
//!
//! Two copies of the numbers and an epoch: readers never wait, and retry only when two changes
//! happened while they read.

use crate::BucketParams;
use crate::law::Law;
use crate::numbers::Spare;
use crate::sync::{AtomicU64, Mutex, Ordering, lock};
use crate::units::{Line, POSITION_MASK};

/// The defaults at some epoch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Epoch {
    pub(crate) law: Law,
    /// Added to the law's own count, so that `refilled` ran on without a jump.
    offset: u64,
    /// When this epoch began.
    since_ns: u64,
    /// What the idle key held then.
    idle_level: u64,
    /// From when on the idle key is full.
    idle_full_ns: u64,
}

impl Epoch {
    /// The line of all keys at the defaults.
    #[inline(always)]
    pub(crate) fn line(&self, now_ns: u64) -> Line {
        let line = Line::own(self.law, now_ns).moved_by(self.offset);
        if now_ns >= self.idle_full_ns { line } else { Line { ceiling: self.idle_ceiling(now_ns), ..line } }
    }

    #[cold]
    fn idle_ceiling(&self, now_ns: u64) -> u64 {
        let gained = self.law.refilled(now_ns).saturating_sub(self.law.refilled(self.since_ns));
        let level = u128::from(self.idle_level) + gained;
        level.min(u128::from(self.law.capacity())) as u64
    }

    fn first(params: BucketParams) -> Self {
        let law = Law::of(params);
        Self { law, offset: 0, since_ns: 0, idle_level: law.capacity(), idle_full_ns: 0 }
    }

    fn succeeded_by(&self, params: BucketParams, now_ns: u64) -> Self {
        // A clock that went back must not grant the time since the last change twice.
        let now_ns = now_ns.max(self.since_ns);
        let line = self.line(now_ns);
        let law = Law::of(params);
        let offset = line.refilled.wrapping_sub(law.refilled(now_ns) as u64) & POSITION_MASK;
        let idle_level = line.ceiling.min(law.capacity());
        let missing = law.capacity() - idle_level;
        let idle_full_ns = match missing {
            0 => now_ns,
            _ if law.refills() => now_ns.saturating_add(law.nanoseconds(missing)),
            _ => u64::MAX,
        };
        Self { law, offset, since_ns: now_ns, idle_level, idle_full_ns }
    }
}

#[derive(Debug, Default)]
struct Numbered {
    law: Spare,
    offset: AtomicU64,
    since_ns: AtomicU64,
    idle_level: AtomicU64,
    idle_full_ns: AtomicU64,
}

/// The live defaults.
// Aligned so that no neighbour's writes slow every decision's reads.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Defaults {
    epoch: AtomicU64,
    copies: [Numbered; 2],
    change: Mutex<()>,
}

impl Numbered {
    // Orderings: as `Numbers::load` and `Numbers::store`, with the epoch in the place of the tag.
    #[inline(always)]
    fn load(&self) -> Epoch {
        Epoch {
            law: self.law.numbers().load(),
            offset: self.offset.load(Ordering::Acquire),
            since_ns: self.since_ns.load(Ordering::Acquire),
            idle_level: self.idle_level.load(Ordering::Acquire),
            idle_full_ns: self.idle_full_ns.load(Ordering::Acquire),
        }
    }

    fn store(&self, epoch: &Epoch) {
        self.law.numbers().store(epoch.law);
        self.offset.store(epoch.offset, Ordering::Release);
        self.since_ns.store(epoch.since_ns, Ordering::Release);
        self.idle_level.store(epoch.idle_level, Ordering::Release);
        self.idle_full_ns.store(epoch.idle_full_ns, Ordering::Release);
    }
}

impl Defaults {
    pub(crate) fn new(params: BucketParams) -> Self {
        let copies = [Numbered::default(), Numbered::default()];
        copies[0].store(&Epoch::first(params));
        Self { epoch: AtomicU64::new(0), copies, change: Mutex::new(()) }
    }

    /// The defaults now in force.
    #[inline(always)]
    pub(crate) fn current(&self) -> Epoch {
        loop {
            let number = self.epoch.load(Ordering::Acquire);
            let epoch = self.copies[(number & 1) as usize].load();
            // Unchanged, so this copy was not the one being written: that one belongs to the next epoch.
            if self.epoch.load(Ordering::Relaxed) == number {
                return epoch;
            }
        }
    }

    /// The law and the line of all keys at the defaults, unless they are being changed or the idle key is not full yet:
    /// the part of [`current`](Self::current) that nearly every decision needs.
    #[inline(always)]
    pub(crate) fn line_at_once(&self, now_ns: u64) -> Option<(Law, Line)> {
        let number = self.epoch.load(Ordering::Acquire);
        let copy = &self.copies[(number & 1) as usize];
        let law = copy.law.numbers().load();
        let offset = copy.offset.load(Ordering::Acquire);
        let idle_full_ns = copy.idle_full_ns.load(Ordering::Acquire);
        let usual = self.epoch.load(Ordering::Relaxed) == number && now_ns >= idle_full_ns;
        usual.then(|| (law, Line::own(law, now_ns).moved_by(offset)))
    }

    /// Puts other defaults in force for every key at the defaults, seen or unseen, at once.
    pub(crate) fn change(&self, params: BucketParams, now_ns: u64) {
        let _changing = lock(&self.change);
        let next = self.current().succeeded_by(params, now_ns);
        let number = self.epoch.load(Ordering::Relaxed) + 1;
        self.copies[(number & 1) as usize].store(&next);
        self.epoch.store(number, Ordering::Release);
    }
}
