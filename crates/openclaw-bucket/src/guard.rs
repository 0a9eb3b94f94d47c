//! A cap on requests in flight that refuses the greedy first.
//!
//! A bare cap is first come, first served: whoever sends most holds most of it, and well-behaved
//! users are refused for it. Here a full guard still lets in those who hold less than an equal share of
//! what is in flight, into a reserve of a fifth above the cap.
//!
//! # How shares are known
//! Counting by key exactly would need a map that grows with the keys and a lock around it. A sketch of
//! fixed size does: two rows of counters, each key hashed to one in each row. The smaller of a key's two
//! counters is at least what the key has in flight, and more only where both are shared with others. The seed
//! is secret, so nobody can aim at another's counters.
//!
//! # Orderings
//! The number in flight is one atomic that moves by one in a compare-exchange or a subtraction, so it is exact
//! and never above the ceiling that held when a request entered. No memory is handed over under it: relaxed
//! is enough everywhere. The sketch follows a moment later; two requests of one key that enter at the
//! same instant may both count as the last below its share.

use std::sync::Arc;

use thiserror::Error;

use crate::HashSeed;
use crate::hash::KeyHash;
use crate::sync::{AtomicI64, AtomicU32, Ordering};

/// Counters in each row of the sketch: 32 KiB in all.
#[cfg(not(loom))]
const ROW: usize = 4096;
#[cfg(loom)]
const ROW: usize = 2;

/// Counts requests in flight against a cap that may change at any moment.
///
/// Below the cap everybody enters. At the cap only those enter who have less in flight than an equal
/// share of the total, up to [`ceiling`](Self::ceiling). The count is exact: a request leaves when its
/// [`InFlight`] is dropped, by whatever path.
///
/// ```
/// use std::sync::Arc;
/// use openclaw_bucket::{HashSeed, InFlightGuard};
///
/// let guard = Arc::new(InFlightGuard::with_seed(2, HashSeed::random()));
/// let first = guard.try_enter("greedy")?;
/// let second = guard.try_enter("greedy")?;
/// assert!(guard.try_enter("greedy").is_err());
/// let modest = guard.try_enter("modest")?;
/// assert_eq!(guard.in_flight(), 3);
/// drop((first, second, modest));
/// assert_eq!(guard.in_flight(), 0);
/// # Ok::<(), openclaw_bucket::GuardFull>(())
/// ```
#[derive(Debug)]
pub struct InFlightGuard {
    cap: AtomicU32,
    in_flight: AtomicU32,
    sketch: Sketch,
}

/// The guard refused a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{in_flight} requests are in flight, the cap is {cap}")]
pub struct GuardFull {
    /// Requests in flight at that moment.
    pub in_flight: u32,
    /// The cap that held for this request at that moment.
    pub cap: u32,
}

/// A request in flight; leaves on drop.
#[derive(Debug)]
#[must_use = "dropping it at once ends the request"]
pub struct InFlight {
    guard: Arc<InFlightGuard>,
    counters: [usize; 2],
}

impl InFlightGuard {
    /// An empty guard whose hash has no secret: for keys that no stranger chooses, and for simulations.
    #[must_use]
    pub fn new(cap: u32) -> Self {
        Self::with_seed(cap, HashSeed::new([0, 0]))
    }

    /// An empty guard whose hash is keyed by `seed`, so that nobody can choose a key to share another's counters.
    #[must_use]
    pub fn with_seed(cap: u32, seed: HashSeed) -> Self {
        Self { cap: AtomicU32::new(cap), in_flight: AtomicU32::new(0), sketch: Sketch::new(seed) }
    }

    /// Changes the cap; requests already in flight stay.
    pub fn set_cap(&self, cap: u32) {
        self.cap.store(cap, Ordering::Relaxed);
    }

    /// The number in flight from which on only users below their share enter.
    #[must_use]
    pub fn cap(&self) -> u32 {
        self.cap.load(Ordering::Relaxed)
    }

    /// The number in flight at which nobody enters: 1.2 times the cap, and at least one more than it, so
    /// that a user who has nothing in flight is not locked out by the smallest caps.
    #[must_use]
    pub fn ceiling(&self) -> u32 {
        ceiling(self.cap())
    }

    /// Requests in flight.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Lets a request in, or says why not.
    ///
    /// # Errors
    /// [`GuardFull`] where the cap is reached and the key has its share in flight, or the ceiling is reached.
    pub fn try_enter(self: &Arc<Self>, key: &str) -> Result<InFlight, GuardFull> {
        self.try_enter_capped(key, u32::MAX)
    }

    /// The same for a request that can wait less than others: to it the guard is full at the smaller of its own
    /// cap and `cap`, and the reserve for users below their share lies above that.
    ///
    /// All requests in flight count as one number, whatever cap each of them came under: a class with a lower cap is
    /// the first to be refused as the guard fills.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use openclaw_bucket::{GuardFull, HashSeed, InFlightGuard};
    ///
    /// let guard = Arc::new(InFlightGuard::with_seed(10, HashSeed::random()));
    /// let patient: Vec<_> = (0..4).map(|_| guard.try_enter("a")).collect::<Result<_, _>>()?;
    /// assert_eq!(guard.try_enter_capped("a", 4).unwrap_err(), GuardFull { in_flight: 4, cap: 4 });
    /// assert!(guard.try_enter("a").is_ok());
    /// # drop(patient);
    /// # Ok::<(), GuardFull>(())
    /// ```
    ///
    /// # Errors
    /// As [`try_enter`](Self::try_enter), with the smaller cap and its ceiling.
    pub fn try_enter_capped(self: &Arc<Self>, key: &str, cap: u32) -> Result<InFlight, GuardFull> {
        let counters = self.sketch.counters(key.as_bytes());
        let mut in_flight = self.in_flight();
        loop {
            let cap = cap.min(self.cap());
            if in_flight >= cap && (in_flight >= ceiling(cap) || self.sketch.has_share(counters, in_flight)) {
                return Err(GuardFull { in_flight, cap });
            }
            let entered = self.in_flight.compare_exchange_weak(
                in_flight,
                in_flight + 1,
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
            match entered {
                Ok(_) => break,
                Err(current) => in_flight = current,
            }
        }
        self.sketch.add(counters);
        Ok(InFlight { guard: Arc::clone(self), counters })
    }

    /// Lets a request in whatever the cap: where refusals are only foretold, what goes on all the same must be counted.
    pub fn enter(self: &Arc<Self>, key: &str) -> InFlight {
        let counters = self.sketch.counters(key.as_bytes());
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.sketch.add(counters);
        InFlight { guard: Arc::clone(self), counters }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.guard.sketch.remove(self.counters);
        self.guard.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

fn ceiling(cap: u32) -> u32 {
    cap.saturating_add((cap / 5).max(1))
}

/// What each key has in flight, in fixed space and never too low.
#[derive(Debug)]
struct Sketch {
    hash: KeyHash,
    counters: Box<[AtomicU32]>,
    /// Keys with something in flight, as the first row tells them apart. Signed, because a counter's first
    /// entry and last exit may be tallied in the other order.
    keys: AtomicI64,
}

impl Sketch {
    fn new(seed: HashSeed) -> Self {
        Self {
            hash: KeyHash::new(seed),
            counters: (0..2 * ROW).map(|_| AtomicU32::new(0)).collect(),
            keys: AtomicI64::new(0),
        }
    }

    /// A key's counters: one in each row, from the two halves of its hash.
    fn counters(&self, key: &[u8]) -> [usize; 2] {
        let hash = self.hash.of(key);
        [hash as usize % ROW, ROW + (hash >> 32) as usize % ROW]
    }

    /// Whether a key has no less in flight than an equal share of `in_flight`.
    fn has_share(&self, counters: [usize; 2], in_flight: u32) -> bool {
        let own = counters.map(|counter| self.counters[counter].load(Ordering::Relaxed)).into_iter().min();
        let keys = self.keys.load(Ordering::Relaxed).max(1).unsigned_abs();
        u64::from(own.unwrap_or(0)).saturating_mul(keys) >= u64::from(in_flight.max(1))
    }

    fn add(&self, counters: [usize; 2]) {
        if self.counters[counters[0]].fetch_add(1, Ordering::Relaxed) == 0 {
            self.keys.fetch_add(1, Ordering::Relaxed);
        }
        self.counters[counters[1]].fetch_add(1, Ordering::Relaxed);
    }

    fn remove(&self, counters: [usize; 2]) {
        if self.counters[counters[0]].fetch_sub(1, Ordering::Relaxed) == 1 {
            self.keys.fetch_sub(1, Ordering::Relaxed);
        }
        self.counters[counters[1]].fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
