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
//! floating-point operations on its own, and [`f32::mul_add`] is fused everywhere: where the processor cannot do
//! it, in software, slowly.
//!
//! A layer that reads two vectors, as a slot's first layer reads the trunk's answer and the slot, sums them one
//! after the other: the sum over the first is where the second starts. So the first is summed once for all slots.

use std::fmt;
use std::ops::Range;

use super::network::Dense;

/// Outputs that are computed together.
pub(super) const LANES: usize = 16;
/// Sums in flight for each output, so that a fused multiply-add need not wait for the one before.
const CHAINS: usize = 4;

/// The lanes of one block of outputs.
pub(super) type Block = [f32; LANES];

/// Instructions that the forward pass can be run with. All give the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Path {
    /// What every processor of the architecture has.
    Scalar,
    /// x86-64 with AVX2 and FMA: 8 lanes.
    Avx2,
    /// x86-64 with AVX-512: 16 lanes.
    Avx512,
    /// 64-bit Arm: 4 lanes.
    Neon,
}

/// This processor lacks the instructions of a path that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathUnavailable(pub Path);

impl fmt::Display for PathUnavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this processor lacks the instructions of path {:?}", self.0)
    }
}

impl std::error::Error for PathUnavailable {}

impl Path {
    /// All paths, the fastest last.
    const ALL: [Self; 4] = [Self::Scalar, Self::Neon, Self::Avx2, Self::Avx512];

    /// The paths that this processor can take, the fastest last.
    pub fn available() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|path| path.is_available())
    }

    /// The fastest path that this processor can take.
    #[must_use]
    pub fn best() -> Self {
        Self::available().last().unwrap_or(Self::Scalar)
    }

    /// Whether this processor can take it.
    #[must_use]
    pub fn is_available(self) -> bool {
        match self {
            Self::Scalar => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => is_x86_feature_detected!("avx512f") && Self::Avx2.is_available(),
            #[cfg(target_arch = "aarch64")]
            Self::Neon => std::arch::is_aarch64_feature_detected!("neon"),
            // The other architecture's.
            _ => false,
        }
    }
}

/// A path that this processor was found to have: what code compiled for it may be called with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Checked(Path);

impl Checked {
    pub(super) fn best() -> Self {
        Self(Path::best())
    }

    pub(super) fn new(path: Path) -> Result<Self, PathUnavailable> {
        if path.is_available() { Ok(Self(path)) } else { Err(PathUnavailable(path)) }
    }

    pub(super) fn path(self) -> Path {
        self.0
    }
}

/// Blocks that hold so many outputs.
pub(super) fn blocks(outputs: usize) -> usize {
    outputs.div_ceil(LANES)
}

/// The weights of one input in one block; in a cache line of its own, so that no load touches two.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Row(Block);

/// A layer laid out for the kernel.
#[derive(Clone, Debug)]
pub(super) struct Packed {
    inputs: usize,
    outputs: usize,
    /// Block of outputs by block, within it one row for each input; lanes past the outputs are 0.
    weights: Vec<Row>,
    /// One for each block.
    bias: Vec<Block>,
}

impl Packed {
    pub(super) fn new(layer: &Dense) -> Self {
        Self::of_inputs(layer, 0..layer.inputs)
    }

    /// The part of a layer that reads some of its inputs.
    pub(super) fn of_inputs(layer: &Dense, inputs: Range<usize>) -> Self {
        let weight = |block: usize, lane: usize, input: usize| {
            let output = block * LANES + lane;
            if output < layer.outputs { layer.weights[output * layer.inputs + input] } else { 0.0 }
        };
        let weights = (0..blocks(layer.outputs))
            .flat_map(|block| inputs.clone().map(move |input| (block, input)))
            .map(|(block, input)| Row(std::array::from_fn(|lane| weight(block, lane, input))))
            .collect();
        let mut bias = vec![Block::default(); blocks(layer.outputs)];
        bias.as_flattened_mut()[..layer.outputs].copy_from_slice(&layer.bias);
        Self { inputs: inputs.len(), outputs: layer.outputs, weights, bias }
    }

    pub(super) fn outputs(&self) -> usize {
        self.outputs
    }

    /// Writes the layer's outputs for `input`, through a ReLU where `RELU`; by two blocks at once where `PAIRS`, for
    /// processors with registers enough, since an input then is read once for both. Inlined into each path, so that
    /// it is compiled for that path's instructions.
    #[inline(always)]
    pub(super) fn apply<const RELU: bool, const PAIRS: bool>(&self, input: &[f32], out: &mut [Block]) {
        self.apply_from::<RELU, PAIRS>(&self.bias, input, out);
    }

    /// [`Packed::apply`] with sums that start elsewhere than at the layer's bias.
    #[inline(always)]
    pub(super) fn apply_from<const RELU: bool, const PAIRS: bool>(
        &self,
        start: &[Block],
        input: &[f32],
        out: &mut [Block],
    ) {
        debug_assert_eq!(input.len(), self.inputs);
        let mut blocks = self.weights.chunks_exact(self.inputs).zip(start).zip(out.iter_mut());
        while let Some(((rows, start), out)) = blocks.next() {
            let mut sums = Sums::new(start);
            if PAIRS && let Some(((other_rows, other_start), other_out)) = blocks.next() {
                let mut other = Sums::new(other_start);
                let (groups, rest) = input.as_chunks::<CHAINS>();
                let ((row_groups, row_rest), (other_groups, other_rest)) =
                    (rows.as_chunks::<CHAINS>(), other_rows.as_chunks::<CHAINS>());
                for ((rows, other_rows), inputs) in row_groups.iter().zip(other_groups).zip(groups) {
                    sums.add(rows, inputs);
                    other.add(other_rows, inputs);
                }
                sums.add_rest(row_rest, rest);
                other.add_rest(other_rest, rest);
                other.write::<RELU>(other_out);
            } else {
                let ((row_groups, row_rest), (groups, rest)) =
                    (rows.as_chunks::<CHAINS>(), input.as_chunks::<CHAINS>());
                for (rows, inputs) in row_groups.iter().zip(groups) {
                    sums.add(rows, inputs);
                }
                sums.add_rest(row_rest, rest);
            }
            sums.write::<RELU>(out);
        }
    }
}

/// The chains of one block. Four fields and no array of them: an array that is indexed stays in memory.
struct Sums {
    c0: Block,
    c1: Block,
    c2: Block,
    c3: Block,
}

impl Sums {
    #[inline(always)]
    fn new(start: &Block) -> Self {
        Self { c0: *start, c1: [0.0; LANES], c2: [0.0; LANES], c3: [0.0; LANES] }
    }

    #[inline(always)]
    fn add(&mut self, [r0, r1, r2, r3]: &[Row; CHAINS], [x0, x1, x2, x3]: &[f32; CHAINS]) {
        add_product(&mut self.c0, r0, *x0);
        add_product(&mut self.c1, r1, *x1);
        add_product(&mut self.c2, r2, *x2);
        add_product(&mut self.c3, r3, *x3);
    }

    /// Adds what is left of the inputs, fewer than [`CHAINS`].
    #[inline(always)]
    fn add_rest(&mut self, rows: &[Row], inputs: &[f32]) {
        if let ([r0, ..], [x0, ..]) = (rows, inputs) {
            add_product(&mut self.c0, r0, *x0);
        }
        if let ([_, r1, ..], [_, x1, ..]) = (rows, inputs) {
            add_product(&mut self.c1, r1, *x1);
        }
        if let ([_, _, r2], [_, _, x2]) = (rows, inputs) {
            add_product(&mut self.c2, r2, *x2);
        }
    }

    #[inline(always)]
    fn write<const RELU: bool>(&self, out: &mut Block) {
        for (lane, out) in out.iter_mut().enumerate() {
            let sum = (self.c0[lane] + self.c1[lane]) + (self.c2[lane] + self.c3[lane]);
            // What is not a number stays so: a broken network must be seen, not hidden.
            *out = if RELU && sum < 0.0 { 0.0 } else { sum };
        }
    }
}

#[inline(always)]
fn add_product(sums: &mut Block, row: &Row, input: f32) {
    for (sum, weight) in sums.iter_mut().zip(&row.0) {
        *sum = weight.mul_add(input, *sum);
    }
}
