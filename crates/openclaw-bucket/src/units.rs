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

use crate::BucketParams;

/// Bits of a position.
pub(crate) const POSITION_BITS: u32 = 56;
/// A position as stored: modulo 2^56.
pub(crate) const POSITION_MASK: u64 = (1 << POSITION_BITS) - 1;
/// Units in one token.
pub(crate) const UNITS_PER_TOKEN: f64 = 1_048_576.0;

/// Distances from here on are read as negative: the clock went back.
const BEHIND_FROM: u64 = 7 << (POSITION_BITS - 3);

/// 2^93 / 10^9, rounded up: turns units per second into units per nanosecond.
const PER_NANOSECOND: u64 = ((1_u128 << 93) / 1_000_000_000 + 1) as u64;

/// What a double's exponent field holds for 2^0.
const EXPONENT_BIAS: u64 = 1023;

/// The bits of 2^-55, the slowest refill rate that is not zero.
const SLOWEST: u64 = (EXPONENT_BIAS - 55) << 52;

/// A bucket's parameters as integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Law {
    /// Capacity in units, rounded down; at most 2^52.
    pub(crate) capacity: u64,
    /// Units per nanosecond, as `speed / 2^shift`.
    speed: u64,
    shift: u32,
}

impl Law {
    /// The integers of `params`; cheap enough (one multiplication) to be done in every decision.
    ///
    /// The speed is the refill rate rounded up by less than one part in 2^60: a period that is a whole
    /// number of nanoseconds then refills exactly its tokens, and a year's excess is below a unit.
    #[inline(always)]
    pub(crate) fn of(params: BucketParams) -> Self {
        let capacity = whole_units(params.capacity());
        let bits = params.refill_rate().to_bits();
        // Slower than 2^-55 token per second (a token in a billion years) is no refill; this covers zero.
        if bits < SLOWEST {
            return Self { capacity, speed: 0, shift: 0 };
        }
        let mantissa = bits << 11 | 1 << 63;
        let speed = ((u128::from(mantissa) * u128::from(PER_NANOSECOND)) >> 64) as u64 + 1;
        // rate = mantissa / 2^63 * 2^exponent tokens/s, a token is 2^20 units, and `speed` holds 2^29 / 10^9
        // times mantissa: 63 + 29 - 20 - exponent. The exponent is at most 30.
        Self { capacity, speed, shift: (72 + EXPONENT_BIAS - (bits >> 52)) as u32 }
    }

    /// Units gained from time zero to `now_ns`.
    #[inline(always)]
    pub(crate) fn refilled(self, now_ns: u64) -> u128 {
        let product = u128::from(now_ns) * u128::from(self.speed);
        // Below 512 tokens per second the lower half falls away; a shift across both halves is dear.
        if self.shift >= 64 {
            u128::from((product >> 64) as u64 >> (self.shift - 64))
        } else {
            product >> self.shift
        }
    }

    /// Whether anything is ever refilled.
    pub(crate) fn refills(self) -> bool {
        self.speed != 0
    }

    /// The fewest nanoseconds in which `units` are surely refilled, whatever the phase; saturates after 584 years.
    pub(crate) fn nanoseconds(self, units: u64) -> u64 {
        let mut ns = self.quotient(units) as u64;
        // The quotient is right to one part in 2^52; the integers have the last word.
        let step = 1 + (ns >> 51);
        while ns < u64::MAX && self.refilled(ns) < u128::from(units) {
            ns = ns.saturating_add(step);
        }
        ns
    }

    /// About the nanoseconds in which `units` are refilled, rounded up: what a decision can afford to compute.
    #[inline]
    fn nanoseconds_about(self, units: u64) -> u64 {
        let exact = self.quotient(units);
        let whole = exact as u64;
        whole.saturating_add(u64::from((whole as f64) < exact))
    }

    #[inline]
    fn quotient(self, units: u64) -> f64 {
        units as f64 * exp2(self.shift) / self.speed as f64
    }
}

/// A capacity in units, rounded down, from the double's own bits: no conversion that saturates.
#[inline(always)]
fn whole_units(capacity: f64) -> u64 {
    let bits = capacity.to_bits();
    let mantissa = bits & ((1 << 52) - 1) | 1 << 52;
    // capacity = mantissa * 2^(exponent - 52) tokens, and a token is 2^20 units. The exponent is at most 32.
    let shift = 32 + EXPONENT_BIAS - (bits >> 52);
    mantissa >> shift.min(63)
}

/// `2^exponent`, for exponents a double holds.
#[inline]
fn exp2(exponent: u32) -> f64 {
    f64::from_bits((u64::from(exponent) + 1023) << 52)
}

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
        Self { refilled: law.refilled(now_ns) as u64 & POSITION_MASK, ceiling: law.capacity }
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
    if cost > law.capacity.cast_signed() || !law.refills() {
        return None;
    }
    let missing = cost.saturating_sub(level).max(0).unsigned_abs();
    Some(Duration::from_nanos(law.nanoseconds(missing)))
}

/// The time until a bucket at `level` is full; [`Duration::MAX`] where it never is.
#[inline]
pub(crate) fn until_full(law: Law, level: i64) -> Duration {
    let missing = law.capacity.cast_signed() - level;
    if missing <= 0 {
        return Duration::ZERO;
    }
    if law.refills() {
        Duration::from_nanos(law.nanoseconds_about(missing.unsigned_abs()))
    } else {
        Duration::MAX
    }
}
