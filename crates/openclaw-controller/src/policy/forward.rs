//! The forward pass: a network laid out for one path, and one observation through it without allocation.

use super::kernel::{Block, Checked, LANES, Packed, Path, PathUnavailable, blocks};
use super::network::{Dense, Layout, Network, NetworkError, Normaliser};

/// A network that is ready to run.
#[derive(Clone, Debug)]
pub struct Forward {
    path: Checked,
    layout: Layout,
    scale: Scale,
    trunk: Vec<Packed>,
    shared_head: Packed,
    slots: Option<Slots>,
    /// Blocks of the widest layer.
    blocks: usize,
}

/// The scale of a whole observation, one entry for each number; blocks are filled up with what changes nothing.
#[derive(Clone, Debug)]
struct Scale {
    mean: Vec<Block>,
    std: Vec<Block>,
}

/// The layers that every slot goes through.
#[derive(Clone, Debug)]
struct Slots {
    /// The first layer's part that reads the trunk's answer, the same for all slots.
    from_trunk: Packed,
    /// The first layer's part that reads the slot.
    from_slot: Packed,
    /// The layers after it; none where the first one is the head.
    rest: Vec<Packed>,
}

/// Memory for one forward pass at a time; see [`Forward::scratch`].
#[derive(Clone, Debug)]
pub struct Scratch {
    /// The scaled observation.
    scaled: Vec<Block>,
    /// The trunk's inputs.
    trunk: Vec<f32>,
    /// What layers give, in turns.
    layers: [Vec<Block>; 2],
    /// What the slots' first layer makes of the trunk's answer.
    from_trunk: Vec<Block>,
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
            path: Checked::best(),
            layout: network.layout,
            scale: Scale::new(network),
            trunk: pack(&network.trunk),
            shared_head: Packed::new(&network.shared_head),
            slots: Slots::new(network),
            blocks: network.layers().map(|(_, layer)| blocks(layer.outputs)).max().unwrap_or(1),
        })
    }

    /// The same network over another path, for tests and benchmarks: no path changes a bit.
    ///
    /// # Errors
    /// This processor cannot take that path.
    pub fn over(self, path: Path) -> Result<Self, PathUnavailable> {
        Ok(Self { path: Checked::new(path)?, ..self })
    }

    /// The path it runs over.
    #[must_use]
    pub fn path(&self) -> Path {
        self.path.path()
    }

    /// Its cut of observation and output.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Memory for [`Forward::run`].
    #[must_use]
    pub fn scratch(&self) -> Scratch {
        let blocks = || vec![Block::default(); self.blocks];
        Scratch {
            scaled: self.scale.mean.clone(),
            trunk: vec![0.0; self.layout.trunk_inputs()],
            layers: [blocks(), blocks()],
            from_trunk: blocks(),
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
        match self.path.path() {
            #[cfg(target_arch = "x86_64")]
            #[expect(
                unsafe_code,
                reason = "calls code compiled for instructions that were asked for at run time"
            )]
            // SAFETY: this processor was found to have these instructions.
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
            _ => self.run_inline::<false>(observation, scratch, output),
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx2,fma")]
    fn run_avx512(&self, observation: &[f32], scratch: &mut Scratch, output: &mut [f32]) {
        self.run_inline::<true>(observation, scratch, output);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn run_avx2(&self, observation: &[f32], scratch: &mut Scratch, output: &mut [f32]) {
        self.run_inline::<false>(observation, scratch, output);
    }

    #[cfg(target_arch = "aarch64")]
    #[target_feature(enable = "neon")]
    fn run_neon(&self, observation: &[f32], scratch: &mut Scratch, output: &mut [f32]) {
        self.run_inline::<false>(observation, scratch, output);
    }

    #[inline(always)]
    fn run_inline<const PAIRS: bool>(&self, observation: &[f32], scratch: &mut Scratch, output: &mut [f32]) {
        let Scratch { scaled, trunk, layers, from_trunk } = scratch;
        self.scale.apply(observation, scaled);
        let (shared, of_slots) = scaled.as_flattened()[..observation.len()].split_at(self.layout.shared);
        let (trunk_shared, trunk_slots) = trunk.split_at_mut(self.layout.shared);
        trunk_shared.copy_from_slice(shared);
        largest(of_slots, trunk_slots);
        let (shared_output, slots_output) = output.split_at_mut(self.layout.actions_shared);
        let (answer, free) = through::<PAIRS>(&self.trunk, trunk, layers);
        self.shared_head.apply::<false, PAIRS>(answer, free);
        copy_canonical(free, shared_output);
        let Some(slots) = &self.slots else { return };
        slots.from_trunk.apply::<false, PAIRS>(answer, from_trunk);
        let outputs = slots_output.chunks_exact_mut(self.layout.actions_slot);
        for (features, output) in of_slots.chunks_exact(self.layout.slot).zip(outputs) {
            if is_present(features) {
                slots.run::<PAIRS>(from_trunk, features, layers, output);
            } else {
                output.fill(0.0);
            }
        }
    }
}

impl Scale {
    fn new(network: &Network) -> Self {
        let Layout { shared, slots, .. } = network.layout;
        let whole = |entries: &[f32], nothing: f32| {
            let (of_shared, of_slot) = entries.split_at(shared);
            let mut whole = vec![[nothing; LANES]; blocks(network.layout.observation())];
            let entries = of_shared.iter().chain(std::iter::repeat_n(of_slot, slots).flatten());
            whole.as_flattened_mut().iter_mut().zip(entries).for_each(|(to, entry)| *to = *entry);
            whole
        };
        Self { mean: whole(&network.normaliser.mean, 0.0), std: whole(&network.normaliser.std, 1.0) }
    }

    /// A slot's presence has the entries 0 and 1, so that it comes through as it is.
    #[inline(always)]
    fn apply(&self, observation: &[f32], scaled: &mut [Block]) {
        scaled.as_flattened_mut()[..observation.len()].copy_from_slice(observation);
        for ((numbers, mean), std) in scaled.iter_mut().zip(&self.mean).zip(&self.std) {
            for lane in 0..LANES {
                let scaled = (numbers[lane] - mean[lane]) / std[lane];
                numbers[lane] = scaled.clamp(-Normaliser::CLIP, Normaliser::CLIP);
            }
        }
    }
}

/// The largest of each feature over the present slots; 0 where there is none.
#[inline(always)]
fn largest(slots: &[f32], largest: &mut [f32]) {
    largest.fill(0.0);
    if largest.is_empty() {
        return;
    }
    let mut present = slots.chunks_exact(largest.len()).filter(|features| is_present(features));
    if let Some(first) = present.next() {
        largest.copy_from_slice(first);
    }
    for features in present {
        for (largest, feature) in largest.iter_mut().zip(features) {
            *largest = larger(*largest, *feature);
        }
    }
}

impl Slots {
    fn new(network: &Network) -> Option<Self> {
        let head = network.slot_head.as_ref()?;
        let mut layers = network.slot_hidden.iter().chain([head]);
        let (first, answers) = (layers.next()?, network.trunk_outputs());
        Some(Self {
            from_trunk: Packed::of_inputs(first, 0..answers),
            from_slot: Packed::of_inputs(first, answers..first.inputs),
            rest: layers.map(Packed::new).collect(),
        })
    }

    #[inline(always)]
    fn run<const PAIRS: bool>(
        &self,
        start: &[Block],
        features: &[f32],
        buffers: &mut [Vec<Block>; 2],
        output: &mut [f32],
    ) {
        let [first, second] = buffers.each_mut().map(Vec::as_mut_slice);
        if let Some((head, hidden)) = self.rest.split_last() {
            self.from_slot.apply_from::<true, PAIRS>(start, features, first);
            let (last, free) = rest::<PAIRS>(hidden, self.from_slot.outputs(), first, second);
            head.apply::<false, PAIRS>(last, free);
            copy_canonical(free, output);
        } else {
            self.from_slot.apply_from::<false, PAIRS>(start, features, first);
            copy_canonical(first, output);
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

/// Runs `input` through hidden layers, for which two buffers take turns. Returns what the last one gives, and the
/// buffer that is free.
#[inline(always)]
fn through<'a, const PAIRS: bool>(
    layers: &[Packed],
    input: &'a [f32],
    buffers: &'a mut [Vec<Block>; 2],
) -> (&'a [f32], &'a mut [Block]) {
    let [done, next] = buffers.each_mut().map(Vec::as_mut_slice);
    let Some((first, others)) = layers.split_first() else { return (input, next) };
    first.apply::<true, PAIRS>(input, done);
    rest::<PAIRS>(others, first.outputs(), done, next)
}

/// [`through`] for layers whose input of so many numbers is in `done`.
#[inline(always)]
fn rest<'a, const PAIRS: bool>(
    layers: &[Packed],
    mut inputs: usize,
    mut done: &'a mut [Block],
    mut next: &'a mut [Block],
) -> (&'a [f32], &'a mut [Block]) {
    for layer in layers {
        layer.apply::<true, PAIRS>(&done.as_flattened()[..inputs], next);
        inputs = layer.outputs();
        std::mem::swap(&mut done, &mut next);
    }
    (&done.as_flattened()[..inputs], next)
}

/// Copies as many lanes as are asked for. Which bits mark something as not a number differs between processors;
/// one pattern stands for all.
#[inline(always)]
fn copy_canonical(from: &[Block], to: &mut [f32]) {
    for (to, from) in to.iter_mut().zip(from.as_flattened()) {
        *to = if from.is_nan() { f32::NAN } else { *from };
    }
}

#[cfg(test)]
mod tests;
