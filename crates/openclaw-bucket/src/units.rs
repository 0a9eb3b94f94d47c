//! The integer arithmetic under every bucket: positions on a line, not levels in a box.
//!
//! A bucket that only ever refilled would have gained `refilled(now)` units since time zero: a
//! whole number that depends on the refill rate and the clock alone. What one key has is that
//! number minus its *position*, one integer that grows when tokens are taken:
//!
//! ```text
//! level    = min(capacity, refilled(now) - position)
//! position' = refilled(now) - (level - cost)            after taking `cost`
//! ```
//!
//! So refilling writes nothing, a decision changes a single integer, and nothing is lost or gained
//! to rounding however often a bucket is asked: between two instants a key is granted exactly
//! `refilled(later) - refilled(earlier)` units at most. This is the generic cell rate algorithm
//! counted in tokens. Counting in time (as `governor` does) lost: there a changed rate rescales every
//! stored position, a refill rate of zero cannot be written down, and a slow one overflows.
//!
//! A unit is 2^-20 token, so whole tokens are exact. Positions are kept modulo 2^56, which leaves
//! eight bits of an atomic word for the change protocol (`word.rs`). The window this gives, 2^36
//! tokens, is split 7 : 1 into "ahead" and "behind": see [`Line::level`].

use std::time::Duration;

use crate::law::Law;

/// Bits of a position.
pub(crate) const POSITION_BITS: u32 = 56;
/// A position as stored: modulo 2^56.
pub(crate) const POSITION_MASK: u64 = (1 << POSITION_BITS) - 1;
/// Units in one token.
pub(crate) const UNITS_PER_TOKEN: f64 = 1_048_576.0;

/// Distances from here on are read as negative: the clock went back.
const BEHIND_FROM: u64 = 7 << (POSITION_BITS - 3);

/// The line a bucket stands on, at one instant: what was refilled, and the most it can hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    /// Units refilled by now, modulo 2^56.
    pub(crate) refilled: u64,
    /// The most units the bucket can hold now.
    pub(crate) ceiling: u64,
}

impl Line {
    /// The line of a bucket with its own parameters.
    #[inline(always)]
    pub(crate) fn own(law: Law, now_ns: u64) -> Self {
        Self { refilled: law.refilled(now_ns) as u64 & POSITION_MASK, ceiling: law.capacity() }
    }

    /// The same line with `offset` more units refilled.
    #[inline(always)]
    pub(crate) fn moved_by(self, offset: u64) -> Self {
        Self { refilled: self.refilled.wrapping_add(offset) & POSITION_MASK, ..self }
    }

    /// Units in a bucket at `position`; one without a position yet is full.
    ///
    /// Negative where the clock stands before the position: the bucket gives nothing until the clock
    /// has caught up. A distance beyond an eighth of the window (2^33 tokens' time, 99 days at 1,000
    /// tokens per second) cannot be told from a long idle time and reads as full.
    #[inline(always)]
    pub(crate) fn level(self, position: Option<u64>) -> i64 {
        let Some(position) = position else { return self.ceiling.cast_signed() };
        let distance = self.refilled.wrapping_sub(position) & POSITION_MASK;
        if distance >= BEHIND_FROM {
            return distance.cast_signed() - (1 << POSITION_BITS);
        }
        distance.min(self.ceiling).cast_signed()
    }

    /// The position at which a bucket holds `level` units.
    #[inline(always)]
    pub(crate) fn position(self, level: i64) -> u64 {
        self.refilled.wrapping_sub(level.cast_unsigned()) & POSITION_MASK
    }
}

/// A cost that no bucket can pay.
const UNPAYABLE: i64 = i64::MAX;

/// `cost` in units, rounded up; what is negative or not a number cannot be paid, so that it can
/// neither mint tokens nor pass unnoticed.
#[inline(always)]
pub(crate) fn cost_units(cost: f64) -> i64 {
    if cost.is_nan() || cost < 0.0 {
        return UNPAYABLE;
    }
    let scaled = cost * UNITS_PER_TOKEN;
    // Saturates: no capacity comes near i64::MAX units.
    let whole = scaled as i64;
    whole.saturating_add(i64::from((whole as f64) < scaled))
}

/// Units as tokens; a level below zero is shown as empty.
#[inline]
pub(crate) fn tokens(level: i64) -> f64 {
    level.max(0) as f64 / UNITS_PER_TOKEN
}

/// The time until a bucket at `level` holds `cost`, or `None` where it never will.
pub(crate) fn wait(law: Law, level: i64, cost: i64) -> Option<Duration> {
    if cost > law.capacity().cast_signed() || !law.refills() {
        return None;
    }
    let missing = cost.saturating_sub(level).max(0).unsigned_abs();
    Some(Duration::from_nanos(law.nanoseconds(missing)))
}

/// The time until a bucket at `level` is full; [`Duration::MAX`] where it never is.
#[inline]
pub(crate) fn until_full(law: Law, level: i64) -> Duration {
    let missing = law.capacity().cast_signed() - level;
    if missing <= 0 {
        return Duration::ZERO;
    }
    if law.refills() {
        Duration::from_nanos(law.nanoseconds_about(missing.unsigned_abs()))
    } else {
        Duration::MAX
    }
}
