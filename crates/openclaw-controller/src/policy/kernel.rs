//! Matrix times vector with the same bits on every processor, whatever the width of its registers.
//!
//! The rule: output `o` is `(c0 + c1) + (c2 + c3)`. Chain `c` takes the inputs `i` with `i mod 4 = c` in
//! ascending order, each with one fused multiply-add, and chain 0 starts at the bias. Registers run along the
//! *outputs*, so their width decides how many outputs are computed at once and never in which order one output
//! is summed. The usual dot product along the inputs lost: its order of summation is the register's width, and
//! the scalar code would have to imitate sixteen lanes and their reduction tree.
//!
//! There is one body in plain Rust; each path is that body compiled for other instructions. Hand-written
//! intrinsics lost: the compiler turns the body into the same instructions, a path that cannot be run here cannot
//! be wrong, and nothing is unsafe but the call after the processor was asked. Rust never fuses or reorders
//! floating-point operations on its own. Where the processor may lack the fused operation, [`emulated_mul_add`] gives its
//! bits.
//!
//! A pass takes its time for fetching weights: while other work goes on between decisions they are not in the first
//! cache. So a layer whose weights are all numbers of sixteen bits ([`super::bfloat`]) is kept in those, and an input is
//! read once for as many outputs as there are registers for. Leaving out inputs that are 0, as half are behind a ReLU,
//! lost: finding them costs what it saves, once the weights are half as many bytes.
//!
//! A layer that reads two vectors, as a slot's first layer reads the trunk's answer and the slot, sums them one
//! after the other: the sum over the first is where the second starts. So the first is summed once for all slots.

use std::ops::Range;

use super::bfloat;
use super::fused::{HAS_FUSED, emulated_mul_add};
use super::network::Dense;
use super::path::{Checked, Path};

/// Outputs that are computed together.
pub(super) const LANES: usize = 16;
/// Sums in flight for each output, so that a fused multiply-add need not wait for the one before.
const CHAINS: usize = 4;

/// The lanes of one block of outputs.
pub(super) type Block = [f32; LANES];

/// Blocks that hold so many outputs.
pub(super) fn blocks(outputs: usize) -> usize {
    outputs.div_ceil(LANES)
}

/// The weights of one input in two blocks of outputs.
trait Row: Copy {
    /// From the two weights for each lane.
    fn new(of: impl Fn(usize, usize) -> f32) -> Self;
    /// The weight for one lane of the first or the second block.
    fn weight<const SECOND: bool>(&self, lane: usize) -> f32;
}

/// In cache lines of its own, so that no load touches two.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Whole([Block; 2]);

impl Row for Whole {
    fn new(of: impl Fn(usize, usize) -> f32) -> Self {
        Self([0, 1].map(|block| std::array::from_fn(|lane| of(block, lane))))
    }

    #[inline(always)]
    fn weight<const SECOND: bool>(&self, lane: usize) -> f32 {
        self.0[usize::from(SECOND)][lane]
    }
}

/// Two weights of sixteen bits in each lane.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Halved([u32; LANES]);

impl Row for Halved {
    fn new(of: impl Fn(usize, usize) -> f32) -> Self {
        Self(std::array::from_fn(|lane| bfloat::packed(of(0, lane), of(1, lane))))
    }

    #[inline(always)]
    fn weight<const SECOND: bool>(&self, lane: usize) -> f32 {
        if SECOND { bfloat::second(self.0[lane]) } else { bfloat::first(self.0[lane]) }
    }
}

/// Pair of blocks by pair, within it one row for each input; lanes past the outputs are 0.
#[derive(Clone, Debug)]
enum Weights {
    Whole(Vec<Whole>),
    Halved(Vec<Halved>),
}

/// A layer laid out for the kernel.
#[derive(Clone, Debug)]
pub(super) struct Packed {
    inputs: usize,
    outputs: usize,
    weights: Weights,
    /// One for each block.
    bias: Vec<Block>,
}

/// Some layers that read the same inputs, each of them the given part of what it reads in all.
pub(super) type Parts<'a> = [(&'a Dense, Range<usize>)];

impl Packed {
    pub(super) fn new(layer: &Dense) -> Self {
        Self::of(&[(layer, 0..layer.inputs)])
    }

    /// Several layers as one; the outputs of each begin with a block.
    pub(super) fn of(parts: &Parts<'_>) -> Self {
        let inputs = parts.first().map_or(0, |(_, inputs)| inputs.len());
        let mut columns: Vec<(&Dense, usize, Option<usize>)> = Vec::new();
        for (layer, range) in parts {
            debug_assert_eq!(range.len(), inputs);
            let outputs =
                (0..blocks(layer.outputs) * LANES).map(|output| (output < layer.outputs).then_some(output));
            columns.extend(outputs.map(|output| (*layer, range.start, output)));
        }
        let weight = |column: usize, input: usize| match columns.get(column) {
            Some((layer, start, Some(output))) => layer.weights[output * layer.inputs + start + input],
            _ => 0.0,
        };
        let of_16_bits = parts.iter().all(|(layer, _)| layer.is_rounded());
        let pairs = columns.len().div_ceil(2 * LANES);
        let weights = if of_16_bits {
            Weights::Halved(rows(pairs, inputs, weight))
        } else {
            Weights::Whole(rows(pairs, inputs, weight))
        };
        let bias = columns.iter().map(|(layer, _, output)| output.map_or(0.0, |output| layer.bias[output]));
        let bias = bias.collect::<Vec<_>>().as_chunks().0.to_vec();
        let outputs = columns.iter().rposition(|(_, _, output)| output.is_some()).map_or(0, |last| last + 1);
        Self { inputs, outputs, weights, bias }
    }

    /// Numbers it gives, with the lanes that are left free between the outputs of several layers.
    pub(super) fn outputs(&self) -> usize {
        self.outputs
    }

    /// Where the sums start that start nowhere else: the bias.
    pub(super) fn bias(&self) -> &[Block] {
        &self.bias
    }

    /// See [`Checked::apply`].
    #[inline(always)]
    fn apply<const WIDTH: usize, const FUSED: bool>(&self, task: Task<'_>) {
        match &self.weights {
            Weights::Whole(rows) => through::<_, WIDTH, FUSED>(rows, task),
            Weights::Halved(rows) => through::<_, WIDTH, FUSED>(rows, task),
        }
    }
}

/// What a layer is applied to.
pub(super) struct Task<'a> {
    /// Where the sums start, usually at the layer's [bias](Packed::bias).
    pub(super) start: &'a [Block],
    /// As many numbers as the layer reads.
    pub(super) input: &'a [f32],
    /// For the layer's outputs.
    pub(super) out: &'a mut [Block],
    /// Whether they go through a ReLU.
    pub(super) relu: bool,
}

impl Checked {
    /// Writes a layer's outputs. A function of its own for each path and not inlined: a network of six layers would be
    /// six times as much code, which has to be fetched like the weights.
    pub(super) fn apply(self, layer: &Packed, task: Task<'_>) {
        debug_assert_eq!(task.input.len(), layer.inputs);
        let blocks = layer.bias.len();
        let task = Task { start: &task.start[..blocks], out: &mut task.out[..blocks], ..task };
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
            _ => layer.apply::<8, HAS_FUSED>(task),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx2,fma")]
fn apply_avx512(layer: &Packed, task: Task<'_>) {
    layer.apply::<LANES, true>(task);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn apply_avx2(layer: &Packed, task: Task<'_>) {
    layer.apply::<8, true>(task);
}

#[cfg(target_arch = "aarch64")]
#[target_feature(enable = "neon")]
fn apply_neon(layer: &Packed, task: Task<'_>) {
    layer.apply::<8, true>(task);
}

fn rows<R: Row>(pairs: usize, inputs: usize, weight: impl Fn(usize, usize) -> f32) -> Vec<R> {
    let places = (0..pairs).flat_map(|pair| (0..inputs).map(move |input| (pair, input)));
    places
        .map(|(pair, input)| R::new(|block, lane| weight((2 * pair + block) * LANES + lane, input)))
        .collect()
}

/// All pairs of blocks, as many at once as there are registers for: three where a register holds a whole block.
#[inline(always)]
fn through<R: Row, const WIDTH: usize, const FUSED: bool>(mut rows: &[R], task: Task<'_>) {
    let Task { mut start, input, mut out, relu } = task;
    while !out.is_empty() {
        let blocks = match out.len() {
            6.. if WIDTH == LANES => tile::<R, Three<WIDTH>, WIDTH, FUSED>(rows, start, input, out, relu),
            4.. if WIDTH == LANES => tile::<R, Two<WIDTH>, WIDTH, FUSED>(rows, start, input, out, relu),
            3.. if WIDTH == LANES => {
                tile::<R, (Pair<WIDTH>, Lanes<WIDTH>), WIDTH, FUSED>(rows, start, input, out, relu)
            }
            2.. => tile::<R, Pair<WIDTH>, WIDTH, FUSED>(rows, start, input, out, relu),
            _ => tile::<R, Lanes<WIDTH>, WIDTH, FUSED>(rows, start, input, out, relu),
        };
        rows = &rows[blocks.div_ceil(2) * input.len()..];
        start = &start[blocks..];
        out = &mut out[blocks..];
    }
}

/// The first blocks of `out`, as many as are in `T`, from the first of `rows`. Returns how many that are.
#[inline(always)]
fn tile<R: Row, T: Tile, const WIDTH: usize, const FUSED: bool>(
    rows: &[R],
    start: &[Block],
    input: &[f32],
    out: &mut [Block],
    relu: bool,
) -> usize {
    let rows = &rows[..T::PAIRS * input.len()];
    let (groups, rest) = input.as_chunks::<CHAINS>();
    for lane in (0..LANES).step_by(WIDTH) {
        let (mut c0, mut c1, mut c2, mut c3) = (T::starting(start, lane), T::ZERO, T::ZERO, T::ZERO);
        let mut place = Place { rows, inputs: input.len(), input: 0, lane };
        for [x0, x1, x2, x3] in groups {
            c0.add::<R, FUSED>(place, *x0);
            c1.add::<R, FUSED>(place.after(1), *x1);
            c2.add::<R, FUSED>(place.after(2), *x2);
            c3.add::<R, FUSED>(place.after(3), *x3);
            place = place.after(CHAINS);
        }
        if let [x0, ..] = rest {
            c0.add::<R, FUSED>(place, *x0);
        }
        if let [_, x1, ..] = rest {
            c1.add::<R, FUSED>(place.after(1), *x1);
        }
        if let [_, _, x2] = rest {
            c2.add::<R, FUSED>(place.after(2), *x2);
        }
        T::write([&c0, &c1, &c2, &c3], out, lane, relu);
    }
    T::BLOCKS
}

/// Where the weights of an input are, and the first lane that is computed.
#[derive(Clone, Copy)]
struct Place<'a, R> {
    rows: &'a [R],
    inputs: usize,
    input: usize,
    lane: usize,
}

impl<R: Row> Place<'_, R> {
    #[inline(always)]
    fn after(self, inputs: usize) -> Self {
        Self { input: self.input + inputs, ..self }
    }

    #[inline(always)]
    fn row(&self, pair: usize) -> &R {
        &self.rows[pair * self.inputs + self.input]
    }
}

/// One chain of some blocks: of one, of a pair, or of those of two others. Nested and no array: an array that is indexed
/// stays in memory.
trait Tile {
    /// How many pairs of blocks.
    const PAIRS: usize;
    /// How many blocks.
    const BLOCKS: usize;
    /// Nothing summed yet.
    const ZERO: Self;
    /// A sum that starts where these blocks are.
    fn starting(start: &[Block], lane: usize) -> Self;
    /// Adds an input's products with its weights.
    fn add<R: Row, const FUSED: bool>(&mut self, place: Place<'_, R>, input: f32);
    /// Writes the sums of four chains.
    fn write(chains: [&Self; CHAINS], out: &mut [Block], lane: usize, relu: bool);
}

/// Some lanes of one block, the first of a pair.
struct Lanes<const WIDTH: usize>([f32; WIDTH]);

/// The same lanes of both blocks of a pair.
struct Pair<const WIDTH: usize>(Lanes<WIDTH>, Lanes<WIDTH>);

type Two<const WIDTH: usize> = (Pair<WIDTH>, Pair<WIDTH>);

/// As many as have all their chains in the 32 registers of a processor with AVX-512.
type Three<const WIDTH: usize> = (Two<WIDTH>, Pair<WIDTH>);

impl<const WIDTH: usize> Lanes<WIDTH> {
    #[inline(always)]
    fn add_row<R: Row, const SECOND: bool, const FUSED: bool>(&mut self, row: &R, first: usize, input: f32) {
        for (lane, sum) in self.0.iter_mut().enumerate() {
            let weight = row.weight::<SECOND>(first + lane);
            *sum = if FUSED { weight.mul_add(input, *sum) } else { emulated_mul_add(weight, input, *sum) };
        }
    }
}

impl<const WIDTH: usize> Tile for Lanes<WIDTH> {
    const PAIRS: usize = 1;
    const BLOCKS: usize = 1;
    const ZERO: Self = Self([0.0; WIDTH]);

    #[inline(always)]
    fn starting(start: &[Block], lane: usize) -> Self {
        let mut sums = [0.0; WIDTH];
        sums.copy_from_slice(&start[0][lane..lane + WIDTH]);
        Self(sums)
    }

    #[inline(always)]
    fn add<R: Row, const FUSED: bool>(&mut self, place: Place<'_, R>, input: f32) {
        self.add_row::<R, false, FUSED>(place.row(0), place.lane, input);
    }

    #[inline(always)]
    fn write([c0, c1, c2, c3]: [&Self; CHAINS], out: &mut [Block], first: usize, relu: bool) {
        for (lane, out) in out[0][first..first + WIDTH].iter_mut().enumerate() {
            let sum = (c0.0[lane] + c1.0[lane]) + (c2.0[lane] + c3.0[lane]);
            // What is not a number stays so: a broken network must be seen, not hidden.
            *out = if relu && sum < 0.0 { 0.0 } else { sum };
        }
    }
}

impl<const WIDTH: usize> Tile for Pair<WIDTH> {
    const PAIRS: usize = 1;
    const BLOCKS: usize = 2;
    const ZERO: Self = Self(Lanes::ZERO, Lanes::ZERO);

    #[inline(always)]
    fn starting(start: &[Block], lane: usize) -> Self {
        Self(Lanes::starting(start, lane), Lanes::starting(&start[1..], lane))
    }

    #[inline(always)]
    fn add<R: Row, const FUSED: bool>(&mut self, place: Place<'_, R>, input: f32) {
        let row = place.row(0);
        self.0.add_row::<R, false, FUSED>(row, place.lane, input);
        self.1.add_row::<R, true, FUSED>(row, place.lane, input);
    }

    #[inline(always)]
    fn write(chains: [&Self; CHAINS], out: &mut [Block], lane: usize, relu: bool) {
        Lanes::write(chains.map(|chain| &chain.0), out, lane, relu);
        Lanes::write(chains.map(|chain| &chain.1), &mut out[1..], lane, relu);
    }
}

impl<A: Tile, B: Tile> Tile for (A, B) {
    const PAIRS: usize = A::PAIRS + B::PAIRS;
    const BLOCKS: usize = A::BLOCKS + B::BLOCKS;
    const ZERO: Self = (A::ZERO, B::ZERO);

    #[inline(always)]
    fn starting(start: &[Block], lane: usize) -> Self {
        (A::starting(start, lane), B::starting(&start[A::BLOCKS..], lane))
    }

    #[inline(always)]
    fn add<R: Row, const FUSED: bool>(&mut self, place: Place<'_, R>, input: f32) {
        self.0.add::<R, FUSED>(place, input);
        self.1.add::<R, FUSED>(Place { rows: &place.rows[A::PAIRS * place.inputs..], ..place }, input);
    }

    #[inline(always)]
    fn write(chains: [&Self; CHAINS], out: &mut [Block], lane: usize, relu: bool) {
        A::write(chains.map(|chain| &chain.0), out, lane, relu);
        B::write(chains.map(|chain| &chain.1), &mut out[A::BLOCKS..], lane, relu);
    }
}
