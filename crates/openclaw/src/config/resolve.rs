//! Merging what the sources assign: for every key the strongest value that is usable, and where it came from.

use std::collections::{BTreeMap, BTreeSet};

use super::error::{ConfigErrors, Source};
use super::key::Key;
use super::value::{Typed, Value};

/// What one source says of one key.
#[derive(Debug)]
pub(super) struct Assignment {
    pub(super) path: &'static str,
    pub(super) source: Source,
    pub(super) parsed: Result<Value, String>,
}

/// The value of every key, with its source.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    entries: Vec<Setting>,
    /// Keys that some source set to what they cannot be: checks that look at them would only repeat that.
    refused: BTreeSet<&'static str>,
}

#[derive(Clone, Debug)]
pub(super) struct Setting {
    pub(super) key: Key,
    pub(super) value: Value,
    pub(super) source: Source,
}

/// Applies `assignments`, the weakest first, over the defaults.
pub(super) fn resolve(keys: &[Key], assignments: Vec<Assignment>, errors: &mut ConfigErrors) -> Settings {
    let mut refused = BTreeSet::new();
    let mut strongest: BTreeMap<&'static str, (Value, Source)> = BTreeMap::new();
    for Assignment { path, source, parsed } in assignments {
        match parsed {
            Ok(value) => {
                strongest.insert(path, (value, source));
            }
            // A refused value is reported even where a stronger source replaces it: it is still a mistake.
            Err(reason) => {
                errors.add(&source, path, reason);
                refused.insert(path);
            }
        }
    }
    let entries = keys.iter().map(|key| {
        let (value, source) =
            strongest.remove(key.path).unwrap_or_else(|| (default_of(key), Source::Default));
        Setting { key: *key, value, source }
    });
    Settings { entries: entries.collect(), refused }
}

/// The key's default.
///
/// # Panics
/// Where the registry holds a default that its own kind refuses; no input can bring that about, and a test
/// builds every default.
fn default_of(key: &Key) -> Value {
    key.parse_text(key.default).unwrap_or_else(|reason| panic!("the default of {} {reason}", key.path))
}

impl Settings {
    /// All keys in the order of the registry.
    pub(super) fn entries(&self) -> &[Setting] {
        &self.entries
    }

    /// The typed value of a key.
    ///
    /// # Panics
    /// Where the registry declares no such key, or one of another type; see [`default_of`].
    pub(super) fn typed<T: Typed>(&self, path: &str) -> T {
        let entry = self.entries.iter().find(|entry| entry.key.path == path);
        let value = entry.and_then(|entry| T::from_value(&entry.value));
        value.unwrap_or_else(|| panic!("the registry's kind of {path} does not fit its field"))
    }

    /// Where a key's value came from.
    pub(super) fn source(&self, path: &str) -> Source {
        let entry = self.entries.iter().find(|entry| entry.key.path == path);
        entry.map_or(Source::Default, |entry| entry.source.clone())
    }

    /// The keys among those that `concerns` whose values differ from `before`'s.
    pub(crate) fn changed_since(&self, before: &Self, concerns: impl Fn(&str) -> bool) -> Vec<&'static str> {
        let both = self.entries.iter().zip(&before.entries);
        both.filter(|(now, then)| now.value.to_string() != then.value.to_string())
            .map(|(now, _)| now.key.path)
            .filter(|path| concerns(path))
            .collect()
    }

    /// Notes that a key's value, though of the right kind, cannot be used.
    pub(super) fn refuse(&mut self, path: &'static str) {
        self.refused.insert(path);
    }

    /// Whether a source set this key to what it cannot be.
    pub(super) fn is_refused(&self, path: &str) -> bool {
        self.refused.contains(path)
    }
}
