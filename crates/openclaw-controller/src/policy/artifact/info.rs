//! The document in an artifact's header: what the numbers mean, behind which guardrails they were learned, and where
//! they came from.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ArtifactError;
use crate::policy::network::Layout;
use crate::policy::output::Output;
use crate::policy::{action, guardrails, schema};

/// Version of the file's own form.
pub const ARTIFACT_FORMAT: u32 = 1;
/// Bytes of the longest version name.
pub const VERSION_BYTES_MAX: usize = 64;
/// Bytes of any other text.
const TEXT_BYTES_MAX: usize = 4096;
/// Scores at most.
const SCORES_MAX: usize = 1000;

/// Where a policy came from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Provenance {
    /// Its name in answers, logs and metrics: letters, digits, `.`, `_` and `-`.
    pub version: String,
    /// The learning algorithm.
    pub algorithm: String,
    /// The command that makes it again.
    pub command: String,
    /// The seed of that command.
    pub seed: u64,
    /// The source's commit.
    pub commit: String,
    /// What it scored, by name.
    pub scores: BTreeMap<String, f64>,
}

/// What is known of an artifact besides its numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ArtifactInfo {
    /// [`ARTIFACT_FORMAT`].
    pub format: u32,
    /// Where it came from.
    pub provenance: Provenance,
    /// [`schema::SCHEMA_VERSION`].
    pub schema: u32,
    /// Every number of an observation row.
    pub features: Vec<String>,
    /// Every number of an output row.
    pub actions: Vec<String>,
    /// The limits behind which it learned.
    pub guardrails: BTreeMap<String, f64>,
    /// What the network's outputs are.
    output: String,
    layout: LayoutDocument,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct LayoutDocument {
    shared: usize,
    slots: usize,
    slot: usize,
    actions_shared: usize,
    actions_slot: usize,
}

impl ArtifactInfo {
    pub(super) fn new(provenance: Provenance, output: Output, layout: Layout) -> Self {
        let Layout { shared, slots, slot, actions_shared, actions_slot } = layout;
        Self {
            format: ARTIFACT_FORMAT,
            provenance,
            schema: schema::SCHEMA_VERSION,
            features: schema::feature_names().collect(),
            actions: schema::action_names().collect(),
            guardrails: limits(),
            output: output.name().to_owned(),
            layout: LayoutDocument { shared, slots, slot, actions_shared, actions_slot },
        }
    }

    pub(super) fn from_json(document: &str) -> Result<Self, ArtifactError> {
        let info: Self =
            serde_json::from_str(document).map_err(|error| ArtifactError::Document(error.to_string()))?;
        info.check()?;
        Ok(info)
    }

    /// The document as it stands in the file.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Its fields are texts, numbers and maps with texts as keys: all of that can be written.
        serde_json::to_string(self).expect("a document of texts and numbers can be written")
    }

    pub(super) fn check(&self) -> Result<(), ArtifactError> {
        foreign("format", &self.format, &ARTIFACT_FORMAT)?;
        foreign("schema", &self.schema, &schema::SCHEMA_VERSION)?;
        named("features", &self.features, schema::feature_names())?;
        named("actions", &self.actions, schema::action_names())?;
        for (name, limit) in limits() {
            foreign(&format!("guardrails.{name}"), &self.guardrails.get(&name), &Some(&limit))?;
        }
        foreign("number of guardrails", &self.guardrails.len(), &limits().len())?;
        self.provenance.check()
    }

    pub(super) fn output(&self) -> Result<Output, ArtifactError> {
        let known = Output::ALL.into_iter().find(|output| output.name() == self.output);
        known.ok_or_else(|| {
            let names = Output::ALL.map(Output::name).join(", ");
            ArtifactError::Document(format!("output is {:?}, and must be one of {names}", self.output))
        })
    }

    pub(super) fn layout(&self) -> Layout {
        let LayoutDocument { shared, slots, slot, actions_shared, actions_slot } = self.layout;
        Layout { shared, slots, slot, actions_shared, actions_slot }
    }
}

impl Provenance {
    fn check(&self) -> Result<(), ArtifactError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let length = self.version.len();
        if length == 0 || length > VERSION_BYTES_MAX || !self.version.chars().all(plain) {
            return Err(ArtifactError::Document(format!(
                "version must be 1 to {VERSION_BYTES_MAX} letters, digits, '.', '_' and '-'"
            )));
        }
        for (name, text) in
            [("algorithm", &self.algorithm), ("command", &self.command), ("commit", &self.commit)]
        {
            if text.len() > TEXT_BYTES_MAX || text.chars().any(char::is_control) {
                return Err(ArtifactError::Document(format!(
                    "{name} must be at most {TEXT_BYTES_MAX} bytes without control characters"
                )));
            }
        }
        if self.scores.len() > SCORES_MAX {
            let found = self.scores.len();
            return Err(ArtifactError::Document(format!("{found} scores are more than {SCORES_MAX}")));
        }
        match self.scores.iter().find(|(_, score)| !score.is_finite()) {
            Some((name, score)) => Err(ArtifactError::Document(format!("score {name} is {score}"))),
            None => Ok(()),
        }
    }
}

/// Every number of the guardrails and the action mapping that a policy has learned behind.
fn limits() -> BTreeMap<String, f64> {
    let limits = action::LIMITS.iter().chain(guardrails::LIMITS);
    limits.map(|(name, limit)| ((*name).to_owned(), *limit)).collect()
}

fn foreign<T: PartialEq + std::fmt::Debug>(name: &str, found: &T, expected: &T) -> Result<(), ArtifactError> {
    if found == expected {
        return Ok(());
    }
    Err(ArtifactError::Foreign(format!("{name} is {found:?}, and is {expected:?} here")))
}

fn named(what: &str, found: &[String], expected: impl Iterator<Item = String>) -> Result<(), ArtifactError> {
    let expected: Vec<String> = expected.collect();
    foreign(&format!("number of {what}"), &found.len(), &expected.len())?;
    for (index, (found, expected)) in found.iter().zip(&expected).enumerate() {
        foreign(&format!("{what}[{index}]"), found, expected)?;
    }
    Ok(())
}
