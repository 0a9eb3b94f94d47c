//! Mistakes in the configuration, gathered: where each is, which key, why, and what to do.

use std::fmt;
use std::sync::Arc;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Source {
    /// Nobody set it.
    Default,
    /// A line of a file, counted from 1.
    File {
        /// The file as it was named.
        path: Arc<str>,
        /// The line.
        line: usize,
    },
    /// An environment variable.
    Variable(String),
    /// A command-line flag.
    Flag(String),
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => formatter.write_str("default"),
            Self::File { path, line } => write!(formatter, "{path}:{line}"),
            Self::Variable(name) => write!(formatter, "variable {name}"),
            Self::Flag(flag) => write!(formatter, "flag {flag}"),
        }
    }
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConfigError {
    /// Where it is; `None` for a whole file that cannot be read.
    pub(crate) source: Option<Source>,
    /// The key, where it is one key's mistake.
    pub(crate) key: Option<String>,
    /// Why, and what to do.
    pub(crate) reason: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(source) = &self.source {
            write!(formatter, "{source}: ")?;
        }
        if let Some(key) = &self.key {
            write!(formatter, "{key}: ")?;
        }
        formatter.write_str(&self.reason)
    }
}

/// All mistakes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ConfigErrors {
    errors: Vec<ConfigError>,
}

impl ConfigErrors {
    /// Adds a mistake of one key.
    pub(super) fn add(&mut self, source: &Source, key: impl Into<String>, reason: impl Into<String>) {
        self.errors.push(ConfigError {
            source: Some(source.clone()),
            key: Some(key.into()),
            reason: reason.into(),
        });
    }

    /// Adds a mistake of no key, such as a line that is not TOML.
    pub(super) fn add_keyless(&mut self, source: Option<Source>, reason: impl Into<String>) {
        self.errors.push(ConfigError { source, key: None, reason: reason.into() });
    }

    /// `value` where there are no mistakes; else these, a file's in the order of its lines.
    pub(super) fn or<T>(mut self, value: T) -> Result<T, Self> {
        if self.errors.is_empty() {
            return Ok(value);
        }
        self.errors.sort_by_key(|error| match &error.source {
            None => (0, 0),
            Some(Source::File { line, .. }) => (1, *line),
            Some(Source::Variable(_)) => (2, 0),
            Some(Source::Flag(_)) => (3, 0),
            Some(Source::Default) => (4, 0),
        });
        Err(self)
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.errors.len() {
            1 => write!(formatter, "the configuration has an error:")?,
            count => write!(formatter, "the configuration has {count} errors:")?,
        }
        self.errors.iter().try_for_each(|error| write!(formatter, "\n  {error}"))
    }
}

impl std::error::Error for ConfigErrors {}
