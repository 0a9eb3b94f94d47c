//! The commands. Each reads what it needs, builds a runtime of the right size, and ends with a sentence.

mod asking;
mod backend;
mod configuration;
mod evaluate;
mod limits;
mod load;
mod origin;
mod policy;
mod rating;
mod scenario;
mod service;
mod sidecar;
mod status;
mod train;

use std::future::Future;

use anyhow::{Context, Result};

use crate::cli::{Cli, Command, ConfigArgs};
use crate::config::{self, FlagOverride, Inputs, Loaded};
use crate::demo;

pub(crate) use load::{check_writable, write_json};

/// Runs the command that was asked for.
///
/// # Errors
/// What went wrong, as a sentence for the person at the terminal.
pub(crate) fn run(cli: Cli) -> Result<()> {
    match cli.command {
        Command::Demo(args) => block_on(0, demo::run(args)),
        Command::Up(args) => service::up(&args),
        Command::Rating(args) => rating::run(&args),
        Command::Edge(args) => service::edge(&args),
        Command::Sidecar(args) => sidecar::run(&args),
        Command::Backend(args) => block_on(1, backend::run(args)),
        Command::Load(args) => block_on(0, load::run(args)),
        Command::Evaluate(args) => evaluate::run(&args),
        Command::Train(args) => train::run(&args),
        Command::Status(args) => block_on(1, status::run(args)),
        Command::Limits(command) => block_on(1, limits::run(command)),
        Command::Policy(command) => policy::run(command),
        Command::Config(command) => configuration::run(command),
    }
}

/// Loads the configuration from all its sources.
fn load_config(args: &ConfigArgs, flags: Vec<FlagOverride>) -> Result<Loaded> {
    Ok(config::load(&inputs(args, flags))?)
}

/// The sources of the configuration.
fn inputs(args: &ConfigArgs, flags: Vec<FlagOverride>) -> Inputs {
    Inputs { file: args.config.clone(), environment: std::env::vars_os().collect(), flags }
}

/// Runs `future` on a runtime of `workers` threads, 0 for one per core.
pub(crate) fn block_on<T>(workers: usize, future: impl Future<Output = Result<T>>) -> Result<T> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if workers > 0 {
        builder.worker_threads(workers);
    }
    let runtime = builder.enable_all().build().context("the threads cannot be started")?;
    runtime.block_on(future)
}
