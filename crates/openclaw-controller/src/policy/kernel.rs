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

use std::fmt;

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

/// Blocks that hold so many outputs.
pub(super) fn blocks(outputs: usize) -> usize {
    outputs.div_ceil(LANES)
}

/// A layer laid out for the kernel.
#[derive(Clone, Debug)]
pub(super) struct Packed {
    inputs: usize,
    outputs: usize,
    /// Block of outputs by block, within it one row of lanes for each input; lanes past the outputs are 0.
    weights: Vec<Block>,
    /// One row of lanes for each block.
    bias: Vec<Block>,
}

impl Packed {
    pub(super) fn new(layer: &Dense) -> Self {
        let blocks = blocks(layer.outputs);
        let lanes = |block: usize, number: &dyn Fn(usize) -> f32| -> Block {
            std::array::from_fn(|lane| {
                Some(block * LANES + lane).filter(|o| *o < layer.outputs).map_or(0.0, number)
            })
        };
        let weights = (0..blocks)
            .flat_map(|block| (0..layer.inputs).map(move |input| (block, input)))
            .map(|(block, input)| lanes(block, &|output| layer.weights[output * layer.inputs + input]))
            .collect();
        let bias = (0..blocks).map(|block| lanes(block, &|output| layer.bias[output])).collect();
        Self { inputs: layer.inputs, outputs: layer.outputs, weights, bias }
    }

    pub(super) fn outputs(&self) -> usize {
        self.outputs
    }

    /// Writes the layer's outputs for `input`, which holds [`Dense::inputs`] numbers, and returns them; through a
    /// ReLU where `RELU`. Inlined into each path, so that it is compiled for that path's instructions.
    #[inline(always)]
    pub(super) fn apply<'a, const RELU: bool>(&self, input: &[f32], out: &'a mut [Block]) -> &'a [f32] {
        debug_assert_eq!(input.len(), self.inputs);
        let (groups, rest) = input.as_chunks::<CHAINS>();
        for ((rows, bias), out) in self.weights.chunks_exact(self.inputs).zip(&self.bias).zip(out.iter_mut())
        {
            let (row_groups, row_rest) = rows.as_chunks::<CHAINS>();
            let mut chains = [*bias, [0.0; LANES], [0.0; LANES], [0.0; LANES]];
            for (rows, inputs) in row_groups.iter().zip(groups) {
                for chain in 0..CHAINS {
                    for lane in 0..LANES {
                        chains[chain][lane] = rows[chain][lane].mul_add(inputs[chain], chains[chain][lane]);
                    }
                }
            }
            for ((row, input), chain) in row_rest.iter().zip(rest).zip(&mut chains) {
                for lane in 0..LANES {
                    chain[lane] = row[lane].mul_add(*input, chain[lane]);
                }
            }
            let [c0, c1, c2, c3] = chains;
            for lane in 0..LANES {
                let sum = (c0[lane] + c1[lane]) + (c2[lane] + c3[lane]);
                // What is not a number stays so: a broken network must be seen, not hidden.
                out[lane] = if RELU && sum < 0.0 { 0.0 } else { sum };
            }
        }
        &out.as_flattened()[..self.outputs]
    }
}
