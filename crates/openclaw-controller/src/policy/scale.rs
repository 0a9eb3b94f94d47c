//! What the trunk reads: the observation on a common scale, and of the slots the largest of each feature.
//!
//! In whole blocks from beginning to end: numbers past the last one are computed along and never read, which costs nothing,
//! while a loop over the seven features of a slot costs as much as all blocks together.

use super::kernel::{Block, LANES, blocks};
use super::network::{Layout, Network, Normaliser};
use super::path::{Checked, Path};

/// The scale of a whole observation, one entry for each number; blocks are filled up with what changes nothing.
#[derive(Clone, Debug)]
pub(super) struct Scale {
    layout: Layout,
    mean: Vec<Block>,
    std: Vec<Block>,
}

/// Memory for what the network reads.
#[derive(Clone, Debug)]
pub(super) struct Scaled {
    /// The whole observation, and a block more.
    all: Vec<Block>,
    /// The trunk's inputs, and a block more.
    trunk: Vec<Block>,
}

impl Scaled {
    /// The trunk's inputs.
    pub(super) fn trunk(&self, layout: &Layout) -> &[f32] {
        &self.trunk.as_flattened()[..layout.trunk_inputs()]
    }

    /// The features of each slot.
    pub(super) fn slots(&self, layout: &Layout) -> impl Iterator<Item = &[f32]> {
        let of_slots = &self.all.as_flattened()[layout.shared..layout.observation()];
        of_slots.chunks_exact(layout.slot.max(1))
    }
}

impl Scale {
    pub(super) fn new(network: &Network) -> Self {
        let Layout { shared, slots, .. } = network.layout;
        let whole = |entries: &[f32], nothing: f32| {
            let (of_shared, of_slot) = entries.split_at(shared);
            let mut whole = vec![[nothing; LANES]; blocks(network.layout.observation())];
            let entries = of_shared.iter().chain(std::iter::repeat_n(of_slot, slots).flatten());
            whole.as_flattened_mut().iter_mut().zip(entries).for_each(|(to, entry)| *to = *entry);
            whole
        };
        let Normaliser { mean, std } = &network.normaliser;
        Self { layout: network.layout, mean: whole(mean, 0.0), std: whole(std, 1.0) }
    }

    pub(super) fn scratch(&self) -> Scaled {
        let memory = |numbers: usize| vec![Block::default(); blocks(numbers) + 1];
        Scaled { all: memory(self.layout.observation()), trunk: memory(self.layout.trunk_inputs()) }
    }

    /// Scales an observation.
    pub(super) fn apply(&self, path: Checked, observation: &[f32], scaled: &mut Scaled) {
        match path.path() {
            #[cfg(target_arch = "x86_64")]
            #[expect(
                unsafe_code,
                reason = "calls code compiled for instructions that were asked for at run time"
            )]
            // SAFETY: this processor was found to have these instructions.
            Path::Avx512 => unsafe { self.apply_avx512(observation, scaled) },
            #[cfg(target_arch = "x86_64")]
            #[expect(
                unsafe_code,
                reason = "calls code compiled for instructions that were asked for at run time"
            )]
            // SAFETY: as above.
            Path::Avx2 => unsafe { self.apply_avx2(observation, scaled) },
            _ => self.apply_inline(observation, scaled),
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx2,fma")]
    fn apply_avx512(&self, observation: &[f32], scaled: &mut Scaled) {
        self.apply_inline(observation, scaled);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn apply_avx2(&self, observation: &[f32], scaled: &mut Scaled) {
        self.apply_inline(observation, scaled);
    }

    #[inline(always)]
    fn apply_inline(&self, observation: &[f32], Scaled { all, trunk }: &mut Scaled) {
        all.as_flattened_mut()[..observation.len()].copy_from_slice(observation);
        // A slot's presence has the entries 0 and 1, so that it comes through as it is.
        for ((numbers, mean), std) in all.iter_mut().zip(&self.mean).zip(&self.std) {
            *numbers = scaled(*numbers, mean, std);
        }
        let Layout { shared, slots, slot, .. } = self.layout;
        for (to, from) in trunk.iter_mut().zip(&all[..blocks(shared)]) {
            *to = *from;
        }
        let (all, trunk) = (all.as_flattened(), trunk.as_flattened_mut());
        for first in (0..slot).step_by(LANES) {
            largest(all, (shared, slots, slot), first, &mut trunk[shared + first..]);
        }
    }
}

#[inline(always)]
fn scaled(mut numbers: Block, mean: &Block, std: &Block) -> Block {
    for ((number, mean), std) in numbers.iter_mut().zip(mean).zip(std) {
        let scaled = (*number - mean) / std;
        let scaled = if scaled > Normaliser::CLIP { Normaliser::CLIP } else { scaled };
        *number = if scaled < -Normaliser::CLIP { -Normaliser::CLIP } else { scaled };
    }
    numbers
}

/// The largest of each feature from `first` on over the present slots, a block of them; 0 where there is none.
#[inline(always)]
fn largest(all: &[f32], (shared, slots, slot): (usize, usize, usize), first: usize, out: &mut [f32]) {
    let mut largest = [0.0; LANES];
    let mut is_first = true;
    for number in 0..slots {
        let features = shared + number * slot;
        if !is_present(&all[features..]) {
            continue;
        }
        let block = &all[features + first..][..LANES];
        for (largest, feature) in largest.iter_mut().zip(block) {
            *largest = if is_first { *feature } else { larger(*largest, *feature) };
        }
        is_first = false;
    }
    out[..LANES].copy_from_slice(&largest);
}

/// A presence that is not a number counts as present, so that it shows in the output.
#[inline(always)]
pub(super) fn is_present(features: &[f32]) -> bool {
    features[0] > 0.5 || features[0].is_nan()
}

/// The larger of two numbers; not a number where one of them is not. `f32::max` would hide that, and leaves open
/// which zero it gives.
#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    if b > a || b.is_nan() { b } else { a }
}
