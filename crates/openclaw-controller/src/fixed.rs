//! The static bucket: every user gets the configured parameters, for ever. What most services run today.

use openclaw_protocol::BucketPolicy;

use crate::observation::{Action, Controller, Observation};

/// The static controller.
#[derive(Clone, Copy, Debug)]
pub struct Fixed {
    policy: BucketPolicy,
}

impl Fixed {
    /// Gives every user `policy`.
    #[must_use]
    pub fn new(policy: BucketPolicy) -> Self {
        Self { policy }
    }
}

impl Controller for Fixed {
    fn name(&self) -> &'static str {
        "static"
    }

    fn guards(&self) -> bool {
        false
    }

    fn decide(&mut self, _seen: &Observation) -> Action {
        Action::PerUser(self.policy)
    }
}
