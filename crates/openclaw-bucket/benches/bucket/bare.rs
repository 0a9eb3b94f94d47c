//! The floor under any table of limits: hash the key, find its slot, read the clock, exchange one word.
//!
//! It has what ours has, as far as that is not what is measured: the memory is aligned to cache lines and advised
//! into huge pages, and the table is as full. Its slots are half as large, since it keeps no parameters.

use std::sync::atomic::{AtomicU64, Ordering};

use siphasher::sip::SipHasher13;

use crate::key::Key;
use crate::sides::Side;

/// Words in a cache line, and the four slots of two words that lie in it.
const LINE: usize = 8;
const SLOTS_PER_LINE: usize = 4;
/// A search never looks further than this many slots.
const WINDOW: usize = 256;

/// A table that only does one compare-and-swap per key.
pub(crate) struct Bare {
    words: Box<[AtomicU64]>,
    /// The first word that starts a cache line.
    base: usize,
    lines: u64,
    hash: SipHasher13,
    clock: quanta::Clock,
}

impl Bare {
    /// As full as our table, four slots a line instead of two.
    pub(crate) fn with_keys(keys: u32) -> Self {
        let lines = (u64::from(keys) * 160 / 100).div_ceil(SLOTS_PER_LINE as u64).max(1);
        let words = bytemuck::allocation::zeroed_slice_box((lines as usize + 1) * LINE + WINDOW * 2);
        advise_huge(&words);
        let base = (words.as_ptr().addr().wrapping_neg() / size_of::<u64>()) % LINE;
        let hash = SipHasher13::new_with_keys(1, 2);
        let bare = Self { words, base, lines, hash, clock: quanta::Clock::new() };
        for key in 0..keys {
            bare.decide(Key::new(key));
        }
        bare
    }
}

impl Side for Bare {
    #[inline]
    fn decide(&self, key: Key) -> bool {
        let hash = self.hash.hash(&key.bytes()).max(1);
        let home = ((u128::from(hash) * u128::from(self.lines)) >> 64) as usize * LINE + self.base;
        for [fingerprint, word] in self.words[home..home + WINDOW * 2].as_chunks().0 {
            let mut found = fingerprint.load(Ordering::Acquire);
            if found == 0 {
                found = match fingerprint.compare_exchange(0, hash, Ordering::AcqRel, Ordering::Acquire) {
                    Ok(_) => hash,
                    Err(other) => other,
                };
            }
            if found == hash {
                let now = self.clock.delta_as_nanos(0, self.clock.raw());
                let mut old = word.load(Ordering::Acquire);
                while let Err(current) =
                    word.compare_exchange_weak(old, now, Ordering::AcqRel, Ordering::Acquire)
                {
                    old = current;
                }
                return true;
            }
        }
        false
    }
}

/// Asks for huge pages under the whole huge pages inside `words`, as our table does.
#[cfg(target_os = "linux")]
fn advise_huge(words: &[AtomicU64]) {
    const HUGE_PAGE_BYTES: usize = 2 << 20;
    let start = words.as_ptr().addr().next_multiple_of(HUGE_PAGE_BYTES) - words.as_ptr().addr();
    let whole = size_of_val(words).saturating_sub(start) / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES;
    if whole == 0 {
        return;
    }
    let first = words.as_ptr().cast::<u8>().wrapping_add(start).cast_mut().cast();
    #[expect(unsafe_code, reason = "the standard library has no such call")]
    // SAFETY: the range lies inside `words`, since `start + whole` is at most its size, and MADV_HUGEPAGE neither
    // reads nor writes it: it only chooses the size of the pages that are mapped there.
    let advised = unsafe { rustix::mm::madvise(first, whole, rustix::mm::Advice::LinuxHugepage) };
    // Refused where the kernel was built without huge pages, and then for our table too.
    let _ = advised;
}

#[cfg(not(target_os = "linux"))]
fn advise_huge(_words: &[AtomicU64]) {}
