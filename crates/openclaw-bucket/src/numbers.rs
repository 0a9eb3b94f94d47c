//! A bucket's two numbers in two atomics, read and written without tearing under the word's tag.

use crate::law::Law;
use crate::sync::{AtomicU64, Ordering};

/// Where a bucket's parameters are stored.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Numbers<'a>(pub(crate) &'a [AtomicU64; 2]);

impl Numbers<'_> {
    /// Reads both.
    ///
    /// # Orderings
    /// The two reads may belong to different writes; the caller finds out by reading the word's tag
    /// again. Acquire makes that sound: whoever sees a number of a later write also sees the tag that
    /// was changed before it.
    #[inline(always)]
    pub(crate) fn load(self) -> Law {
        let [speed, shape] = self.0;
        Law { speed: speed.load(Ordering::Acquire), shape: shape.load(Ordering::Acquire) }
    }

    /// Writes both, while no tag points here and the caller holds the change lock.
    ///
    /// # Orderings
    /// Release: the change of tag that retired this place is visible to whoever reads a new number.
    pub(crate) fn store(self, law: Law) {
        let [speed, shape] = self.0;
        speed.store(law.speed, Ordering::Release);
        shape.store(law.shape, Ordering::Release);
    }
}

/// The place that holds the parameters of the one bucket that is moving; one for each change lock.
#[derive(Debug, Default)]
pub(crate) struct Spare([AtomicU64; 2]);

impl Spare {
    pub(crate) fn numbers(&self) -> Numbers<'_> {
        Numbers(&self.0)
    }
}
