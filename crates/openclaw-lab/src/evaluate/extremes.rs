//! Accepting and rejecting everything: what no controller may lose against.
//!
//! A score that one of them wins says nothing. Whoever reads a comparison can see here that they do not.

use openclaw_controller::{Action, Controller, Observation};
use openclaw_protocol::BucketPolicy;

/// Gives every user the same bucket, for ever and without a guard.
#[derive(Clone, Copy, Debug)]
pub(super) struct PerUser {
    name: &'static str,
    policy: BucketPolicy,
}

impl PerUser {
    pub(super) fn new(name: &'static str, policy: BucketPolicy) -> Self {
        Self { name, policy }
    }
}

impl Controller for PerUser {
    fn name(&self) -> &'static str {
        self.name
    }

    fn decide(&mut self, _seen: &Observation) -> Action {
        Action::PerUser(self.policy)
    }

    fn guards(&self) -> bool {
        false
    }
}
