//! The forward pass: a network laid out for one path, and one observation through it without allocation.

use super::kernel::{Block, Packed, Path, PathUnavailable, blocks};
use super::network::{Dense, Layout, Network, NetworkError, Normaliser};

/// A network that is ready to run.
#[derive(Clone, Debug)]
pub struct Forward {
    path: Path,
    layout: Layout,
    normaliser: Normaliser,
    trunk: Vec<Packed>,
    shared_head: Packed,
    slot_hidden: Vec<Packed>,
    slot_head: Option<Packed>,
    /// Blocks of the widest layer.
    blocks: usize,
}

/// Memory for one forward pass at a time; see [`Forward::scratch`].
#[derive(Clone, Debug)]
pub struct Scratch {
    /// The trunk's inputs.
    trunk: Vec<f32>,
    /// One slot's inputs: the trunk's answer, then the slot's features.
    slot: Vec<f32>,
    /// The slots' normalised features.
    slots: Vec<f32>,
    /// What hidden layers give, in turns.
    hidden: [Vec<Block>; 2],
    /// What a head gives.
    head: Vec<Block>,
}

impl Forward {
    /// Prepares a network for the fastest path of this processor.
    ///
    /// # Errors
    /// The network's parts do not fit together; see [`Network::check`].
    pub fn new(network: &Network) -> Result<Self, NetworkError> {
        network.check()?;
        let pack = |layers: &[Dense]| layers.iter().map(Packed::new).collect::<Vec<_>>();
        Ok(Self {
            path: Path::best(),
            layout: network.layout,
            normaliser: network.normaliser.clone(),
            trunk: pack(&network.trunk),
            shared_head: Packed::new(&network.shared_head),
            slot_hidden: pack(&network.slot_hidden),
            slot_head: network.slot_head.as_ref().map(Packed::new),
            blocks: network.layers().map(|(_, layer)| blocks(layer.outputs)).max().unwrap_or(1),
        })
    }

    /// The same network over another path, for tests and benchmarks: no path changes a bit.
    ///
    /// # Errors
    /// This processor cannot take that path.
    pub fn over(self, path: Path) -> Result<Self, PathUnavailable> {
        if path.is_available() { Ok(Self { path, ..self }) } else { Err(PathUnavailable(path)) }
    }

    /// The path it runs over.
    #[must_use]
    pub fn path(&self) -> Path {
        self.path
    }

    /// Its cut of observation and output.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Memory for [`Forward::run`].
    #[must_use]
    pub fn scratch(&self) -> Scratch {
        let trunk_outputs = self.trunk.last().map_or(self.layout.trunk_inputs(), Packed::outputs);
        Scratch {
            trunk: vec![0.0; self.layout.trunk_inputs()],
            slot: vec![0.0; trunk_outputs + self.layout.slot],
            slots: vec![0.0; self.layout.slots * self.layout.slot],
            hidden: [vec![Block::default(); self.blocks], vec![Block::default(); self.blocks]],
            head: vec![Block::default(); self.blocks],
        }
    }

    /// Writes the network's output for one observation. Outputs of absent slots are 0; those of a network fed
    /// with something that is not a number are [`f32::NAN`].
    ///
    /// # Panics
    /// `observation` or `output` do not have the lengths that the [`Layout`] says, or `scratch` is another
    /// network's.
    pub fn run(&self, observation: &[f32], scratch: &mut Scratch, output: &mut [f32]) {
        assert_eq!(observation.len(), self.layout.observation(), "numbers in an observation");
        assert_eq!(output.len(), self.layout.outputs(), "numbers in an output");
        match self.path {
            #[cfg(target_arch = "x86_64")]
            #[expect(
                unsafe_code,
                reason = "calls code compiled for instructions that were asked for at run time"
            )]
            // SAFETY: a path other than the scalar one is only ever set after `Path::is_available` said that this
            // processor has its instructions.
            Path::Avx512 => unsafe { self.run_avx512(observation, scratch, output) },
            #[cfg(target_arch = "x86_64")]
            #[expect(
                unsafe_code,
                reason = "calls code compiled for instructions that were asked for at run time"
            )]
            // SAFETY: as above.
            Path::Avx2 => unsafe { self.run_avx2(observation, scratch, output) },
            #[cfg(target_arch = "aarch64")]
            #[expect(
                unsafe_code,
                reason = "calls code compiled for instructions that were asked for at run time"
            )]
            // SAFETY: as above.
            Path::Neon => unsafe { self.run_neon(observation, scratch, output) },
            _ => self.run_inline(observation, scratch, output),
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx2,fma")]
    fn run_avx512(&self, observation: &[f32], scratch: &mut Scratch, output: &mut [f32]) {
        self.run_inline(observation, scratch, output);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn run_avx2(&self, observation: &[f32], scratch: &mut Scratch, output: &mut [f32]) {
        self.run_inline(observation, scratch, output);
    }

    #[cfg(target_arch = "aarch64")]
    #[target_feature(enable = "neon")]
    fn run_neon(&self, observation: &[f32], scratch: &mut Scratch, output: &mut [f32]) {
        self.run_inline(observation, scratch, output);
    }

    #[inline(always)]
    fn run_inline(&self, observation: &[f32], scratch: &mut Scratch, output: &mut [f32]) {
        let Scratch { trunk, slot, slots, hidden, head } = scratch;
        self.normalise(observation, trunk, slots);
        let answers = slot.len() - self.layout.slot;
        slot[..answers].copy_from_slice(through(&self.trunk, trunk, hidden));
        let (shared_output, slots_output) = output.split_at_mut(self.layout.actions_shared);
        copy_canonical(self.shared_head.apply::<false>(&slot[..answers], head), shared_output);
        let Some(slot_head) = &self.slot_head else { return };
        let outputs = slots_output.chunks_exact_mut(self.layout.actions_slot);
        for (features, output) in slots.chunks_exact(self.layout.slot).zip(outputs) {
            if is_present(features) {
                slot[answers..].copy_from_slice(features);
                let last = through(&self.slot_hidden, slot, hidden);
                copy_canonical(slot_head.apply::<false>(last, head), output);
            } else {
                output.fill(0.0);
            }
        }
    }

    /// Fills the trunk's inputs and the slots' scaled features.
    #[inline(always)]
    fn normalise(&self, observation: &[f32], trunk: &mut [f32], slots: &mut [f32]) {
        let Normaliser { mean, std } = &self.normaliser;
        let (shared, observed_slots) = observation.split_at(self.layout.shared);
        let (shared_mean, slot_mean) = mean.split_at(self.layout.shared);
        let (shared_std, slot_std) = std.split_at(self.layout.shared);
        let (trunk_shared, largest) = trunk.split_at_mut(self.layout.shared);
        scale(shared, shared_mean, shared_std, trunk_shared);
        largest.fill(0.0);
        if self.layout.slots == 0 {
            return;
        }
        let mut any = false;
        let observed = observed_slots.chunks_exact(self.layout.slot);
        for (observed, scaled) in observed.zip(slots.chunks_exact_mut(self.layout.slot)) {
            // The presence's own entries are 0 and 1, so that it comes through as it is.
            scale(observed, slot_mean, slot_std, scaled);
            if !is_present(scaled) {
                continue;
            }
            if any {
                for (largest, scaled) in largest.iter_mut().zip(scaled.iter()) {
                    *largest = larger(*largest, *scaled);
                }
            } else {
                largest.copy_from_slice(scaled);
                any = true;
            }
        }
    }
}

/// A presence that is not a number counts as present, so that it shows in the output.
#[inline(always)]
fn is_present(features: &[f32]) -> bool {
    features[0] > 0.5 || features[0].is_nan()
}

/// The larger of two numbers; not a number where one of them is not. `f32::max` would hide that, and leaves open
/// which zero it gives.
#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    if b > a || b.is_nan() { b } else { a }
}

#[inline(always)]
fn scale(from: &[f32], mean: &[f32], std: &[f32], to: &mut [f32]) {
    for (((to, from), mean), std) in to.iter_mut().zip(from).zip(mean).zip(std) {
        *to = ((from - mean) / std).clamp(-Normaliser::CLIP, Normaliser::CLIP);
    }
}

/// Runs `input` through hidden layers; the two buffers take turns.
#[inline(always)]
fn through<'a>(layers: &[Packed], input: &'a [f32], buffers: &'a mut [Vec<Block>; 2]) -> &'a [f32] {
    let Some((first, rest)) = layers.split_first() else { return input };
    let [mut done, mut next] = buffers.each_mut();
    first.apply::<true>(input, done);
    let mut outputs = first.outputs();
    for layer in rest {
        layer.apply::<true>(&done.as_flattened()[..outputs], next);
        outputs = layer.outputs();
        std::mem::swap(&mut done, &mut next);
    }
    &done.as_flattened()[..outputs]
}

/// Which bits mark something as not a number differs between processors; one pattern stands for all.
#[inline(always)]
fn copy_canonical(from: &[f32], to: &mut [f32]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = if from.is_nan() { f32::NAN } else { *from };
    }
}

#[cfg(test)]
mod tests;
