//! One token bucket on its own: the keyed table's protocol, for limits that have no key.

use std::time::Duration;

use crate::cell::{Cell, ChangeClock, View};
use crate::decision::Bearings;
use crate::law::Law;
use crate::numbers::Spare;
use crate::sync::{AtomicU64, Mutex, lock};
use crate::units::{cost_units, tokens};
use crate::upkeep::{Age, Span};
use crate::word::Word;
use crate::{BucketParams, Decision, RefusedBy, Snapshot, Standing};

/// A token bucket whose parameters may change at any moment, shared by threads without a lock.
///
/// ```
/// use openclaw_bucket::{Bucket, BucketParams};
///
/// let bucket = Bucket::new(BucketParams::new(2.0, 1.0)?);
/// assert!(bucket.try_acquire(2.0, 0).is_allowed());
/// assert!(!bucket.try_acquire(1.0, 0).is_allowed());
///
/// // Half a token by half a second at the old refill rate, one more by 100 ms at the new one.
/// bucket.set_params(BucketParams::new(5.0, 10.0)?, 500_000_000);
/// assert_eq!(bucket.peek(600_000_000).level, 1.5);
/// # Ok::<(), openclaw_bucket::InvalidParams>(())
/// ```
// Aligned so that two buckets side by side do not slow each other.
#[derive(Debug)]
#[repr(align(128))]
pub struct Bucket {
    word: AtomicU64,
    own: Spare,
    spare: Spare,
    span: Span,
    change: Mutex<ChangeClock>,
}

/// What taking units from a bucket came to.
pub(crate) enum Taken {
    /// They were taken.
    Yes,
    /// They were not there, and will not be before this much time (`None`: ever).
    No(Option<Duration>),
}

impl Bucket {
    /// A full bucket.
    #[must_use]
    pub fn new(params: BucketParams) -> Self {
        let own = Spare::default();
        own.numbers().store(Law::of(params));
        let word = AtomicU64::new(Word::FRESH_ASSIGNED.0);
        Self { word, own, spare: Spare::default(), span: Span::default(), change: Mutex::default() }
    }

    /// Takes `cost` tokens at `now_ns` (nanoseconds since any fixed origin), or says why not.
    ///
    /// A cost of zero is always allowed; a negative one, or NaN, never.
    #[inline]
    pub fn try_acquire(&self, cost: f64, now_ns: u64) -> Decision {
        let cost = cost_units(cost);
        self.keep_up(now_ns);
        loop {
            let view = self.view(now_ns);
            let level = view.level();
            let bearings = Bearings { law: view.law, standing: Standing::Assigned };
            if cost == 0 {
                return bearings.allowed(level);
            }
            if cost > level {
                return bearings.limited(level, cost, RefusedBy::Own);
            }
            if self.cell().commit(&view, level - cost) {
                return bearings.allowed(level - cost);
            }
        }
    }

    /// Changes the parameters. What the bucket holds at `now_ns`, settled at the old ones, is kept up to
    /// the new capacity; nothing is minted, and the next decision is made with the new ones.
    pub fn set_params(&self, params: BucketParams, now_ns: u64) {
        self.keep_up(now_ns);
        let mut changing = lock(&self.change);
        let now_ns = changing.tick(now_ns);
        self.cell().assign(Law::of(params), &self.spare, now_ns, || self.view(now_ns));
        self.span.begin(params.refill_rate(), now_ns);
    }

    /// The bucket as it stands; changes nothing.
    #[must_use]
    pub fn peek(&self, now_ns: u64) -> Snapshot {
        self.keep_up(now_ns);
        let view = self.view(now_ns);
        Snapshot { level: tokens(view.level()), params: view.law.params(), standing: Standing::Assigned }
    }

    /// Sets other parameters and fills the bucket, as if it were new.
    pub(crate) fn renew(&self, params: BucketParams, now_ns: u64) {
        self.set_params(params, now_ns);
        let _changing = lock(&self.change);
        self.fill(now_ns);
    }

    fn fill(&self, now_ns: u64) {
        self.cell().change(
            || self.view(now_ns),
            |view| view.word.at(view.line.position(view.line.ceiling.cast_signed())),
        );
    }

    /// Sees to it that the position can be read at `now_ns`.
    #[inline]
    fn keep_up(&self, now_ns: u64) {
        if !self.span.is_fresh(now_ns) {
            self.begin_span(now_ns);
        }
    }

    #[cold]
    fn begin_span(&self, now_ns: u64) {
        let _changing = lock(&self.change);
        match self.span.age(now_ns) {
            Age::Fresh => return,
            Age::Middle => {}
            Age::Over => self.fill(now_ns),
        }
        self.span.begin(self.view(now_ns).law.params().refill_rate(), now_ns);
    }

    /// Takes units without making a full answer of it.
    pub(crate) fn take(&self, cost: i64, now_ns: u64) -> Taken {
        self.keep_up(now_ns);
        loop {
            let view = self.view(now_ns);
            let level = view.level();
            if cost > level {
                return Taken::No(view.retry_after(cost));
            }
            if self.cell().commit(&view, level - cost) {
                return Taken::Yes;
            }
        }
    }

    /// Whether `cost` units are not there, and the time until they are.
    #[expect(clippy::option_option, reason = "lacking and never coming are different answers")]
    pub(crate) fn lacks(&self, cost: i64, now_ns: u64) -> Option<Option<Duration>> {
        self.keep_up(now_ns);
        let view = self.view(now_ns);
        (cost > view.level()).then(|| view.retry_after(cost))
    }

    pub(crate) fn refund(&self, units: i64) {
        self.cell().refund(units.unsigned_abs());
    }

    #[inline]
    fn view(&self, now_ns: u64) -> View {
        self.cell().view_assigned(&self.spare, now_ns)
    }

    #[inline]
    fn cell(&self) -> Cell<'_> {
        Cell { word: &self.word, own: self.own.numbers() }
    }
}
