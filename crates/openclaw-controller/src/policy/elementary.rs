//! Exponential and logarithm with defined bits.
//!
//! The standard library's come from the platform, which may round the last bit differently; then a decision
//! logged on one machine would not replay on another, and a policy trained here would see slightly different
//! features there. These use additions, multiplications and one division in a fixed order, all of which IEEE 754
//! defines exactly, and no fused operations. The arithmetic is in `f64`, so that after rounding to `f32` the
//! result is off by at most 0.501 units in the last place, and monotone: a larger argument never gives a smaller
//! result. Both are branch-free, so that a loop over them becomes vector code.

use std::f64::consts::{LN_2, LOG2_E};

use super::path::{Checked, Path};

/// Bound of the error of [`exp`] and [`ln`], in units in the last place of the result.
#[cfg(test)]
const ULP_MAX: f64 = 0.501;

/// Adding and subtracting it rounds a small `f64` to an integer, which then is in its low bits.
const ROUNDER: f64 = 6_755_399_441_055_744.0;

/// e to the power of `x`: 0 and infinity where that leaves the range of `f32`.
#[must_use]
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    // Beyond ±110 the result is 0 or infinite in `f32`, and stays far inside the range of `f64`.
    let x = f64::from(x).clamp(-110.0, 110.0);
    // x = n ln 2 + r with |r| at most ln 2 / 2.
    let shifted = x * LOG2_E + ROUNDER;
    let n = shifted - ROUNDER;
    let r = x - n * LN_2;
    // Taylor's series; the next term is under 6e-15.
    let mut sum = INVERSE_FACTORIALS[11];
    for inverse in INVERSE_FACTORIALS[..11].iter().rev() {
        sum = sum * r + inverse;
    }
    let power = f64::from_bits((shifted.to_bits().wrapping_add(1023)) << 52);
    (sum * power) as f32
}

/// Natural logarithm of `x`; of 0 minus infinity, of what is negative or not a number [`f32::NAN`].
#[must_use]
#[inline(always)]
pub fn ln(x: f32) -> f32 {
    // x = 2^n m with m from √½ to √2. Every `f32`, the subnormal ones too, is a normal `f64`.
    let bits = f64::from(x).to_bits();
    let shifted = bits.wrapping_sub(SQRT_HALF_BITS);
    let m = f64::from_bits((shifted & ((1 << 52) - 1)) + SQRT_HALF_BITS);
    // The exponent is put into an `f64` by its bits: 2^52 + 2^11 + n, with n from two's complement.
    let biased = ((shifted >> 52) ^ (1 << 11)) & 0xfff;
    let n = f64::from_bits(0x4330_0000_0000_0000 | biased) - (4_503_599_627_370_496.0 + 2048.0);
    // ln m = 2 atanh((m - 1) / (m + 1)); the next term is under 3e-15.
    let s = (m - 1.0) / (m + 1.0);
    let square = s * s;
    let mut sum = INVERSE_ODDS[8];
    for inverse in INVERSE_ODDS[..8].iter().rev() {
        sum = sum * square + inverse;
    }
    let result = (n * LN_2 + 2.0 * s * sum) as f32;
    let result = if x == 0.0 { f32::NEG_INFINITY } else { result };
    let result = if x == f32::INFINITY { x } else { result };
    if x < 0.0 || x.is_nan() { f32::NAN } else { result }
}

/// [`ln`] of each number, by the widest vectors that were found. The bits are the same: nothing is fused.
pub(super) fn ln_each(numbers: &mut [f32], path: Checked) {
    each::<false>(numbers, path);
}

/// [`exp`] of each number, likewise.
pub(super) fn exp_each(numbers: &mut [f32], path: Checked) {
    each::<true>(numbers, path);
}

fn each<const EXP: bool>(numbers: &mut [f32], path: Checked) {
    match path.path() {
        #[cfg(target_arch = "x86_64")]
        #[expect(
            unsafe_code,
            reason = "calls code compiled for instructions that were asked for at run time"
        )]
        // SAFETY: this processor was found to have these instructions.
        Path::Avx512 => unsafe { each_avx512::<EXP>(numbers) },
        #[cfg(target_arch = "x86_64")]
        #[expect(
            unsafe_code,
            reason = "calls code compiled for instructions that were asked for at run time"
        )]
        // SAFETY: as above.
        Path::Avx2 => unsafe { each_avx2::<EXP>(numbers) },
        _ => each_inline::<EXP>(numbers),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx2,fma")]
fn each_avx512<const EXP: bool>(numbers: &mut [f32]) {
    each_inline::<EXP>(numbers);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn each_avx2<const EXP: bool>(numbers: &mut [f32]) {
    each_inline::<EXP>(numbers);
}

/// Numbers that are taken together; callers fill up to whole ones, because what is left over is taken one by one.
pub(super) const TOGETHER: usize = 16;

#[inline(always)]
fn each_inline<const EXP: bool>(numbers: &mut [f32]) {
    for number in numbers {
        *number = if EXP { exp(*number) } else { ln(*number) };
    }
}

const SQRT_HALF_BITS: u64 = std::f64::consts::FRAC_1_SQRT_2.to_bits();

/// 1/0!, 1/1!, 1/2!, …
const INVERSE_FACTORIALS: [f64; 12] = {
    let mut inverses = [1.0; 12];
    let (mut index, mut factorial) = (1, 1.0);
    while index < inverses.len() {
        factorial *= index as f64;
        inverses[index] = 1.0 / factorial;
        index += 1;
    }
    inverses
};

/// 1, 1/3, 1/5, …
const INVERSE_ODDS: [f64; 9] = {
    let mut inverses = [1.0; 9];
    let mut index = 0;
    while index < inverses.len() {
        inverses[index] = 1.0 / (2 * index + 1) as f64;
        index += 1;
    }
    inverses
};

#[cfg(test)]
mod tests {
    use super::*;

    /// Distance from the exact value in units in the last place of `f32` there.
    fn ulps(found: f32, exact: f64) -> f64 {
        let near = exact as f32;
        let unit = f64::from(f32::from_bits(near.abs().to_bits() + 1)) - f64::from(near.abs());
        (f64::from(found) - exact).abs() / unit
    }

    /// Floats in ascending order from `from` on, `stride` representable values apart.
    fn ascending(from: f32, to: f32, stride: i64) -> impl Iterator<Item = f32> {
        let place = |x: f32| {
            let magnitude = i64::from(x.to_bits() & 0x7fff_ffff);
            if x.is_sign_negative() { -magnitude } else { magnitude }
        };
        let number = |place: i64| {
            let magnitude = f32::from_bits(place.unsigned_abs() as u32);
            if place < 0 { -magnitude } else { magnitude }
        };
        let (first, last) = (place(from), place(to));
        (0..=(last - first) / stride).map(move |step| number(first + step * stride))
    }

    #[test]
    fn exp_is_within_its_bound_of_the_exact_value() {
        for x in ascending(-87.0, 88.7, 9973) {
            let error = ulps(exp(x), f64::from(x).exp());
            assert!(error <= ULP_MAX, "exp({x:e}) is off by {error} units");
        }
    }

    #[test]
    fn ln_is_within_its_bound_of_the_exact_value() {
        for x in ascending(f32::from_bits(1), f32::MAX, 9973).chain(ascending(0.5, 2.0, 61)) {
            let exact = f64::from(x).ln();
            assert!(exact == 0.0 || ulps(ln(x), exact) <= ULP_MAX, "ln({x:e}) is {} not {exact}", ln(x));
        }
    }

    #[test]
    fn a_larger_argument_never_gives_a_smaller_result() {
        for start in ascending(-100.0, 100.0, 4_000_037) {
            let run = ascending(start, f32::MAX, 1).take(100);
            assert!(run.map(exp).is_sorted(), "exp after {start:e}");
        }
        for start in ascending(f32::from_bits(1), 1e38, 4_000_037) {
            assert!(ascending(start, f32::MAX, 1).take(100).map(ln).is_sorted(), "ln after {start:e}");
        }
    }

    #[test]
    fn the_edges_of_the_range_are_the_usual_ones() {
        assert_eq!([exp(0.0), exp(-0.0), exp(-200.0), exp(f32::NEG_INFINITY)], [1.0, 1.0, 0.0, 0.0]);
        assert_eq!([exp(89.0), exp(f32::INFINITY)], [f32::INFINITY; 2]);
        assert_eq!([ln(1.0), ln(0.0), ln(-0.0)], [0.0, f32::NEG_INFINITY, f32::NEG_INFINITY]);
        assert_eq!(ln(f32::INFINITY), f32::INFINITY);
        assert!(exp(f32::NAN).is_nan() && ln(f32::NAN).is_nan() && ln(-1.0).is_nan());
    }

    #[test]
    fn vectors_of_any_width_give_the_same_bits() {
        let numbers: Vec<f32> = ascending(-120.0, f32::INFINITY, 999_983).chain([f32::NAN, 0.0]).collect();
        let bits = |numbers: &[f32]| numbers.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        let expected = |of: fn(f32) -> f32| numbers.iter().map(|x| of(*x).to_bits()).collect::<Vec<_>>();
        for path in Path::available() {
            let (mut logarithms, mut powers) = (numbers.clone(), numbers.clone());
            ln_each(&mut logarithms, Checked::new(path).unwrap());
            exp_each(&mut powers, Checked::new(path).unwrap());
            assert_eq!(bits(&logarithms), expected(ln), "{path:?}");
            assert_eq!(bits(&powers), expected(exp), "{path:?}");
        }
    }

    #[test]
    fn the_bits_are_these_on_every_machine() {
        let bits = |f: fn(f32) -> f32| [0.1_f32, 0.7, 1.5, 3.25, 42.0].map(|x| f(x).to_bits());
        assert_eq!(bits(exp), [0x3f8d_763e, 0x4000_e153, 0x408f_69ff, 0x41ce_529e, 0x5dc1_192b]);
        assert_eq!(bits(ln), [0xc013_5d8e, 0xbeb6_9e1a, 0x3ecf_991f, 0x3f96_de2b, 0x406f_35fb]);
    }
}
