//! One layer applied to several inputs at once: what the slots go through.
//!
//! A slot's layers are so small that each sum waits for itself and each call for its preparations; four slots one after the
//! other took nearly as long as the whole trunk. Side by side they read each weight once, and the sums of one are in work
//! while those of another wait. The order of each sum is the rule of [`super`].

use super::super::fused::{HAS_FUSED, mul_add};
use super::super::path::{Checked, Path};
use super::{Block, CHAINS, LANES, Lanes, Packed, Row, Tile, Weights, finished};

/// Inputs side by side.
pub(in super::super) const COLUMNS: usize = 4;

/// What a layer is applied to.
pub(in super::super) struct Task<'a> {
    /// Where the sums of all inputs start.
    pub(in super::super) start: &'a [Block],
    /// As many numbers each as the layer reads.
    pub(in super::super) inputs: [&'a [f32]; COLUMNS],
    /// For the layer's outputs, which need so many blocks for each input.
    pub(in super::super) outs: [&'a mut [Block]; COLUMNS],
    /// Whether they go through a ReLU.
    pub(in super::super) relu: bool,
}

impl Checked {
    /// Writes a layer's outputs for each input.
    pub(in super::super) fn apply_to_each(self, layer: &Packed, task: Task<'_>) {
        match self.path() {
            #[cfg(target_arch = "x86_64")]
            #[expect(
                unsafe_code,
                reason = "calls code compiled for instructions that were asked for at run time"
            )]
            // SAFETY: this processor was found to have these instructions.
            Path::Avx512 => unsafe { apply_avx512(layer, task) },
            #[cfg(target_arch = "x86_64")]
            #[expect(
                unsafe_code,
                reason = "calls code compiled for instructions that were asked for at run time"
            )]
            // SAFETY: as above.
            Path::Avx2 => unsafe { apply_avx2(layer, task) },
            #[cfg(target_arch = "aarch64")]
            #[expect(
                unsafe_code,
                reason = "calls code compiled for instructions that were asked for at run time"
            )]
            // SAFETY: as above.
            Path::Neon => unsafe { apply_neon(layer, task) },
            _ => apply::<8, HAS_FUSED>(layer, task),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx2,fma")]
fn apply_avx512(layer: &Packed, task: Task<'_>) {
    apply::<LANES, true>(layer, task);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn apply_avx2(layer: &Packed, task: Task<'_>) {
    apply::<8, true>(layer, task);
}

#[cfg(target_arch = "aarch64")]
#[target_feature(enable = "neon")]
fn apply_neon(layer: &Packed, task: Task<'_>) {
    apply::<8, true>(layer, task);
}

#[inline(always)]
fn apply<const WIDTH: usize, const FUSED: bool>(layer: &Packed, task: Task<'_>) {
    match &layer.weights {
        Weights::Whole(rows) => through::<_, WIDTH, FUSED>(rows, layer, task),
        Weights::Halved(rows) => through::<_, WIDTH, FUSED>(rows, layer, task),
    }
}

#[inline(always)]
fn through<R: Row, const WIDTH: usize, const FUSED: bool>(rows: &[R], layer: &Packed, task: Task<'_>) {
    let Task { start, inputs, mut outs, relu } = task;
    let inputs = inputs.map(|input| &input[..layer.inputs]);
    for block in 0..layer.bias.len() {
        let rows = &rows[block / 2 * layer.inputs..][..layer.inputs];
        let mut outs = outs.each_mut().map(|out| &mut out[block]);
        let start = &start[block];
        if block % 2 == 0 {
            side_by_side::<R, false, WIDTH, FUSED>(rows, start, &inputs, &mut outs, relu);
        } else {
            side_by_side::<R, true, WIDTH, FUSED>(rows, start, &inputs, &mut outs, relu);
        }
    }
}

/// As many inputs at once as there are registers for: all where a register holds a whole block, else two.
#[inline(always)]
fn side_by_side<R: Row, const SECOND: bool, const WIDTH: usize, const FUSED: bool>(
    rows: &[R],
    start: &Block,
    inputs: &[&[f32]; COLUMNS],
    outs: &mut [&mut Block; COLUMNS],
    relu: bool,
) {
    if WIDTH == LANES {
        tile::<R, (Two<WIDTH>, Two<WIDTH>), SECOND, WIDTH, FUSED>(rows, start, inputs, outs, relu);
    } else {
        for (inputs, outs) in inputs.chunks_exact(2).zip(outs.chunks_exact_mut(2)) {
            tile::<R, Two<WIDTH>, SECOND, WIDTH, FUSED>(rows, start, inputs, outs, relu);
        }
    }
}

#[inline(always)]
fn tile<R: Row, C: Columns<WIDTH>, const SECOND: bool, const WIDTH: usize, const FUSED: bool>(
    rows: &[R],
    start: &Block,
    inputs: &[&[f32]],
    outs: &mut [&mut Block],
    relu: bool,
) {
    let (groups, rest) = rows.as_chunks::<CHAINS>();
    for lane in (0..LANES).step_by(WIDTH) {
        let weights = |row: &R| Lanes(std::array::from_fn(|offset| row.weight::<SECOND>(lane + offset)));
        let (mut c0, mut c1, mut c2, mut c3) = (C::starting(start, lane), C::ZERO, C::ZERO, C::ZERO);
        let mut input = 0;
        for [r0, r1, r2, r3] in groups {
            c0.add::<FUSED>(&weights(r0), inputs, input);
            c1.add::<FUSED>(&weights(r1), inputs, input + 1);
            c2.add::<FUSED>(&weights(r2), inputs, input + 2);
            c3.add::<FUSED>(&weights(r3), inputs, input + 3);
            input += CHAINS;
        }
        if let [r0, ..] = rest {
            c0.add::<FUSED>(&weights(r0), inputs, input);
        }
        if let [_, r1, ..] = rest {
            c1.add::<FUSED>(&weights(r1), inputs, input + 1);
        }
        if let [_, _, r2] = rest {
            c2.add::<FUSED>(&weights(r2), inputs, input + 2);
        }
        C::write([&c0, &c1, &c2, &c3], outs, lane, relu);
    }
}

type Two<const WIDTH: usize> = (Lanes<WIDTH>, Lanes<WIDTH>);

/// One chain of the same block for some inputs; nested as [`Tile`] is.
trait Columns<const WIDTH: usize> {
    /// How many inputs.
    const COUNT: usize;
    /// Nothing summed yet.
    const ZERO: Self;
    /// Sums that start where this block is.
    fn starting(start: &Block, lane: usize) -> Self;
    /// Adds the products of weights with a number of each input.
    fn add<const FUSED: bool>(&mut self, weights: &Lanes<WIDTH>, inputs: &[&[f32]], input: usize);
    /// Writes the sums of four chains.
    fn write(chains: [&Self; CHAINS], outs: &mut [&mut Block], lane: usize, relu: bool);
}

impl<const WIDTH: usize> Columns<WIDTH> for Lanes<WIDTH> {
    const COUNT: usize = 1;
    const ZERO: Self = <Self as Tile>::ZERO;

    #[inline(always)]
    fn starting(start: &Block, lane: usize) -> Self {
        <Self as Tile>::starting(std::slice::from_ref(start), lane)
    }

    #[inline(always)]
    fn add<const FUSED: bool>(&mut self, weights: &Lanes<WIDTH>, inputs: &[&[f32]], input: usize) {
        let input = inputs[0][input];
        for (sum, weight) in self.0.iter_mut().zip(weights.0) {
            *sum = mul_add::<FUSED>(weight, input, *sum);
        }
    }

    #[inline(always)]
    fn write(chains: [&Self; CHAINS], outs: &mut [&mut Block], lane: usize, relu: bool) {
        outs[0][lane..lane + WIDTH].copy_from_slice(&finished(chains, relu));
    }
}

impl<const WIDTH: usize, A: Columns<WIDTH>, B: Columns<WIDTH>> Columns<WIDTH> for (A, B) {
    const COUNT: usize = A::COUNT + B::COUNT;
    const ZERO: Self = (A::ZERO, B::ZERO);

    #[inline(always)]
    fn starting(start: &Block, lane: usize) -> Self {
        (A::starting(start, lane), B::starting(start, lane))
    }

    #[inline(always)]
    fn add<const FUSED: bool>(&mut self, weights: &Lanes<WIDTH>, inputs: &[&[f32]], input: usize) {
        self.0.add::<FUSED>(weights, inputs, input);
        self.1.add::<FUSED>(weights, &inputs[A::COUNT..], input);
    }

    #[inline(always)]
    fn write(chains: [&Self; CHAINS], outs: &mut [&mut Block], lane: usize, relu: bool) {
        A::write(chains.map(|chain| &chain.0), outs, lane, relu);
        B::write(chains.map(|chain| &chain.1), &mut outs[A::COUNT..], lane, relu);
    }
}
