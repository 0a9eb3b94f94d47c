//! Keeps every position within the window in which it can be read.
//!
//! Positions are kept modulo 2^36 tokens (`units.rs`), so one that nobody touches while that much is
//! refilled reads wrong. At 1,000 tokens per second that takes two years, at a million nineteen hours: rare, but
//! a service must not depend on somebody remembering to sweep. So each table knows a time by
//! which every position must have been looked at, and the first call after it does so before anything
//! else. Whoever sweeps the table on a timer never meets it.

use crate::sync::{AtomicU64, Mutex, Ordering, lock};

/// What may be refilled between two looks at a position, in tokens: half the window.
const SPAN_TOKENS: f64 = 34_359_738_368.0;

/// The nanoseconds in which `tokens` are refilled at most.
fn nanoseconds(tokens: f64, refill_rate: f64) -> u64 {
    // A refill rate of zero gives infinity, and a conversion saturates: never.
    (tokens.max(0.0) / refill_rate * 1e9) as u64
}

/// The time by which a table's positions must be looked at again.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Upkeep {
    due_ns: AtomicU64,
    rate_max: AtomicU64,
    spent: Mutex<Spent>,
}

#[derive(Debug)]
struct Spent {
    /// Tokens refilled at most since the last look, up to `until_ns`.
    tokens: f64,
    until_ns: u64,
}

impl Upkeep {
    /// Due at once: the first call tells the time.
    pub(crate) fn new(refill_rate: f64) -> Self {
        Self {
            due_ns: AtomicU64::new(0),
            rate_max: AtomicU64::new(refill_rate.to_bits()),
            spent: Mutex::new(Spent { tokens: 0.0, until_ns: 0 }),
        }
    }

    /// Whether positions can still be relied upon at `now_ns`.
    #[inline(always)]
    pub(crate) fn is_due(&self, now_ns: u64) -> bool {
        now_ns >= self.due_ns.load(Ordering::Acquire)
    }

    /// Runs `look` over all positions if that is still due; others that find it due wait for it.
    ///
    /// `look` is told since when nobody can have changed a position: whoever calls later than that looks first.
    #[cold]
    pub(crate) fn run(&self, now_ns: u64, look: impl FnOnce(u64)) {
        let mut spent = lock(&self.spent);
        if self.is_due(now_ns) {
            match self.due_ns.load(Ordering::Relaxed) {
                // The first call of all: there are no positions yet.
                0 => look(now_ns),
                due_ns => look(due_ns),
            }
            *spent = Spent { tokens: 0.0, until_ns: now_ns };
            self.renew(&spent);
        }
    }

    /// Takes note that somebody else has looked at all positions.
    pub(crate) fn looked(&self, now_ns: u64) {
        let mut spent = lock(&self.spent);
        if now_ns >= spent.until_ns {
            *spent = Spent { tokens: 0.0, until_ns: now_ns };
            self.renew(&spent);
        }
    }

    /// Takes note of a refill rate that is about to come into use.
    pub(crate) fn allow(&self, refill_rate: f64, now_ns: u64) {
        if refill_rate <= self.rate_max() {
            return;
        }
        let mut spent = lock(&self.spent);
        let rate_max = self.rate_max();
        if refill_rate > rate_max {
            spent.tokens += now_ns.saturating_sub(spent.until_ns) as f64 * 1e-9 * rate_max;
            spent.until_ns = spent.until_ns.max(now_ns);
            self.rate_max.store(refill_rate.to_bits(), Ordering::Relaxed);
            // Before the first look nothing is known of the time, and the look stays due.
            if self.due_ns.load(Ordering::Relaxed) != 0 {
                self.renew(&spent);
            }
        }
    }

    fn renew(&self, spent: &Spent) {
        let left = nanoseconds(SPAN_TOKENS - spent.tokens, self.rate_max());
        // Release: whoever sees the new time sees the positions as they were left by the look.
        self.due_ns.store(spent.until_ns.saturating_add(left).max(1), Ordering::Release);
    }

    fn rate_max(&self) -> f64 {
        f64::from_bits(self.rate_max.load(Ordering::Relaxed))
    }
}

/// The same for a single bucket, which has room to remember when it was last asked.
///
/// A call in the second half of the span begins a new one. A call after the span therefore finds a bucket that
/// nobody has asked for half a span, which is more than any capacity: it is full.
#[derive(Debug, Default)]
pub(crate) struct Span {
    half_ns: AtomicU64,
    /// The end of the first half.
    renew_ns: AtomicU64,
}

/// What a call has to do about the span.
pub(crate) enum Age {
    /// Nothing.
    Fresh,
    /// Begin a new span.
    Middle,
    /// Fill the bucket and begin a new span.
    Over,
}

impl Span {
    #[inline]
    pub(crate) fn is_fresh(&self, now_ns: u64) -> bool {
        now_ns < self.renew_ns.load(Ordering::Acquire)
    }

    /// How far the span has come; to be asked under the bucket's change lock.
    pub(crate) fn age(&self, now_ns: u64) -> Age {
        let renew_ns = self.renew_ns.load(Ordering::Relaxed);
        if now_ns < renew_ns {
            Age::Fresh
        } else if renew_ns > 0 && now_ns >= renew_ns.saturating_add(self.half_ns.load(Ordering::Relaxed)) {
            Age::Over
        } else {
            Age::Middle
        }
    }

    /// Begins a new span, under the bucket's change lock.
    pub(crate) fn begin(&self, refill_rate: f64, now_ns: u64) {
        let half_ns = nanoseconds(SPAN_TOKENS / 2.0, refill_rate);
        self.half_ns.store(half_ns, Ordering::Relaxed);
        self.renew_ns.store(now_ns.saturating_add(half_ns).max(1), Ordering::Release);
    }
}
