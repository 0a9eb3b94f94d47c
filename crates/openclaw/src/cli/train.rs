//! The arguments of `openclaw train`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

#[derive(Args, Debug)]
pub(crate) struct TrainArgs {
    /// What learns
    #[arg(long, value_enum, default_value = "ppo")]
    pub(crate) algorithm: Algorithm,
    /// Where the learner computes; cuda and wgpu need a build with the feature of that name
    #[arg(long, value_name = "cpu|cuda|wgpu", default_value = "cpu")]
    pub(crate) device: String,
    /// Every random draw follows from it; the same seed gives the same policy, byte for byte
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Where the best policy goes
    #[arg(long, value_name = "FILE", default_value = "policy.safetensors")]
    pub(crate) out: PathBuf,
    /// Decisions of all services together; without it what suits the algorithm
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) steps: Option<u64>,
    /// What is trained on and selected by
    #[arg(long, value_enum, default_value = "all")]
    pub(crate) conditions: Conditions,
    /// Settings as JSON, over the algorithm's and the conditions' own (see --print-settings)
    #[arg(long, value_name = "FILE")]
    pub(crate) settings: Option<PathBuf>,
    /// Prints the settings that would be used, and ends
    #[arg(long)]
    pub(crate) print_settings: bool,
    /// Folder for progress that TensorBoard reads
    #[arg(long, value_name = "FOLDER")]
    pub(crate) logs: Option<PathBuf>,
    /// Keeps a checkpoint here, and goes on from it where it is there
    #[arg(long, value_name = "FILE")]
    pub(crate) checkpoint: Option<PathBuf>,
    /// Threads that simulate; 0 for one per processor core. The policy does not depend on it
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) threads: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Algorithm {
    /// Proximal policy optimisation
    Ppo,
    /// Deep Q-learning over discrete steps
    Dqn,
    /// Soft actor-critic
    Sac,
    /// Deep deterministic policy gradients
    Ddpg,
}

impl Algorithm {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ppo => "ppo",
            Self::Dqn => "dqn",
            Self::Sac => "sac",
            Self::Ddpg => "ddpg",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Conditions {
    /// Single disturbances of a service with one kind of request
    Classic,
    /// All families, easy ones first
    All,
}
