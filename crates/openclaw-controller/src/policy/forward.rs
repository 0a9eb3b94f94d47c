//! The forward pass: a network laid out for one path, and one observation through it without allocation.

use super::kernel::{Block, Packed, Task, blocks};
use super::network::{Dense, Layout, Network, NetworkError};
use super::path::{Checked, Path, PathUnavailable};
use super::scale::{Scale, Scaled, is_present};

/// A network that is ready to run.
#[derive(Clone, Debug)]
pub struct Forward {
    path: Checked,
    layout: Layout,
    scale: Scale,
    trunk: Vec<Packed>,
    /// All that reads the trunk's answer: the part of the slots' first layer that does, the same for all slots, and then
    /// the shared head.
    heads: Packed,
    /// Blocks of the former; 0 where slots have no outputs.
    start_blocks: usize,
    slots: Option<Slots>,
    /// Blocks of the widest layer.
    blocks: usize,
}

/// The layers that every slot goes through.
#[derive(Clone, Debug)]
struct Slots {
    /// The first layer's part that reads the slot.
    first: Packed,
    /// The hidden layers after it.
    hidden: Vec<Packed>,
    /// `None` where the first layer is the head.
    head: Option<Packed>,
}

/// Memory for one forward pass at a time; see [`Forward::scratch`].
#[derive(Clone, Debug)]
pub struct Scratch {
    scaled: Scaled,
    /// What layers give, in turns.
    layers: [Vec<Block>; 2],
    /// What is made of the trunk's answer.
    heads: Vec<Block>,
}

impl Forward {
    /// Prepares a network for the fastest path of this processor.
    ///
    /// # Errors
    /// The network's parts do not fit together; see [`Network::check`].
    pub fn new(network: &Network) -> Result<Self, NetworkError> {
        network.check()?;
        let (answers, of_slots) = (network.trunk_outputs(), Slots::first(network));
        let reading = of_slots.into_iter().chain([&network.shared_head]).map(|layer| (layer, 0..answers));
        Ok(Self {
            path: Checked::best(),
            layout: network.layout,
            scale: Scale::new(network),
            trunk: network.trunk.iter().map(Packed::new).collect(),
            heads: Packed::of(&reading.collect::<Vec<_>>()),
            start_blocks: of_slots.map_or(0, |first| blocks(first.outputs)),
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
        let heads = self.start_blocks + self::blocks(self.layout.actions_shared);
        Scratch {
            scaled: self.scale.scratch(),
            layers: [blocks(), blocks()],
            heads: vec![Block::default(); heads],
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
        let Scratch { scaled, layers, heads } = scratch;
        self.scale.apply(self.path, observation, scaled);
        let trunk = scaled.trunk(&self.layout);
        let answer = match self.trunk.split_first() {
            None => trunk,
            Some((first, others)) => {
                let [done, next] = layers.each_mut();
                self.path.apply(first, Task { start: first.bias(), input: trunk, out: done, relu: true });
                self.hidden(others, first.outputs(), done, next).0
            }
        };
        self.path
            .apply(&self.heads, Task { start: self.heads.bias(), input: answer, out: heads, relu: false });
        let (start, of_shared) = heads.split_at(self.start_blocks);
        let (shared_output, slots_output) = output.split_at_mut(self.layout.actions_shared);
        copy_canonical(of_shared, shared_output);
        let Some(slots) = &self.slots else { return };
        let outputs = slots_output.chunks_exact_mut(self.layout.actions_slot);
        for (features, output) in scaled.slots(&self.layout).zip(outputs) {
            if is_present(features) {
                self.slot(slots, start, features, layers, output);
            } else {
                output.fill(0.0);
            }
        }
    }

    fn slot(
        &self,
        slots: &Slots,
        start: &[Block],
        features: &[f32],
        [done, next]: &mut [Vec<Block>; 2],
        output: &mut [f32],
    ) {
        let relu = slots.head.is_some();
        self.path.apply(&slots.first, Task { start, input: features, out: done, relu });
        let Some(head) = &slots.head else { return copy_canonical(done, output) };
        let (last, free) = self.hidden(&slots.hidden, slots.first.outputs(), done, next);
        self.path.apply(head, Task { start: head.bias(), input: last, out: free, relu: false });
        copy_canonical(free, output);
    }

    /// Runs the numbers in `done` through hidden layers, for which two buffers take turns. Returns what the last one
    /// gives, and the buffer that is free.
    fn hidden<'a>(
        &self,
        layers: &[Packed],
        mut inputs: usize,
        mut done: &'a mut [Block],
        mut next: &'a mut [Block],
    ) -> (&'a [f32], &'a mut [Block]) {
        for layer in layers {
            let input = &done.as_flattened()[..inputs];
            self.path.apply(layer, Task { start: layer.bias(), input, out: next, relu: true });
            inputs = layer.outputs();
            std::mem::swap(&mut done, &mut next);
        }
        (&done.as_flattened()[..inputs], next)
    }
}

impl Slots {
    /// The first layer of the slots, which reads the trunk's answer and then the slot.
    fn first(network: &Network) -> Option<&Dense> {
        let head = network.slot_head.as_ref()?;
        Some(network.slot_hidden.first().unwrap_or(head))
    }

    fn new(network: &Network) -> Option<Self> {
        let (head, first) = (network.slot_head.as_ref()?, Self::first(network)?);
        Some(Self {
            first: Packed::of(&[(first, network.trunk_outputs()..first.inputs)]),
            hidden: network.slot_hidden.iter().skip(1).map(Packed::new).collect(),
            head: (!network.slot_hidden.is_empty()).then(|| Packed::new(head)),
        })
    }
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
