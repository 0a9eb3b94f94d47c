//! One configuration key: what it is called, what it may be, what it is for.

use super::kind::Kind;
use super::value::Value;

/// A key as it was declared.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    /// Dotted path, camelCase, such as `rating.bodyMax`.
    pub(super) path: &'static str,
    /// What it may be.
    pub(super) kind: Kind,
    /// The default as an operator would write it in a variable; `off` for none.
    pub(super) default: &'static str,
    /// Whether it may be `off`.
    pub(super) optional: bool,
    /// What it is for, in which unit, and why the default is what it is. Begins with a space, as doc comments do.
    pub(super) help: &'static str,
}

impl Key {
    /// The environment variable that sets it: `OPENCLAW_RATING_BODY_MAX`.
    pub(super) fn variable(&self) -> String {
        let mut name = String::from("OPENCLAW_");
        for character in self.path.chars() {
            match character {
                '.' => name.push('_'),
                upper if upper.is_ascii_uppercase() => {
                    name.push('_');
                    name.push(upper);
                }
                lower => name.push(lower.to_ascii_uppercase()),
            }
        }
        name
    }

    /// The table that holds it, and its name there; a key outside all tables has the table "".
    pub(super) fn table_and_name(&self) -> (&'static str, &'static str) {
        self.path.split_once('.').unwrap_or(("", self.path))
    }

    /// Whether `text` switches an optional key off.
    pub(super) fn is_off(&self, text: &str) -> bool {
        self.optional && matches!(text.trim(), "" | "off" | "none")
    }

    /// Reads the key's value from a variable, a flag or its own default.
    pub(super) fn parse_text(&self, text: &str) -> Result<Value, String> {
        if self.is_off(text) { Ok(Value::Off) } else { self.kind.parse_text(text) }
    }

    /// The help, as a sentence.
    pub(super) fn help(&self) -> &'static str {
        self.help.trim()
    }
}

/// The key of this path.
pub(super) fn find<'k>(keys: &'k [Key], path: &str) -> Option<&'k Key> {
    keys.iter().find(|key| key.path == path)
}

/// A sentence's end that names the word meant, where one is close: `; did you mean rating.listen?`.
pub(super) fn did_you_mean<'w>(word: &str, known: impl Iterator<Item = &'w str>) -> String {
    const SIMILARITY_MIN: f64 = 0.8;
    // Case and separators are the usual mistakes, so they do not count.
    let plain = |text: &str| text.to_ascii_lowercase().replace(['_', '-'], "");
    let wanted = plain(word);
    let closest = known
        .map(|candidate| (strsim::normalized_damerau_levenshtein(&wanted, &plain(candidate)), candidate))
        .filter(|(similarity, _)| *similarity >= SIMILARITY_MIN)
        .max_by(|(one, _), (other, _)| one.total_cmp(other));
    closest.map(|(_, candidate)| format!("; did you mean {candidate}?")).unwrap_or_default()
}
