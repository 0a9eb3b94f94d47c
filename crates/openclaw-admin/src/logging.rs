//! The log: structured lines on standard error, so that standard output stays free for results.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, Registry, fmt};

/// The words that a directive may use.
const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For a person.
    Text,
    /// One JSON object a line, for a collector of logs.
    Json,
}

/// Why the log cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The level is neither a level nor a list of directives.
    #[error(
        "{level:?} is not a log level; use error, warn, info, debug or trace, or directives such as info,openclaw_edge=debug"
    )]
    Level {
        /// What was given.
        level: String,
    },
    /// Something else has set up the process's log.
    #[error("the log is set up already")]
    Installed(#[source] TryInitError),
}

/// Whether `level` can be used with [`init`].
///
/// # Errors
/// Where it is neither a level nor a list of directives.
pub fn check_level(level: &str) -> Result<(), LoggingError> {
    filter(level).map(drop)
}

/// Sets up the process's log; once per process.
///
/// `level` is a level or a comma-separated list of `target=level` directives. Colours are used on a terminal
/// only, and not where `NO_COLOR` is set.
///
/// # Errors
/// Where the level is not one, or a log is set up already.
pub fn init(level: &str, format: LogFormat) -> Result<(), LoggingError> {
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match format {
        // `with_ansi(true)` would overrule NO_COLOR, so it is only ever taken away here.
        LogFormat::Text if io::stderr().is_terminal() => fmt::layer().with_writer(io::stderr).boxed(),
        LogFormat::Text => fmt::layer().with_writer(io::stderr).with_ansi(false).boxed(),
        LogFormat::Json => fmt::layer().json().flatten_event(true).with_writer(io::stderr).boxed(),
    };
    let subscriber = Registry::default().with(lines.with_filter(filter(level)?));
    subscriber.try_init().map_err(LoggingError::Installed)
}

fn filter(level: &str) -> Result<EnvFilter, LoggingError> {
    let refused = || LoggingError::Level { level: level.to_owned() };
    let directives: Vec<&str> = level.split(',').map(str::trim).collect();
    // EnvFilter reads any lone word as the name of a target, so that `log.level = "inof"` would silence
    // everything; a level must therefore be one.
    let is_directive = |directive: &&str| {
        let (target, level) = directive.split_once('=').unwrap_or(("all", directive));
        !target.trim().is_empty() && LEVELS.iter().any(|known| known.eq_ignore_ascii_case(level.trim()))
    };
    if !directives.iter().all(is_directive) {
        return Err(refused());
    }
    EnvFilter::builder().parse(directives.join(",")).map_err(|_| refused())
}

#[cfg(test)]
mod tests {
    use super::check_level;

    #[test]
    fn levels_and_directives_are_accepted() {
        for level in ["error", "WARN", "info", "off", "info,openclaw_edge=debug", "warn, hyper=off"] {
            assert!(check_level(level).is_ok(), "{level}");
        }
    }

    #[test]
    fn a_misspelt_level_is_refused_with_the_levels_there_are() {
        let error = check_level("inof").unwrap_err().to_string();
        assert_eq!(
            error,
            "\"inof\" is not a log level; use error, warn, info, debug or trace, or directives such as \
             info,openclaw_edge=debug"
        );
        for level in ["", "info,", "openclaw_edge=loud", "="] {
            assert!(check_level(level).is_err(), "{level}");
        }
    }
}
