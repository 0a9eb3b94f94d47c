//! Learning by trial: PPO, DQN, SAC and DDPG on burn, for environments that are stepped in batches.
//!
//! This crate knows tensors, not services. An environment is a [`VecEnv`]; a learner takes steps in it and leaves
//! [`NetworkWeights`], plain numbers with a documented meaning.

mod copies;
mod environment;
mod layout;
mod learner;
mod weights;

pub use copies::{Action, Copies, Env};
pub use environment::{ActionSpace, Actions, End, EnvSpec, SpecError, StepOut, VecEnv};
pub use layout::Layout;
pub use learner::{CheckpointError, LearnError, Learner, Progress};
pub use weights::{Dense, NORMALISED_MAX, NetworkWeights, Normaliser, Output, choice};
