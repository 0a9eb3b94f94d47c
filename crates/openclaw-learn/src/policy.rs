//! What leaves this crate: a trained network as plain numbers, in the serving side's own type, and what its outputs
//! mean.

use openclaw_controller::policy::{Forward, Network, NetworkError, Scratch, exp};

/// A trained, deterministic policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// The network, normaliser included.
    pub network: Network,
    /// What its outputs are.
    pub output: Output,
}

/// What a network's outputs are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Output {
    /// Actions once clipped to [-1, 1].
    Clipped,
    /// Actions once through the hyperbolic tangent: [`tanh`].
    Tanh,
    /// A score for each discrete choice: [`choice`].
    Choice,
}

/// The hyperbolic tangent with the same bits everywhere, from the serving side's exponential.
#[must_use]
pub fn tanh(x: f32) -> f32 {
    1.0 - 2.0 / (exp(2.0 * x) + 1.0)
}

/// The number of the first highest score.
#[must_use]
pub fn choice(scores: &[f32]) -> usize {
    let mut best = 0;
    for (index, score) in scores.iter().enumerate() {
        if *score > scores[best] {
            best = index;
        }
    }
    best
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_highest_score_is_the_choice() {
        assert_eq!(choice(&[1.0, 3.0, 3.0, 2.0]), 1);
    }

    #[test]
    fn tanh_is_that_of_the_standard_library() {
        for step in -2000..=2000_i16 {
            let x = f32::from(step) / 100.0;
            assert!((tanh(x) - x.tanh()).abs() < 2e-7, "{x}");
        }
        assert_eq!((tanh(1e9), tanh(-1e9), tanh(0.0)), (1.0, -1.0, 0.0));
    }
}
