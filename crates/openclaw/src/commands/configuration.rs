//! `openclaw config`: a starter file, the check, what is in effect, and the reference pages.

use anyhow::{Context, Result};
use openclaw_admin::metrics::Catalogue;

use crate::cli::ConfigCommand;
use crate::compose;
use crate::config;
use crate::terminal::say;

pub(super) fn run(command: ConfigCommand) -> Result<()> {
    match command {
        ConfigCommand::Init { file } => {
            config::init(&file)?;
            say(&format!("{} holds every key, commented out at its default", file.display()));
        }
        ConfigCommand::Check(args) => {
            super::load_config(&args, args.flags())?;
            say("the configuration is good");
        }
        ConfigCommand::Print { config, json } => {
            let loaded = super::load_config(&config, config.flags())?;
            let text = if json {
                serde_json::to_string_pretty(&loaded.settings.to_json()).context("writing JSON")?
            } else {
                loaded.settings.to_toml()
            };
            say(text.trim_start());
        }
        ConfigCommand::Reference { metrics: false } => say(config::reference_markdown().trim_end()),
        ConfigCommand::Reference { metrics: true } => {
            say(Catalogue::collect(compose::describe_metrics).to_markdown().trim_end());
        }
    }
    Ok(())
}
