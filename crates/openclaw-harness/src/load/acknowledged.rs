//! What the service has promised to keep.

use std::sync::Arc;

use parking_lot::Mutex;

/// A rating that was answered with 201, 200 or 207.
#[derive(Clone, Debug, PartialEq)]
pub struct Acknowledged {
    /// Who.
    pub user_id: Arc<str>,
    /// What.
    pub item_id: Arc<str>,
    /// How many points.
    pub score: f64,
    /// Milliseconds since the epoch, as sent.
    pub timestamp_ms: u64,
}

/// Gathers acknowledged ratings while a load runs: crash proofs compare it with the store.
///
/// A clone sees the same list, so it can be read while the load still runs. It grows without bound; keep
/// it for runs of bounded length.
#[derive(Clone, Debug, Default)]
pub struct AckLog(Arc<Mutex<Vec<Acknowledged>>>);

impl AckLog {
    /// Ratings acknowledged so far, in the order of their answers.
    #[must_use]
    pub fn snapshot(&self) -> Vec<Acknowledged> {
        self.0.lock().clone()
    }

    /// Number of ratings acknowledged so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.lock().len()
    }

    /// Whether nothing was acknowledged yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn push(&self, rating: Acknowledged) {
        self.0.lock().push(rating);
    }
}
