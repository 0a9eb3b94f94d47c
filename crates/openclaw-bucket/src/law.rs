//! A bucket's parameters as the integers that decisions compute with, in the two words a slot has for them.
//!
//! ```text
//! speed                                        units per nanosecond, times 2^shift
//! shape = | capacity's mantissa | scale | shift / 4 |    53 + 6 + 5 bits
//! ```
//!
//! Keeping the doubles as they were set and computing this at every decision lost. Whatever waits for a slot's
//! cache line also waits in the processor's scheduler, and a score of instructions more is the difference
//! between starting on the next request meanwhile and not: a decision on a random one of a million keys took half as
//! long again. Keeping both would need a third word, and with it half as much memory again. So
//! the words are made such that each decision takes two shifts and one multiplication, and that the doubles can be
//! recovered exactly, by whoever asks for them.

use crate::BucketParams;
use crate::units::UNITS_PER_TOKEN;

/// 2^93 / 10^9, rounded up: turns units per second into units per nanosecond.
const PER_NANOSECOND: u64 = ((1_u128 << 93) / 1_000_000_000 + 1) as u64;

/// What a double's exponent field holds for 2^0.
const EXPONENT_BIAS: u64 = 1023;
const MANTISSA_BITS: u32 = 52;

/// Bits of `shape` below the mantissa.
const FIELDS_BITS: u32 = 11;
const SCALE_AT: u32 = 5;
const SHIFT_MASK: u64 = (1 << SCALE_AT) - 1;

/// A bucket's parameters, ready for use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Law {
    pub(crate) speed: u64,
    pub(crate) shape: u64,
}

impl Law {
    /// The integers of `params`.
    ///
    /// The speed is the refill rate rounded up by less than one part in 2^59: a period that is a whole
    /// number of nanoseconds then refills exactly its tokens.
    pub(crate) fn of(params: BucketParams) -> Self {
        let (speed, shift) = speed_and_shift(params.refill_rate());
        Self { speed, shape: mantissa_and_scale(params.capacity()) | u64::from(shift / 4) }
    }

    /// The parameters that this is the law of, exactly.
    #[inline(always)]
    pub(crate) fn params(self) -> BucketParams {
        BucketParams::trusted(self.capacity_tokens(), self.refill_rate())
    }

    /// Capacity in units, rounded down; at most 2^52.
    #[inline(always)]
    pub(crate) fn capacity(self) -> u64 {
        self.shape >> ((self.shape >> SCALE_AT) & 63)
    }

    #[inline(always)]
    fn shift(self) -> u32 {
        ((self.shape & SHIFT_MASK) << 2) as u32
    }

    /// Units gained from time zero to `now_ns`.
    #[inline(always)]
    pub(crate) fn refilled(self, now_ns: u64) -> u128 {
        let product = u128::from(now_ns) * u128::from(self.speed);
        // Below 512 tokens per second the lower half falls away; a shift across both halves is dear.
        if self.shape & 16 != 0 {
            u128::from((product >> 64) as u64 >> (self.shift() & 63))
        } else {
            product >> self.shift()
        }
    }

    /// Whether anything is ever refilled.
    #[inline]
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
    pub(crate) fn nanoseconds_about(self, units: u64) -> u64 {
        let exact = self.quotient(units);
        let whole = exact as u64;
        whole.saturating_add(u64::from((whole as f64) < exact))
    }

    #[inline]
    fn quotient(self, units: u64) -> f64 {
        units as f64 * exp2(self.shift().cast_signed()) / self.speed as f64
    }

    /// The capacity in tokens, from its mantissa and scale.
    #[inline(always)]
    fn capacity_tokens(self) -> f64 {
        let scale = ((self.shape >> SCALE_AT) & 63) as i32;
        (self.shape >> FIELDS_BITS) as f64 * (exp2(FIELDS_BITS.cast_signed() - scale) / UNITS_PER_TOKEN)
    }

    /// The refill rate in tokens per second.
    ///
    /// A speed differs from the true product by less than one part in 2^59, neighbouring doubles by one in 2^53 at
    /// least: the nearest double is the one that was set.
    #[inline(always)]
    fn refill_rate(self) -> f64 {
        // 2^93 and a little at most, so what is left is converted as a signed number: in one instruction.
        let per_second = ((u128::from(self.speed) * 1_000_000_000) >> 31) as i64;
        per_second as f64 * (exp2(31 - self.shift().cast_signed()) / UNITS_PER_TOKEN)
    }
}

/// Units per nanosecond as `speed / 2^shift`, where the shift is a multiple of four: its two words have five bits
/// for it.
fn speed_and_shift(refill_rate: f64) -> (u64, u32) {
    if refill_rate == 0.0 {
        return (0, 0);
    }
    let bits = refill_rate.to_bits();
    let mantissa = bits << FIELDS_BITS | 1 << 63;
    let product = (u128::from(mantissa) * u128::from(PER_NANOSECOND)) >> 64;
    // rate = mantissa / 2^63 * 2^exponent tokens/s, a token is 2^20 units, and the product holds 2^29 / 10^9
    // times mantissa: 63 + 29 - 20 - exponent, from 42 to 127.
    let exact = (72 + EXPONENT_BIAS - (bits >> MANTISSA_BITS)) as u32;
    ((product >> (exact % 4)) as u64 + 1, exact / 4 * 4)
}

/// The capacity's mantissa at the top of a word, and how far it is to be shifted down to give units.
fn mantissa_and_scale(capacity: f64) -> u64 {
    if capacity == 0.0 {
        return 63 << SCALE_AT;
    }
    let bits = capacity.to_bits();
    let mantissa = bits << FIELDS_BITS | 1 << 63;
    // capacity = mantissa / 2^63 * 2^exponent tokens, and a token is 2^20 units: from 11 to 63.
    let scale = 43 + EXPONENT_BIAS - (bits >> MANTISSA_BITS);
    mantissa | scale << SCALE_AT
}

/// `2^exponent`, for exponents a double holds.
#[inline(always)]
fn exp2(exponent: i32) -> f64 {
    f64::from_bits((i64::from(exponent) + 1023).cast_unsigned() << MANTISSA_BITS)
}

#[cfg(all(test, not(loom)))]
mod tests;
