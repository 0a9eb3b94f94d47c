//! `openclaw rating`: the service, or one of the commands that work on its store.

mod export;
mod import;
mod progress;

use anyhow::{Context, Result};
use openclaw_store::{OpenError, Store};

use super::service;
use crate::cli::{RatingArgs, RatingCommand};
use crate::compose;
use crate::config::Config;

pub(super) fn run(args: &RatingArgs) -> Result<()> {
    match &args.command {
        None => service::rating(&args.service),
        Some(RatingCommand::Import(args)) => import::run(args),
        Some(RatingCommand::Export(args)) => export::run(args),
    }
}

/// Opens the configured store for a command's own use.
async fn open_store(config: &Config) -> Result<Store> {
    let opened = compose::open_store(config).await;
    let is_locked =
        |error: &anyhow::Error| matches!(error.downcast_ref::<OpenError>(), Some(OpenError::Locked { .. }));
    match opened {
        Err(error) if is_locked(&error) => {
            Err(error).context("this works on the store itself, which a running service keeps to itself")
        }
        opened => opened,
    }
}
