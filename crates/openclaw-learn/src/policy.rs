//! What leaves this crate: a trained network as plain numbers, in the serving side's own types.

use openclaw_controller::policy::{Forward, Network, NetworkError, Scratch};
pub use openclaw_controller::policy::{Output, choice, tanh};

/// A trained, deterministic policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// The network, normaliser included.
    pub network: Network,
    /// What its outputs are.
    pub output: Output,
}

/// A policy that is ready to act.
#[derive(Debug, Clone)]
pub struct Actor {
    forward: Forward,
    scratch: Scratch,
    output: Output,
}

impl Actor {
    /// Prepares a policy.
    ///
    /// # Errors
    /// The network's parts do not fit together or are not finite.
    pub fn new(policy: &Policy) -> Result<Self, NetworkError> {
        let forward = Forward::new(&policy.network)?;
        Ok(Self { scratch: forward.scratch(), forward, output: policy.output })
    }

    /// Writes the action for one observation: numbers in [-1, 1], or the scores of the choices.
    ///
    /// # Panics
    /// Where the lengths are not the layout's.
    pub fn act(&mut self, observation: &[f32], action: &mut [f32]) {
        self.forward.run(observation, &mut self.scratch, action);
        for value in action {
            *value = match self.output {
                Output::Clipped => value.clamp(-1.0, 1.0),
                Output::Tanh => tanh(*value),
                Output::Choice => *value,
            };
        }
    }
}
