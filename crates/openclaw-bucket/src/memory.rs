//! The table's memory: zeroed, reserved at once, and where it is large, in huge pages.
//!
//! A random key in a table of tens of megabytes misses not only the caches but the processor's
//! address-translation buffers too, and on a virtual machine that second miss costs more than the first.
//! Huge pages cover the whole table with a few dozen entries.

use crate::sync::AtomicU64;

/// What kind of pages the table's memory is asked for in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pages {
    /// Huge pages where the operating system has them (Linux, transparent huge pages in mode `madvise` or
    /// `always`): fastest, and all of a table's memory is resident soon after the first keys come.
    #[default]
    Huge,
    /// Ordinary pages, each resident when a key first falls into it: for a table with far more room than keys.
    Ordinary,
}

/// Zeroed words, in pages that the operating system provides when they are first touched.
///
/// # Panics
/// Where so much memory cannot be reserved.
#[cfg(not(loom))]
pub(crate) fn zeroed(words: usize, pages: Pages) -> Box<[AtomicU64]> {
    let words = bytemuck::allocation::zeroed_slice_box(words);
    if pages == Pages::Huge {
        advise_huge(&words);
    }
    words
}

#[cfg(loom)]
pub(crate) fn zeroed(words: usize, _pages: Pages) -> Box<[AtomicU64]> {
    (0..words).map(|_| AtomicU64::new(0)).collect()
}

/// Asks for huge pages under the whole huge pages inside `words`; a kernel that declines changes nothing.
#[cfg(all(target_os = "linux", not(loom)))]
fn advise_huge(words: &[AtomicU64]) {
    /// The size of a huge page on every architecture this matters for; elsewhere the advice is merely coarse.
    const HUGE_PAGE_BYTES: usize = 2 << 20;
    let bytes = size_of_val(words);
    let start = words.as_ptr().addr().next_multiple_of(HUGE_PAGE_BYTES) - words.as_ptr().addr();
    let whole = bytes.saturating_sub(start) / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES;
    if whole == 0 {
        return;
    }
    let first = words.as_ptr().cast::<u8>().wrapping_add(start).cast_mut().cast();
    #[expect(unsafe_code, reason = "the standard library has no such call")]
    // SAFETY: the range lies inside `words`, since `start + whole <= bytes`, and MADV_HUGEPAGE neither reads
    // nor writes it: it only chooses the size of the pages that are mapped there.
    let advised = unsafe { rustix::mm::madvise(first, whole, rustix::mm::Advice::LinuxHugepage) };
    // Refused where the kernel was built without huge pages: the table works as well, slower.
    let _ = advised;
}

#[cfg(all(not(target_os = "linux"), not(loom)))]
fn advise_huge(_words: &[AtomicU64]) {}
