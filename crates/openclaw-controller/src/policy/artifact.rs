//! The file that a trained policy travels in: a network, what its numbers mean, where it came from, and examples of
//! what it answers.
//!
//! It is one safetensors file: weights, scale and examples are tensors, everything else is one JSON document in the
//! header's `__metadata__`. A pair `NAME.safetensors` and `NAME.json` lost: two files can be mixed up, replaced one
//! before the other, or checked one without the other, and floating-point examples would pass through decimal
//! text. Any safetensors reader opens the file; `openclaw policy show` prints the document.
//!
//! An artifact that is loaded can be trusted to decide as it did when it was made: other rows, other guardrails,
//! parts that do not fit, numbers that are not finite, and examples that do not come out bit for bit are refused.

use std::fmt;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use safetensors::{SafeTensorError, serialize};

use super::forward::Forward;
use super::learned::LearnedPolicy;
use super::network::{Dense, LIMITS, Network, NetworkError, Normaliser};
use super::output::Output;

mod info;

pub use info::{ARTIFACT_FORMAT, ArtifactInfo, Provenance, VERSION_BYTES_MAX};

/// Examples in every artifact.
pub const EXAMPLES: usize = 32;
/// Bytes of the largest file that is read.
pub const ARTIFACT_BYTES_MAX: usize = 16 << 20;
/// The document's key in the header's `__metadata__`.
const INFO_KEY: &str = "openclaw-policy";

/// A trained policy with everything needed to trust it.
#[derive(Clone, Debug, PartialEq)]
pub struct Artifact {
    info: ArtifactInfo,
    output: Output,
    network: Network,
    /// Observation rows, one after the other.
    rows: Vec<f32>,
    /// What the network gave for each row.
    answers: Vec<f32>,
}

/// Why an artifact is refused.
#[derive(Debug)]
#[non_exhaustive]
pub enum ArtifactError {
    /// The file is larger than [`ARTIFACT_BYTES_MAX`].
    TooLarge(usize),
    /// It is no safetensors file, or a broken one.
    NotSafetensors(SafeTensorError),
    /// Its header has no document, or one that cannot be read.
    Document(String),
    /// It was made for other rows, guardrails or another version of this format.
    Foreign(String),
    /// A tensor is missing, superfluous or of the wrong type.
    Tensor(String),
    /// The network's parts do not fit together.
    Network(NetworkError),
    /// An example is not finite or does not come out as it was recorded.
    Example(String),
}

impl fmt::Display for ArtifactError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge(bytes) => {
                write!(f, "the policy file has {bytes} bytes; at most {ARTIFACT_BYTES_MAX} are read")
            }
            Self::NotSafetensors(_) => {
                f.write_str("this is not a policy file: it is no sound safetensors file")
            }
            Self::Document(fault) => {
                write!(f, "the document in the policy file's header cannot be used: {fault}")
            }
            Self::Foreign(fault) => {
                write!(f, "the policy was made for another version and must be trained anew: {fault}")
            }
            Self::Tensor(fault) => write!(f, "the policy file's tensors are wrong: {fault}"),
            Self::Network(_) => f.write_str("the policy's network is unsound"),
            Self::Example(fault) => {
                write!(f, "the policy does not decide as it did when it was made: {fault}")
            }
        }
    }
}

impl std::error::Error for ArtifactError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NotSafetensors(source) => Some(source),
            Self::Network(source) => Some(source),
            _ => None,
        }
    }
}

impl From<NetworkError> for ArtifactError {
    fn from(error: NetworkError) -> Self {
        Self::Network(error)
    }
}

impl Artifact {
    /// Makes an artifact; what the network answers to `rows` becomes its examples. `rows` are [`EXAMPLES`]
    /// observation rows, one after the other, best taken from where the policy will work.
    ///
    /// # Errors
    /// The parts do not fit together, or something is not finite.
    pub fn new(
        network: Network,
        output: Output,
        provenance: Provenance,
        rows: Vec<f32>,
    ) -> Result<Self, ArtifactError> {
        network.check()?;
        output.check(&network.layout)?;
        let info = ArtifactInfo::new(provenance, output, network.layout);
        info.check()?;
        let expected = EXAMPLES * network.layout.observation();
        if rows.len() != expected {
            let fault = format!("{EXAMPLES} example rows have {expected} numbers, not {}", rows.len());
            return Err(ArtifactError::Example(fault));
        }
        let answers = answers(&network, &rows)?;
        for (name, numbers) in [("rows", &rows), ("answers", &answers)] {
            if !numbers.iter().all(|number| number.is_finite()) {
                return Err(ArtifactError::Example(format!("the example {name} are not all finite")));
            }
        }
        Ok(Self { info, output, network, rows, answers })
    }

    /// Reads a file's bytes and checks everything in it.
    ///
    /// # Errors
    /// It is refused; the error says what is wrong with it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ArtifactError> {
        if bytes.len() > ARTIFACT_BYTES_MAX {
            return Err(ArtifactError::TooLarge(bytes.len()));
        }
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(ArtifactError::NotSafetensors)?;
        let document = header.metadata().as_ref().and_then(|document| document.get(INFO_KEY));
        let document = document
            .ok_or_else(|| ArtifactError::Document(format!("__metadata__ has no entry {INFO_KEY:?}")))?;
        let info = ArtifactInfo::from_json(document)?;
        let output = info.output()?;

        let tensors = SafeTensors::deserialize(bytes).map_err(ArtifactError::NotSafetensors)?;
        let mut tensors = Tensors { tensors: &tensors, taken: 0 };
        let network = Network {
            layout: info.layout(),
            normaliser: Normaliser {
                mean: tensors.take("normaliser.mean")?,
                std: tensors.take("normaliser.std")?,
            },
            trunk: tensors.layers("trunk")?,
            shared_head: tensors.layer("shared_head")?,
            slot_hidden: tensors.layers("slot_hidden")?,
            slot_head: tensors.has("slot_head.weight").then(|| tensors.layer("slot_head")).transpose()?,
        };
        let (_, rows) = tensors.matrix("examples.rows")?;
        let (_, answers) = tensors.matrix("examples.answers")?;
        tensors.all_taken()?;

        let artifact = Self::new(network, output, info.provenance.clone(), rows)?;
        artifact.check_answers(&answers)?;
        Ok(artifact)
    }

    fn check_answers(&self, recorded: &[f32]) -> Result<(), ArtifactError> {
        if self.answers.len() != recorded.len() {
            let fault =
                format!("{} example answers are recorded, not {}", recorded.len(), self.answers.len());
            return Err(ArtifactError::Example(fault));
        }
        let mut pairs = self.answers.iter().zip(recorded);
        let Some(index) = pairs.position(|(now, then)| now.to_bits() != then.to_bits()) else {
            return Ok(());
        };
        let outputs = self.network.layout.outputs();
        Err(ArtifactError::Example(format!(
            "output {} of example {} is {:e} and was {:e}",
            index % outputs,
            index / outputs,
            self.answers[index],
            recorded[index]
        )))
    }

    /// The file's bytes; the same artifact always has the same.
    ///
    /// # Errors
    /// It is larger than what would be read back.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ArtifactError> {
        let layout = &self.network.layout;
        let Normaliser { mean, std } = &self.network.normaliser;
        let mut tensors = vec![
            Tensor::new("normaliser.mean", vec![mean.len()], mean),
            Tensor::new("normaliser.std", vec![std.len()], std),
            Tensor::new("examples.rows", vec![EXAMPLES, layout.observation()], &self.rows),
            Tensor::new("examples.answers", vec![EXAMPLES, layout.outputs()], &self.answers),
        ];
        for (name, layer) in self.network.layers() {
            tensors.push(Tensor::new(
                format!("{name}.weight"),
                vec![layer.outputs, layer.inputs],
                &layer.weights,
            ));
            tensors.push(Tensor::new(format!("{name}.bias"), vec![layer.outputs], &layer.bias));
        }
        let views = tensors
            .iter()
            .map(|tensor| {
                TensorView::new(Dtype::F32, tensor.shape.clone(), &tensor.bytes)
                    .map(|view| (tensor.name.as_str(), view))
            })
            .collect::<Result<Vec<_>, _>>()
            .map_err(ArtifactError::NotSafetensors)?;
        // One entry only: several would be written in the order of a hash map.
        let document = [(INFO_KEY.to_owned(), self.info.to_json())].into_iter().collect();
        let bytes = serialize(views, Some(document)).map_err(ArtifactError::NotSafetensors)?;
        if bytes.len() > ARTIFACT_BYTES_MAX { Err(ArtifactError::TooLarge(bytes.len())) } else { Ok(bytes) }
    }

    /// What it is and where it came from.
    #[must_use]
    pub fn info(&self) -> &ArtifactInfo {
        &self.info
    }

    /// Its network.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// What the network's outputs are.
    #[must_use]
    pub fn output(&self) -> Output {
        self.output
    }

    /// The example rows and the network's answers to them, in pairs.
    pub fn examples(&self) -> impl Iterator<Item = (&[f32], &[f32])> {
        let layout = &self.network.layout;
        self.rows.chunks_exact(layout.observation()).zip(self.answers.chunks_exact(layout.outputs()))
    }

    /// The policy, ready to decide. `start_per_s` is the configured start of R, in work units per second.
    ///
    /// # Errors
    /// None that [`Artifact::new`] and [`Artifact::from_bytes`] do not find first.
    pub fn policy(&self, start_per_s: f64) -> Result<LearnedPolicy, NetworkError> {
        LearnedPolicy::new(&self.network, self.output, self.info.provenance.version.clone(), start_per_s)
    }
}

/// What the network gives for each row.
fn answers(network: &Network, rows: &[f32]) -> Result<Vec<f32>, NetworkError> {
    let forward = Forward::new(network)?;
    let (layout, mut scratch) = (network.layout, forward.scratch());
    let mut answers = vec![0.0; rows.len() / layout.observation() * layout.outputs()];
    for (row, answer) in
        rows.chunks_exact(layout.observation()).zip(answers.chunks_exact_mut(layout.outputs()))
    {
        forward.run(row, &mut scratch, answer);
    }
    Ok(answers)
}

/// One tensor as it is written.
struct Tensor {
    name: String,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Tensor {
    fn new(name: impl Into<String>, shape: Vec<usize>, numbers: &[f32]) -> Self {
        let bytes = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        Self { name: name.into(), shape, bytes }
    }
}

/// A file's tensors; counts which were taken, so that none is left over.
struct Tensors<'a> {
    tensors: &'a SafeTensors<'a>,
    taken: usize,
}

impl Tensors<'_> {
    fn has(&self, name: &str) -> bool {
        self.tensors.tensor(name).is_ok()
    }

    fn view(&mut self, name: &str) -> Result<TensorView<'_>, ArtifactError> {
        let view =
            self.tensors.tensor(name).map_err(|_| ArtifactError::Tensor(format!("{name} is missing")))?;
        if view.dtype() != Dtype::F32 {
            return Err(ArtifactError::Tensor(format!("{name} is {:?}, and must be F32", view.dtype())));
        }
        self.taken += 1;
        Ok(view)
    }

    /// One row of numbers.
    fn take(&mut self, name: &str) -> Result<Vec<f32>, ArtifactError> {
        let view = self.view(name)?;
        match view.shape() {
            [_] => Ok(numbers(&view)),
            shape => {
                Err(ArtifactError::Tensor(format!("{name} has shape {shape:?}, and must have one dimension")))
            }
        }
    }

    /// A matrix, with its shape.
    fn matrix(&mut self, name: &str) -> Result<([usize; 2], Vec<f32>), ArtifactError> {
        let view = self.view(name)?;
        match view.shape() {
            &[rows, columns] => Ok(([rows, columns], numbers(&view))),
            shape => Err(ArtifactError::Tensor(format!(
                "{name} has shape {shape:?}, and must have two dimensions"
            ))),
        }
    }

    fn layer(&mut self, name: &str) -> Result<Dense, ArtifactError> {
        let bias = self.take(&format!("{name}.bias"))?;
        let ([outputs, inputs], weights) = self.matrix(&format!("{name}.weight"))?;
        Ok(Dense { inputs, outputs, weights, bias })
    }

    fn layers(&mut self, part: &str) -> Result<Vec<Dense>, ArtifactError> {
        let names = (0..=LIMITS.hidden).map(|index| format!("{part}.{index}"));
        let present: Vec<String> = names.take_while(|name| self.has(&format!("{name}.weight"))).collect();
        present.iter().map(|name| self.layer(name)).collect()
    }

    fn all_taken(&self) -> Result<(), ArtifactError> {
        let superfluous = self.tensors.len() - self.taken;
        if superfluous == 0 {
            return Ok(());
        }
        Err(ArtifactError::Tensor(format!("{superfluous} of {} are not a policy's", self.tensors.len())))
    }
}

fn numbers(view: &TensorView<'_>) -> Vec<f32> {
    let (numbers, _) = view.data().as_chunks::<4>();
    numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

#[cfg(test)]
mod tests;
