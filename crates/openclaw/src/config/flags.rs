//! Command-line flags that set keys: `--set rating.listen=...`, and specific ones such as `--listen`.

use super::error::{ConfigErrors, Source};
use super::key::{Key, did_you_mean, find};
use super::resolve::Assignment;

/// One flag's wish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FlagOverride {
    /// A flag that stands for one key.
    Key {
        /// The flag as the operator wrote it, for error messages: `--listen`.
        flag: &'static str,
        /// The key's path.
        path: &'static str,
        /// The value, as a variable would hold it.
        value: String,
    },
    /// The argument of `--set`: `path=value`.
    Set(String),
}

impl FlagOverride {
    /// `flag` sets the key `path` to `value`.
    pub(crate) fn new(flag: &'static str, path: &'static str, value: impl ToString) -> Self {
        Self::Key { flag, path, value: value.to_string() }
    }
}

/// What the flags assign; of two that set one key the later one wins.
pub(super) fn read(flags: &[FlagOverride], keys: &[Key], errors: &mut ConfigErrors) -> Vec<Assignment> {
    let mut assignments = Vec::new();
    for flag in flags {
        let (name, path, value) = match flag {
            FlagOverride::Key { flag, path, value } => ((*flag).to_owned(), *path, value.as_str()),
            FlagOverride::Set(argument) => match argument.split_once('=') {
                Some((path, value)) => (format!("--set {}", path.trim()), path.trim(), value),
                None => {
                    let source = Source::Flag(format!("--set {argument}"));
                    errors.add_keyless(Some(source), "needs the form --set key=value");
                    continue;
                }
            },
        };
        let source = Source::Flag(name);
        match find(keys, path) {
            Some(key) => {
                assignments.push(Assignment { path: key.path, source, parsed: key.parse_text(value) })
            }
            None => {
                let hint = did_you_mean(path, keys.iter().map(|key| key.path));
                errors.add_keyless(Some(source), format!("sets no key that is known{hint}"));
            }
        }
    }
    assignments
}
