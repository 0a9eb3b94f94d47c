//! A pair of parameters in two atomics, read and written without tearing under the word's tag.

use crate::BucketParams;
use crate::sync::{AtomicU64, Ordering};

/// Where a bucket's parameters are stored.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Numbers<'a> {
    pub(crate) capacity: &'a AtomicU64,
    pub(crate) refill_rate: &'a AtomicU64,
}

impl Numbers<'_> {
    /// Reads both.
    ///
    /// # Orderings
    /// The two reads may belong to different writes; the caller finds out by reading the word's tag
    /// again. Acquire makes that sound: whoever sees a number of a later write also sees the tag that
    /// was changed before it.
    #[inline(always)]
    pub(crate) fn load(self) -> BucketParams {
        let capacity = f64::from_bits(self.capacity.load(Ordering::Acquire));
        let refill_rate = f64::from_bits(self.refill_rate.load(Ordering::Acquire));
        BucketParams::trusted(capacity, refill_rate)
    }

    /// Writes both, while no tag points here and the caller holds the change lock.
    ///
    /// # Orderings
    /// Release: the change of tag that retired this place is visible to whoever reads a new number.
    pub(crate) fn store(self, params: BucketParams) {
        self.capacity.store(params.capacity().to_bits(), Ordering::Release);
        self.refill_rate.store(params.refill_rate().to_bits(), Ordering::Release);
    }
}

/// The place that holds the parameters of the one bucket that is moving; one for each change lock.
#[derive(Debug, Default)]
pub(crate) struct Spare {
    capacity: AtomicU64,
    refill_rate: AtomicU64,
}

impl Spare {
    pub(crate) fn numbers(&self) -> Numbers<'_> {
        Numbers { capacity: &self.capacity, refill_rate: &self.refill_rate }
    }
}
