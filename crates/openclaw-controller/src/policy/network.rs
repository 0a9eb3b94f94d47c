//! The network as data: what a trainer hands over, an artifact holds and the forward pass is prepared from.
//!
//! Context classes come and go, so a part of the observation is a set of *slots* that all pass through the same
//! weights (Zaheer et al., "Deep Sets", 2017). The trunk sees the largest value of each slot feature; each slot's
//! head sees the trunk's answer beside its own features. A plain network with one input per class lost: it would
//! have to learn every law once per position.
//!
//! ```text
//! observation = [ shared | slot 0 | slot 1 | … ]        the first feature of a slot is its presence, 1 or 0
//! trunk       = ReLU layers of ( shared ++ largest of the present slots, 0 where there is none )
//! output      = [ shared head (trunk) | slot head (ReLU layers of ( trunk ++ slot 0 )) | … ]
//! ```

use std::fmt;

/// A fully connected layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Dense {
    /// Numbers it reads.
    pub inputs: usize,
    /// Numbers it gives.
    pub outputs: usize,
    /// Row-major `[outputs][inputs]`.
    pub weights: Vec<f32>,
    /// One for each output.
    pub bias: Vec<f32>,
}

/// How observation and output are cut into a shared part and slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Features that describe the service as a whole.
    pub shared: usize,
    /// Slots; 0 makes the network a plain one.
    pub slots: usize,
    /// Features of each slot, its presence included; 0 where there are no slots.
    pub slot: usize,
    /// Outputs for the service as a whole.
    pub actions_shared: usize,
    /// Outputs for each slot; may be 0 with slots that are only looked at.
    pub actions_slot: usize,
}

/// Brings features to a common scale: `(x - mean) / std`, clipped to ±[`Normaliser::CLIP`].
///
/// All slots share one scale: `mean` and `std` have [`Layout::normalised`] entries, the shared features' and
/// then one slot's. A slot's presence is never scaled; its entries must be 0 and 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Normaliser {
    /// Subtracted.
    pub mean: Vec<f32>,
    /// Divided by; positive.
    pub std: Vec<f32>,
}

/// A policy network.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// Its cut of observation and output.
    pub layout: Layout,
    /// The scale of its features.
    pub normaliser: Normaliser,
    /// Hidden layers, each followed by ReLU.
    pub trunk: Vec<Dense>,
    /// From the trunk to the shared outputs, linear.
    pub shared_head: Dense,
    /// Hidden layers of the slots, each followed by ReLU; empty where a slot has no outputs.
    pub slot_hidden: Vec<Dense>,
    /// From a slot's last hidden layer to its outputs, linear; `None` where a slot has none.
    pub slot_head: Option<Dense>,
}

/// The largest network that is accepted, so that what a file claims cannot exhaust memory or a tick's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Inputs or outputs of one layer.
    pub width: usize,
    /// Hidden layers of the trunk, and of the slots.
    pub hidden: usize,
    /// Slots.
    pub slots: usize,
}

/// See [`Limits`].
pub const LIMITS: Limits = Limits { width: 1024, hidden: 8, slots: 64 };

/// Why a network is refused; says which part and what was expected there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkError(String);

impl NetworkError {
    pub(super) fn new(fault: String) -> Self {
        Self(fault)
    }
}

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NetworkError {}

impl Layout {
    /// Numbers in an observation.
    #[must_use]
    pub fn observation(&self) -> usize {
        self.shared + self.slots * self.slot
    }

    /// Numbers in an output.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.actions_shared + self.slots * self.actions_slot
    }

    /// Entries of the normaliser: the shared features, then those of one slot.
    #[must_use]
    pub fn normalised(&self) -> usize {
        self.shared + self.slot
    }

    /// Inputs of the trunk: the shared features, then the largest of each slot feature.
    #[must_use]
    pub fn trunk_inputs(&self) -> usize {
        self.shared + self.slot
    }
}

impl Normaliser {
    /// Scaled features lie within ± this.
    pub const CLIP: f32 = 10.0;

    /// The scale that changes nothing but the clip.
    #[must_use]
    pub fn identity(layout: &Layout) -> Self {
        let entries = layout.normalised();
        Self { mean: vec![0.0; entries], std: vec![1.0; entries] }
    }
}

impl Network {
    /// Numbers that the trunk hands to the heads.
    #[must_use]
    pub fn trunk_outputs(&self) -> usize {
        self.trunk.last().map_or(self.layout.trunk_inputs(), |layer| layer.outputs)
    }

    /// Every layer with the name that errors and artifacts give it, in the order of the forward pass.
    pub fn layers(&self) -> impl Iterator<Item = (String, &Dense)> {
        let trunk = self.trunk.iter().enumerate().map(|(index, layer)| (format!("trunk.{index}"), layer));
        let slots = self.slot_hidden.iter().enumerate();
        trunk
            .chain([("shared_head".to_owned(), &self.shared_head)])
            .chain(slots.map(|(index, layer)| (format!("slot_hidden.{index}"), layer)))
            .chain(self.slot_head.iter().map(|layer| ("slot_head".to_owned(), layer)))
    }

    /// Checks that all parts fit together, are finite and within [`LIMITS`].
    ///
    /// # Errors
    /// They do not; the error names the first part that is wrong.
    pub fn check(&self) -> Result<(), NetworkError> {
        self.check_layout()?;
        self.check_normaliser()?;
        for (name, hidden) in [("trunk", &self.trunk), ("slot_hidden", &self.slot_hidden)] {
            at_most(&format!("layers of {name}"), hidden.len(), LIMITS.hidden)?;
        }
        for (name, layer) in self.layers() {
            layer.check(&name)?;
        }
        let trunk = chain("trunk.", &self.trunk, self.layout.trunk_inputs())?;
        join("shared_head", &self.shared_head, trunk, self.layout.actions_shared)?;
        let hidden = chain("slot_hidden.", &self.slot_hidden, trunk + self.layout.slot)?;
        match &self.slot_head {
            Some(head) if self.layout.actions_slot > 0 => {
                join("slot_head", head, hidden, self.layout.actions_slot)
            }
            None if self.layout.actions_slot == 0 && self.slot_hidden.is_empty() => Ok(()),
            _ => Err(NetworkError(format!(
                "a slot has {} outputs: slot_head must be there where that is not 0, and neither it nor slot_hidden \
                 otherwise",
                self.layout.actions_slot
            ))),
        }
    }

    fn check_layout(&self) -> Result<(), NetworkError> {
        let Layout { shared, slots, slot, actions_shared, actions_slot } = self.layout;
        at_most("slots", slots, LIMITS.slots)?;
        for (name, count) in [("shared features", shared), ("shared outputs", actions_shared)] {
            at_least_one(name, count)?;
            at_most(name, count, LIMITS.width)?;
        }
        for (name, count) in [("features of a slot", slot), ("outputs of a slot", actions_slot)] {
            at_most(name, count, LIMITS.width)?;
            if slots == 0 && count != 0 {
                return Err(NetworkError(format!("the layout has no slots but {count} {name}")));
            }
        }
        if slots > 0 { at_least_one("features of a slot", slot) } else { Ok(()) }
    }

    fn check_normaliser(&self) -> Result<(), NetworkError> {
        let Normaliser { mean, std } = &self.normaliser;
        for (name, entries) in [("normaliser.mean", mean), ("normaliser.std", std)] {
            expect(name, "entries", entries.len(), self.layout.normalised())?;
            finite(name, entries)?;
        }
        if let Some(index) = std.iter().position(|std| *std <= 0.0) {
            return Err(NetworkError(format!(
                "normaliser.std[{index}] is {}, and must be positive",
                std[index]
            )));
        }
        let presence = self.layout.shared;
        if self.layout.slots > 0 && (mean[presence], std[presence]) != (0.0, 1.0) {
            return Err(NetworkError(format!(
                "normaliser entry {presence} is a slot's presence, which is not scaled: mean must be 0 and std 1"
            )));
        }
        Ok(())
    }
}

impl Dense {
    fn check(&self, name: &str) -> Result<(), NetworkError> {
        for (side, count) in [("inputs", self.inputs), ("outputs", self.outputs)] {
            at_least_one(&format!("{side} of {name}"), count)?;
            // A slot's first layer reads the trunk's answer and the slot.
            at_most(&format!("{side} of {name}"), count, 2 * LIMITS.width)?;
        }
        expect(&format!("{name}.weights"), "numbers", self.weights.len(), self.inputs * self.outputs)?;
        expect(&format!("{name}.bias"), "numbers", self.bias.len(), self.outputs)?;
        finite(&format!("{name}.weights"), &self.weights)?;
        finite(&format!("{name}.bias"), &self.bias)
    }
}

/// Checks that each layer reads what the one before gives; returns what the last one gives.
fn chain(prefix: &str, layers: &[Dense], inputs: usize) -> Result<usize, NetworkError> {
    layers.iter().enumerate().try_fold(inputs, |inputs, (index, layer)| {
        expect(&format!("{prefix}{index}"), "inputs", layer.inputs, inputs)?;
        Ok(layer.outputs)
    })
}

fn join(name: &str, layer: &Dense, inputs: usize, outputs: usize) -> Result<(), NetworkError> {
    expect(name, "inputs", layer.inputs, inputs)?;
    expect(name, "outputs", layer.outputs, outputs)
}

fn expect(name: &str, what: &str, found: usize, expected: usize) -> Result<(), NetworkError> {
    if found == expected {
        return Ok(());
    }
    Err(NetworkError(format!("{name} has {found} {what}, and must have {expected}")))
}

fn at_most(name: &str, count: usize, most: usize) -> Result<(), NetworkError> {
    if count <= most {
        return Ok(());
    }
    Err(NetworkError(format!("{count} {name} are more than the {most} that are accepted")))
}

fn at_least_one(name: &str, count: usize) -> Result<(), NetworkError> {
    if count > 0 {
        return Ok(());
    }
    Err(NetworkError(format!("there are no {name}")))
}

fn finite(name: &str, numbers: &[f32]) -> Result<(), NetworkError> {
    match numbers.iter().position(|number| !number.is_finite()) {
        None => Ok(()),
        Some(index) => {
            Err(NetworkError(format!("{name}[{index}] is {}, not a finite number", numbers[index])))
        }
    }
}
