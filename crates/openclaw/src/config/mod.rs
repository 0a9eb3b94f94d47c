//! Configuration: one registry of keys, four sources, every mistake reported at once.
//!
//! Each key is declared once (`sections`), with its kind, default and help; parsing, environment variables,
//! flags, the starter file, the effective configuration and the reference page all follow from that. serde
//! over the same structs was not enough: it stops at the first mistake, and knows neither where a value came
//! from nor what a key is for.

mod checks;
mod environment;
mod error;
mod file;
mod flags;
mod key;
mod kind;
mod quantity;
mod reference;
mod resolve;
mod sections;
mod show;
mod starter;
mod tokens;
mod value;

use std::ffi::OsString;
use std::path::PathBuf;

use sections::registry;

pub(crate) use error::ConfigErrors;
pub(crate) use flags::FlagOverride;
pub(crate) use reference::reference_markdown;
pub(crate) use resolve::Settings;
pub(crate) use sections::Config;
pub(crate) use starter::init;

/// Where configuration comes from, the weakest first; a stronger source overrides a weaker one key by key.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inputs {
    /// A TOML file.
    pub(crate) file: Option<PathBuf>,
    /// The process's environment; only `OPENCLAW_*` and `EVENT_ENDPOINT` are looked at.
    pub(crate) environment: Vec<(OsString, OsString)>,
    /// Command-line flags.
    pub(crate) flags: Vec<FlagOverride>,
}

/// A configuration without mistakes.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    /// The values.
    pub(crate) config: Config,
    /// The same, with the source of each.
    pub(crate) settings: Settings,
}

/// Reads, merges and checks everything, token files included.
///
/// # Errors
/// Every mistake in every source.
pub(crate) fn load(inputs: &Inputs) -> Result<Loaded, ConfigErrors> {
    let keys = registry();
    let mut errors = ConfigErrors::default();
    let mut assignments = Vec::new();
    if let Some(path) = &inputs.file {
        assignments.extend(file::read(path, &keys, &mut errors));
    }
    assignments.extend(environment::read(&inputs.environment, &keys, &mut errors));
    assignments.extend(flags::read(&inputs.flags, &keys, &mut errors));

    let mut settings = resolve::resolve(&keys, assignments, &mut errors);
    let mut config = Config::build(&settings);
    tokens::add_from_files(&mut config.access, &mut config.collector, &mut settings, &mut errors);
    checks::run(&config, &settings, &mut errors);
    errors.or(Loaded { config, settings })
}

impl Default for Config {
    fn default() -> Self {
        let mut errors = ConfigErrors::default();
        Self::build(&resolve::resolve(&registry(), Vec::new(), &mut errors))
    }
}

#[cfg(test)]
mod tests;
