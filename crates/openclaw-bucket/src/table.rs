//! Where the buckets of a million keys lie: one flat array, four words a slot, two slots a cache line.
//!
//! ```text
//! slot = | fingerprint | word | speed | shape |      32 bytes
//! ```
//!
//! A decision on a random key costs what its cache misses cost, so the slot holds everything a
//! decision reads: one line, one miss. A key is known by a 64-bit keyed hash instead of its text;
//! `docs` on [`KeyedBuckets`](crate::KeyedBuckets) give the odds of two keys sharing one. Chained maps lost
//! (a miss for the control bytes, one for the entry, one for the text), and so did growing in steps:
//! the operating system hands out zeroed pages on first touch anyway, so the array is reserved once.
//!
//! # Protocol
//! Finding a known key takes no lock: probe line by line from the hash's home until the fingerprint,
//! or a slot never used. Everything that changes who owns a slot happens under the locks of the
//! regions it lies in, so two threads cannot insert one key twice. A slot changes hands in this order:
//! the word becomes `LEAVING` (a decision that read the old word can no longer commit), the fingerprint
//! a tombstone, the word a vacancy with a number of its own (a decision that read an older vacancy
//! cannot commit either). A decision checks the fingerprint *after* reading the word: acquiring a word
//! written by a later owner makes that owner's fingerprint visible.

use std::ops::Range;

use crate::cell::Cell;
use crate::cell::ChangeClock;
use crate::memory::{Pages, zeroed};
use crate::numbers::{Numbers, Spare};
use crate::sync::{AtomicU64, AtomicUsize, Mutex, MutexGuard, Ordering, lock};
use crate::word::Word;

/// A key's fingerprint: the keyed hash of its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint(u64);

/// A slot never used, at which a search ends.
const NEVER: u64 = 0;
/// A slot whose key was forgotten, over which a search goes on.
const TOMBSTONE: u64 = 1;

impl Fingerprint {
    #[inline(always)]
    pub(crate) fn from_hash(hash: u64) -> Self {
        // The two reserved values share their neighbours' luck: odds of 2^-63.
        Self(if hash <= TOMBSTONE { hash + 2 } else { hash })
    }

    /// The same bits, stirred: the hash of keys that count up counts up too, in long strides, and strides
    /// that nearly meet would crowd some lines.
    #[inline(always)]
    fn scattered(self) -> u64 {
        let product = u128::from(self.0) * u128::from(0x9e37_79b9_7f4a_7c15_u64);
        (product >> 64) as u64 ^ product as u64
    }
}

const WORDS_PER_SLOT: usize = 4;
const SLOTS_PER_LINE: usize = 2;
/// Words in a cache line.
const LINE: usize = WORDS_PER_SLOT * SLOTS_PER_LINE;
/// Slots per hundred keys. Five eighths full, a key costs 51 bytes and mostly lies in its home line.
const SLOTS_PER_100_KEYS: usize = 160;
/// A search never looks further than this many slots: several times the longest run of occupied slots that a
/// full table of a million keys has.
#[cfg(not(loom))]
const WINDOW: usize = 256;
#[cfg(loom)]
const WINDOW: usize = 2;
const REGIONS_MAX: usize = 64;

/// The slots, and the locks under which they change hands.
#[derive(Debug)]
pub(crate) struct Table {
    words: Box<[AtomicU64]>,
    /// The first word that starts a cache line.
    base: usize,
    lines: u64,
    slots: usize,
    /// Slots in a region, as a power of two.
    region_bits: u32,
    regions: Box<[Region]>,
    keys_max: usize,
    tally: Tally,
}

/// What changes with every key that comes or goes, apart from what every decision reads.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Tally {
    keys: AtomicUsize,
    vacancies: AtomicU64,
    hand: AtomicUsize,
}

/// A run of neighbouring slots that change hands, or parameters, one at a time.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Region {
    change: Mutex<ChangeClock>,
    spare: Spare,
}

/// A slot, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SlotIndex(usize);

/// A slot, in the table's memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot<'a>(&'a [AtomicU64; WORDS_PER_SLOT]);

impl<'a> Slot<'a> {
    /// The bucket in the slot.
    #[inline(always)]
    pub(crate) fn cell(self) -> Cell<'a> {
        let [_, word, numbers @ ..] = self.0;
        Cell { word, own: Numbers(numbers) }
    }

    /// Whether the slot is that key's; to be asked after its word was read.
    #[inline(always)]
    pub(crate) fn is_still(self, key: Fingerprint) -> bool {
        self.0[0].load(Ordering::Relaxed) == key.0
    }
}

/// The locks on everything a key's search can reach.
#[derive(Debug)]
pub(crate) struct Held<'a> {
    first: MutexGuard<'a, ChangeClock>,
    second: Option<MutexGuard<'a, ChangeClock>>,
}

impl Held<'_> {
    /// The time at which a change asked for at `now_ns` is made: not before the last one.
    pub(crate) fn change_at(&mut self, now_ns: u64) -> u64 {
        let at_ns = self.first.tick(now_ns);
        self.second.as_mut().map_or(at_ns, |second| second.tick(at_ns))
    }
}

/// There is no slot left for another key.
#[derive(Debug)]
pub(crate) struct Full;

impl Table {
    pub(crate) fn new(keys_max: usize, pages: Pages) -> Self {
        let lines = keys_max.saturating_mul(SLOTS_PER_100_KEYS).div_ceil(100 * SLOTS_PER_LINE).max(1);
        // A window beyond the last line, so that no search wraps around.
        let slots = lines * SLOTS_PER_LINE + WINDOW;
        let region_bits = slots.div_ceil(REGIONS_MAX).max(WINDOW).next_power_of_two().trailing_zeros();
        let words = zeroed(slots * WORDS_PER_SLOT + LINE, pages);
        // The allocator aligns to less than a line; start at the first line inside.
        let base = (words.as_ptr().addr().wrapping_neg() / size_of::<u64>()) % LINE;
        Self {
            words,
            base,
            lines: lines as u64,
            slots,
            region_bits,
            regions: (0..slots.div_ceil(1 << region_bits)).map(|_| Region::default()).collect(),
            keys_max,
            tally: Tally::default(),
        }
    }

    pub(crate) fn keys_max(&self) -> usize {
        self.keys_max
    }

    pub(crate) fn len(&self) -> usize {
        self.tally.keys.load(Ordering::Relaxed)
    }

    /// The slot of a key, if it has one. Takes no lock.
    pub(crate) fn find(&self, key: Fingerprint) -> Option<SlotIndex> {
        for slot in self.window(key) {
            // Acquire: what was made of the slot before the key got it is visible.
            match self.fingerprint(slot).load(Ordering::Acquire) {
                found if found == key.0 => return Some(SlotIndex(slot)),
                NEVER => return None,
                _ => {}
            }
        }
        None
    }

    /// The slot of a key if it lies in the key's home line, as four of five do; otherwise some other slot, which
    /// [`Slot::is_still`] tells.
    #[inline(always)]
    pub(crate) fn guess(&self, key: Fingerprint) -> Option<Slot<'_>> {
        let at = self.base + self.home(key) * WORDS_PER_SLOT;
        let line: &[AtomicU64; LINE] = self.words[at..].first_chunk()?;
        // Which of the two it is cannot be predicted, so it is computed and not branched upon.
        let is_first = line[0].load(Ordering::Acquire) == key.0;
        let offset = std::hint::select_unpredictable(is_first, 0, WORDS_PER_SLOT);
        line[offset..].first_chunk().map(Slot)
    }

    /// The slot of a key, wherever it lies.
    #[inline(never)]
    pub(crate) fn find_slot(&self, key: Fingerprint) -> Option<Slot<'_>> {
        self.find(key).map(|slot| Slot(self.slot(slot.0)))
    }

    /// Whether the slot still is that key's; to be asked after its word was read.
    #[inline]
    pub(crate) fn is_still(&self, slot: SlotIndex, key: Fingerprint) -> bool {
        self.fingerprint(slot.0).load(Ordering::Relaxed) == key.0
    }

    /// The bucket in a slot.
    #[inline]
    pub(crate) fn cell(&self, slot: SlotIndex) -> Cell<'_> {
        Slot(self.slot(slot.0)).cell()
    }

    /// The spare place for the parameters of the bucket in a slot.
    #[inline]
    pub(crate) fn spare(&self, slot: SlotIndex) -> &Spare {
        &self.regions[slot.0 >> self.region_bits].spare
    }

    /// Locks all that a search for `key` can reach.
    pub(crate) fn hold(&self, key: Fingerprint) -> Held<'_> {
        let window = self.window(key);
        let (first, last) = (window.start >> self.region_bits, (window.end - 1) >> self.region_bits);
        // A region is no shorter than a window, so there are at most two; always taken in ascending order.
        Held {
            first: lock(&self.regions[first].change),
            second: (last > first).then(|| lock(&self.regions[last].change)),
        }
    }

    /// The slot of a key, given one if it has none.
    pub(crate) fn enter(&self, key: Fingerprint, _held: &Held<'_>) -> Result<SlotIndex, Full> {
        let mut free = None;
        for slot in self.window(key) {
            match self.fingerprint(slot).load(Ordering::Acquire) {
                found if found == key.0 => return Ok(SlotIndex(slot)),
                TOMBSTONE => free = free.or(Some(slot)),
                NEVER => {
                    free = free.or(Some(slot));
                    break;
                }
                _ => {}
            }
        }
        let slot = free.ok_or(Full)?;
        if self.tally.keys.fetch_add(1, Ordering::Relaxed) >= self.keys_max {
            self.tally.keys.fetch_sub(1, Ordering::Relaxed);
            return Err(Full);
        }
        // Release: whoever finds the key here sees the vacancy its slot was left with.
        self.fingerprint(slot).store(key.0, Ordering::Release);
        Ok(SlotIndex(slot))
    }

    /// Moves the hand over the next `slots` slots and offers each occupied one to `may_leave`, which is
    /// to read the bucket and, if its key can be forgotten, exchange the word for [`Word::LEAVING`].
    /// Gives the number forgotten.
    pub(crate) fn sweep(&self, slots: usize, may_leave: impl Fn(Cell<'_>, &Spare) -> bool) -> usize {
        let slots = slots.min(self.slots);
        let from = self.tally.hand.fetch_add(slots, Ordering::Relaxed) % self.slots;
        let mut forgotten = 0;
        let mut swept = 0;
        while swept < slots {
            let first = (from + swept) % self.slots;
            let region = first >> self.region_bits;
            let end = ((region + 1) << self.region_bits).min(self.slots).min(first + slots - swept);
            forgotten += self.sweep_part(first..end, &may_leave);
            swept += end - first;
        }
        forgotten
    }

    /// Sweeps a run of slots that lies in one region.
    fn sweep_part(&self, part: Range<usize>, may_leave: &impl Fn(Cell<'_>, &Spare) -> bool) -> usize {
        let region = part.start >> self.region_bits;
        let _changing = lock(&self.regions[region].change);
        // The slot behind the run says whether tombstones at its end are still needed; it must not change meanwhile.
        let behind = part.end >> self.region_bits;
        let _behind =
            (behind != region && behind < self.regions.len()).then(|| lock(&self.regions[behind].change));
        let mut forgotten = 0;
        for slot in part.clone() {
            let occupied = self.fingerprint(slot).load(Ordering::Relaxed) > TOMBSTONE;
            if occupied && may_leave(self.cell(SlotIndex(slot)), &self.regions[region].spare) {
                self.vacate(slot);
                forgotten += 1;
            }
        }
        self.clear_tombstones(part);
        forgotten
    }

    /// Frees a slot whose word is `LEAVING`, under its region's lock.
    fn vacate(&self, slot: usize) {
        self.fingerprint(slot).store(TOMBSTONE, Ordering::Release);
        let vacancy = self.tally.vacancies.fetch_add(1, Ordering::Relaxed) + 1;
        self.cell(SlotIndex(slot)).word.store(Word::vacant(vacancy).0, Ordering::Release);
        self.tally.keys.fetch_sub(1, Ordering::Relaxed);
    }

    /// Turns tombstones that nothing lies behind into slots never used, so that searches stay short
    /// however many keys came and went. A search that passed such a slot would end at the one behind it.
    fn clear_tombstones(&self, part: Range<usize>) {
        let is_end =
            |slot: usize| slot >= self.slots || self.fingerprint(slot).load(Ordering::Relaxed) == NEVER;
        for slot in part.rev() {
            if is_end(slot + 1) && self.fingerprint(slot).load(Ordering::Relaxed) == TOMBSTONE {
                self.fingerprint(slot).store(NEVER, Ordering::Release);
            }
        }
    }

    fn window(&self, key: Fingerprint) -> Range<usize> {
        let start = self.home(key);
        start..start + WINDOW
    }

    /// The first slot of the line at which the search for a key begins.
    #[inline(always)]
    fn home(&self, key: Fingerprint) -> usize {
        let line = (u128::from(key.scattered()) * u128::from(self.lines)) >> 64;
        line as usize * SLOTS_PER_LINE
    }

    #[inline]
    fn fingerprint(&self, slot: usize) -> &AtomicU64 {
        &self.slot(slot)[0]
    }

    #[inline]
    fn slot(&self, slot: usize) -> &[AtomicU64; WORDS_PER_SLOT] {
        let at = self.base + slot * WORDS_PER_SLOT;
        self.words[at..].first_chunk().expect("slots were counted so that the last one is whole")
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
