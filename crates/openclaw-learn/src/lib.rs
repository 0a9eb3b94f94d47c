//! Learning by trial: PPO, DQN, SAC and DDPG on burn, for environments that are stepped in batches.
//!
//! This crate knows tensors, not services. An environment is a [`VecEnv`]; a [`Learner`] takes steps in it and leaves
//! a [`Policy`]: a network of the serving side's own type.
//!
//! Burn's automatic differentiation computes all gradients. Networks here are small (a few thousand weights), so what
//! counts is the number of operations, not their size: parameters are one flat vector, observations are prepared
//! outside the tensors, and the CPU's mathematics stays on one thread, where the same seed gives the same bytes.

mod adam;
mod advantage;
mod checkpoint;
mod compute;
mod copies;
mod ddpg;
mod distributions;
mod dqn;
mod environment;
mod episodes;
mod event_log;
mod interaction;
mod learner;
mod moments;
mod networks;
mod parameters;
mod policy;
mod ppo;
pub mod problems;
mod replay;
mod rows;
mod sac;
mod settings;

pub use compute::Compute;
pub use copies::{Action, Copies, Env};
pub use ddpg::{Ddpg, DdpgSettings};
pub use dqn::{Dqn, DqnSettings};
pub use environment::{ActionSpace, Actions, End, EnvSpec, SpecError, StepOut, VecEnv};
pub use event_log::EventLog;
pub use learner::{CheckpointError, LearnError, Learner, Progress};
pub use openclaw_controller::policy::{Dense, Layout, Network, Normaliser};
pub use policy::{Actor, Output, Policy, choice, tanh};
pub use ppo::{Ppo, PpoSettings};
pub use sac::{Sac, SacSettings};
pub use settings::Settings;
