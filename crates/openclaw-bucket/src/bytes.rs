//! The keyed calls for keys that are not text: addresses, digests, numbers.

use crate::{BucketParams, Decision, KeyedBuckets, Snapshot, TableFull};

/// The same as the calls for text keys; a text and its UTF-8 bytes are one key.
impl KeyedBuckets {
    /// [`try_acquire`](Self::try_acquire) for a key of bytes.
    #[inline]
    pub fn try_acquire_bytes(&self, key: &[u8], cost: f64, now_ns: u64) -> Decision {
        self.acquire(self.fingerprint(key), cost, now_ns)
    }

    /// [`set_params`](Self::set_params) for a key of bytes.
    ///
    /// # Errors
    /// [`TableFull`], as there.
    pub fn set_params_bytes(&self, key: &[u8], params: BucketParams, now_ns: u64) -> Result<(), TableFull> {
        self.assign(self.fingerprint(key), params, now_ns)
    }

    /// [`clear_params`](Self::clear_params) for a key of bytes.
    pub fn clear_params_bytes(&self, key: &[u8], now_ns: u64) {
        self.unassign(self.fingerprint(key), now_ns);
    }

    /// [`peek`](Self::peek) for a key of bytes.
    #[must_use]
    pub fn peek_bytes(&self, key: &[u8], now_ns: u64) -> Option<Snapshot> {
        self.snapshot(self.fingerprint(key), now_ns)
    }
}
