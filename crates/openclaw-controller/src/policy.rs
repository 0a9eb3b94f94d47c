//! The learned policy's serving side, from an [`Observation`](crate::Observation) to an action.
//!
//! ```text
//! observation ─ features ─▶ row ─ Forward (the network) ─▶ raw ─ Output ─▶ outputs ─ action, guardrails ─▶ action
//! ```
//!
//! Everything here is pure and defined once, for training and for serving: a trainer produces a [`Network`], and
//! reads observations and takes actions through the same [`PolicyHead`] that a service does, so that nothing is
//! computed in two ways.

mod action;
mod artifact;
mod bfloat;
mod elementary;
mod features;
mod forward;
mod fused;
mod guardrails;
mod head;
mod kernel;
mod learned;
mod long_view;
mod network;
mod onnx;
mod output;
mod path;
mod scale;
mod schema;

pub use action::{DiscreteActions, PolicyAction};
pub use artifact::{
    ARTIFACT_BYTES_MAX, ARTIFACT_FORMAT, Artifact, ArtifactError, ArtifactInfo, EXAMPLES, Provenance,
    VERSION_BYTES_MAX,
};
pub use elementary::{exp, ln};
pub use features::{FeatureBuilder, SlotClasses};
pub use forward::{Forward, Scratch};
pub use guardrails::{Guardrail, LN_STEP_MAX, OUTPUT_MAX, STALE_S};
pub use head::PolicyHead;
pub use learned::{LastDecision, LearnedPolicy};
pub use network::{Dense, LIMITS, Layout, Limits, Network, NetworkError, Normaliser};
pub use output::{Output, choice, tanh};
pub use path::{Path, PathUnavailable};
pub use schema::{
    ACTIONS, CLASS_ACTIONS, CLASS_FEATURES, DEPENDENCY_PLACES, LAYOUT, OBSERVATION, SCHEMA_VERSION,
    SHARED_ACTIONS, SHARED_FEATURES, SLOTS, action_names, feature_names,
};
