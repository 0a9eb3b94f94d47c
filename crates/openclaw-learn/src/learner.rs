//! What all learners have in common, so that a training loop knows none of them.

use crate::environment::{SpecError, VecEnv};
use crate::policy::Policy;
use thiserror::Error;

/// Something that learns a policy from an environment.
///
/// The environment belongs to the caller and must be the same, with the same shapes, at every call.
pub trait Learner {
    /// Gathers experience and learns from it once. Where this takes how many steps is in [`Progress`].
    ///
    /// # Errors
    /// The environment's shapes have changed, it gave a number that is not finite, or learning diverged.
    fn iterate(&mut self, env: &mut dyn VecEnv) -> Result<Progress, LearnError>;

    /// The policy as it is now, without exploration.
    fn policy(&self) -> Policy;

    /// All that is needed to go on: parameters, optimiser, normaliser, random numbers, stored experience.
    ///
    /// An environment cannot be saved in the middle of an episode. So taking a checkpoint ends the running episodes:
    /// the next [`iterate`](Self::iterate) resets the environment, with a seed drawn from the learner's own, both in
    /// the run that goes on and in the one that is resumed. Two runs that take checkpoints at the same iterations are
    /// therefore equal to the byte, whether or not one of them was interrupted.
    fn checkpoint(&mut self) -> Vec<u8>;

    /// Takes the place of the learner that wrote the checkpoint.
    ///
    /// # Errors
    /// The bytes are damaged, or come from another algorithm, other settings or other shapes; nothing has changed then.
    fn resume(&mut self, checkpoint: &[u8]) -> Result<(), CheckpointError>;
}

/// What an iteration brought.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// Iterations since the beginning, this one included.
    pub iteration: u64,
    /// Steps of single copies since the beginning.
    pub steps: u64,
    /// Mean sum of rewards of the episodes that ended in this iteration; none where no episode did.
    pub episode_return: Option<f64>,
    /// Episodes that ended in this iteration.
    pub episodes: u64,
    /// Losses and the like, by name; the names are fixed for each algorithm.
    pub scalars: Vec<(&'static str, f64)>,
}

/// Why learning cannot go on.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum LearnError {
    /// The environment's shapes do not fit together.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The environment is not the one the learner was made for.
    #[error(
        "the environment's shapes differ from those the learner was made for; make a learner for this one"
    )]
    OtherEnvironment,
    /// The algorithm cannot act in this environment.
    #[error("{algorithm} needs {needs} actions, but the environment takes others")]
    Actions {
        /// The algorithm.
        algorithm: &'static str,
        /// What it needs.
        needs: &'static str,
    },
    /// A setting is out of its range.
    #[error("{algorithm}: {setting} must be {range}")]
    Setting {
        /// The algorithm.
        algorithm: &'static str,
        /// The setting.
        setting: &'static str,
        /// What it may be.
        range: &'static str,
    },
    /// The environment gave a number that is not finite.
    #[error("the environment gave {what} that is not finite, in copy {copy}: mend the environment")]
    NotFinite {
        /// An observation or a reward.
        what: &'static str,
        /// Which copy.
        copy: usize,
    },
    /// The numbers have run away.
    #[error(
        "{what} is not finite after {steps} steps: lower the learning rate, or normalise or scale the rewards"
    )]
    Diverged {
        /// What has.
        what: &'static str,
        /// Steps taken.
        steps: u64,
    },
    /// The device cannot be used.
    #[error("no device {name:?} in this build: {mend}")]
    Device {
        /// What was asked for.
        name: String,
        /// What to do.
        mend: &'static str,
    },
}

/// Why a checkpoint was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CheckpointError {
    /// Not a checkpoint, or cut short, or flipped bits.
    #[error("the checkpoint is damaged ({0}): take the one before it")]
    Damaged(&'static str),
    /// Of another kind.
    #[error("the checkpoint is of another {0}: resume with what it was begun with")]
    Other(&'static str),
}

/// A setting that must hold.
pub(crate) fn check(
    algorithm: &'static str,
    setting: &'static str,
    range: &'static str,
    holds: bool,
) -> Result<(), LearnError> {
    if holds { Ok(()) } else { Err(LearnError::Setting { algorithm, setting, range }) }
}
