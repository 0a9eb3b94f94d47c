//! The fused multiply-add where a processor may have none: with the same bits, and without a call for each number.

/// Whether every processor of the architecture has a fused multiply-add.
pub(super) const HAS_FUSED: bool = cfg!(target_feature = "fma") || cfg!(target_arch = "aarch64");

/// [`f32::mul_add`] by operations that every processor has; without branches, so that a loop over it becomes vector code.
///
/// The product is exact in `f64`. The sum is not, and rounding it twice could give another number than rounding it once;
/// where it is inexact it is therefore rounded to the neighbour with an odd last bit, which a second rounding to so many
/// bits fewer treats like the exact sum. (S. Boldo, G. Melquiond, "Emulation of FMA and correctly rounded sums: proved
/// algorithms using rounding to odd", IEEE Transactions on Computers 57(4), 2008.)
#[inline(always)]
pub(super) fn emulated_mul_add(a: f32, b: f32, c: f32) -> f32 {
    let (product, addend) = (f64::from(a) * f64::from(b), f64::from(c));
    let sum = product + addend;
    // What the sum lacks (Knuth's TwoSum); not a number where the sum is not finite, which then stays as it is.
    let of_addend = sum - product;
    let lacking = (product - (sum - of_addend)) + (addend - of_addend);
    let is_even = (sum.to_bits() & 1).wrapping_sub(1);
    let is_inexact = if lacking.abs() > 0.0 { u64::MAX } else { 0 };
    let away_from_zero = 1_u64.wrapping_sub(((sum.to_bits() ^ lacking.to_bits()) >> 63) << 1);
    f64::from_bits(sum.to_bits().wrapping_add(away_from_zero & is_even & is_inexact)) as f32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Numbers of all sizes, the smallest, the largest and those that are none among them.
    fn number() -> impl Strategy<Value = f32> {
        prop_oneof![
            any::<f32>(),
            any::<u32>().prop_map(f32::from_bits),
            -10.0..10.0_f32,
            prop::sample::select(vec![0.0, -0.0, 1.0, -1.0, f32::MIN_POSITIVE, f32::MAX, f32::EPSILON]),
        ]
    }

    /// The same number, or neither is one.
    fn same(a: f32, b: f32) -> bool {
        a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn the_emulated_operation_gives_the_fused_ones_bits(a in number(), b in number(), c in number()) {
            let (found, expected) = (emulated_mul_add(a, b, c), a.mul_add(b, c));
            prop_assert!(same(found, expected), "{a:e} * {b:e} + {c:e} is {expected:e}, not {found:e}");
        }

        /// The addend nearly cancels the product, or lies half a step beside it: where rounding twice goes wrong.
        #[test]
        fn it_does_so_where_rounding_twice_would_not(a in -4.0..4.0_f32, b in -4.0..4.0_f32, tiny in any::<u8>(), up: bool) {
            let shift = 2_f32.powi(-i32::from(tiny % 64));
            for c in [-(a * b), a * b * shift, -(a * b) * shift, if up { shift } else { -shift }] {
                prop_assert!(same(emulated_mul_add(a, b, c), a.mul_add(b, c)), "{a:e} * {b:e} + {c:e}");
            }
        }
    }

    #[test]
    fn a_sum_halfway_between_two_numbers_but_for_a_trace_is_rounded_by_the_trace() {
        // 1 + 2^-24 lies halfway between two numbers; the product is a trace more or less than that.
        let (a, trace) = (2_f32.powi(-12), 2_f32.powi(-35));
        for (b, expected) in
            [(a * (1.0 + f32::EPSILON), 1.0 + f32::EPSILON), (a * (1.0 - f32::EPSILON), 1.0), (a, 1.0)]
        {
            assert_eq!(emulated_mul_add(a, b, 1.0), expected, "{b:e}");
            assert_eq!(a.mul_add(b, 1.0), expected, "{b:e}");
        }
        assert_eq!(emulated_mul_add(trace, trace, 1.0), 1.0);
    }
}
