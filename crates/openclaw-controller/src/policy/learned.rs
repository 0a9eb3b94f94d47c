//! The learned policy as a controller: features, forward pass, guardrails, and what a person wants to know of them.

use super::action::PolicyAction;
use super::forward::{Forward, Scratch};
use super::guardrails::Guardrail;
use super::head::PolicyHead;
use super::network::{Network, NetworkError};
use super::output::Output;
use super::schema::{ACTIONS, OBSERVATION};
use crate::observation::{Action, Controller, Observation};

/// A learned policy in service.
#[derive(Clone, Debug)]
pub struct LearnedPolicy {
    version: String,
    head: PolicyHead,
    forward: Forward,
    scratch: Scratch,
    output: Output,
    row: [f32; OBSERVATION],
    /// What the network gave.
    raw: Vec<f32>,
    has_decided: bool,
}

/// The last decision of a learned policy.
#[derive(Clone, Copy, Debug)]
pub struct LastDecision<'a> {
    /// What the network read, before it scaled it; [`super::feature_names`] has the names.
    pub features: &'a [f32],
    /// What it gave: the outputs for the service and each class, or a score for each discrete choice.
    pub raw: &'a [f32],
    /// What was done, the outputs as they were followed, and the rail that held them.
    pub action: &'a PolicyAction,
}

impl LearnedPolicy {
    /// `version` names the artifact in answers and logs; `start_per_s` is the configured start of R.
    ///
    /// # Errors
    /// The network's parts do not fit together, or it was made for other rows than this version's.
    pub fn new(
        network: &Network,
        output: Output,
        version: String,
        start_per_s: f64,
    ) -> Result<Self, NetworkError> {
        let forward = Forward::new(network)?;
        output.check(forward.layout())?;
        Ok(Self {
            version,
            head: PolicyHead::new(start_per_s),
            scratch: forward.scratch(),
            raw: vec![0.0; forward.layout().outputs()],
            forward,
            output,
            row: [0.0; OBSERVATION],
            has_decided: false,
        })
    }

    /// The artifact's version.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Whether the last decision was little-guard's, because the policy's could not be followed.
    #[must_use]
    pub fn fell_back(&self) -> bool {
        self.last().is_some_and(|last| last.action.guardrail.is_some_and(Guardrail::is_fallback))
    }

    /// Forgets everything but what was learned.
    pub fn reset(&mut self) {
        self.head.reset();
        self.has_decided = false;
    }

    /// The last decision, where one was made.
    #[must_use]
    pub fn last(&self) -> Option<LastDecision<'_>> {
        let last = LastDecision { features: &self.row, raw: &self.raw, action: self.head.decided() };
        self.has_decided.then_some(last)
    }
}

impl Controller for LearnedPolicy {
    fn name(&self) -> &'static str {
        "learned"
    }

    fn guards(&self) -> bool {
        true
    }

    fn learned(&self) -> Option<&LearnedPolicy> {
        Some(self)
    }

    fn decide(&mut self, seen: &Observation) -> Action {
        self.head.features(seen, &mut self.row);
        self.forward.run(&self.row, &mut self.scratch, &mut self.raw);
        let mut outputs = [0.0; ACTIONS];
        self.output.actions(&self.raw, &mut outputs);
        self.has_decided = true;
        Action::Shared(self.head.action(seen, &outputs).shared)
    }
}

#[cfg(test)]
mod tests;
