//! Reading a TOML file: every syntax error, every unknown key and every refused value, each with its line.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{ConfigErrors, Source};
use super::key::{Key, did_you_mean, find};
use super::resolve::Assignment;
use super::value::Value;

/// A configuration that is longer is a mistake: the largest that makes sense is some kilobytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// What the file assigns.
pub(super) fn read(path: &Path, keys: &[Key], errors: &mut ConfigErrors) -> Vec<Assignment> {
    match read_text(path) {
        Ok(text) => parse(&path.display().to_string(), &text, keys, errors),
        Err(reason) => {
            let is_missing = !path.exists();
            let path = path.display();
            let hint = format!("; `openclaw config init {path}` writes a starter file");
            errors.add_keyless(None, format!("{path} {reason}{}", if is_missing { &hint } else { "" }));
            Vec::new()
        }
    }
}

fn read_text(path: &Path) -> Result<String, String> {
    let metadata = fs::metadata(path).map_err(|error| format!("cannot be read: {error}"))?;
    if metadata.len() > FILE_BYTES_MAX {
        return Err(format!("is {} bytes long, which no configuration is", metadata.len()));
    }
    let bytes = fs::read(path).map_err(|error| format!("cannot be read: {error}"))?;
    String::from_utf8(bytes).map_err(|error| {
        let line = error.as_bytes()[..error.utf8_error().valid_up_to()].split(|byte| *byte == b'\n').count();
        format!("is not UTF-8 from line {line} on")
    })
}

/// What the text assigns.
pub(super) fn parse(name: &str, text: &str, keys: &[Key], errors: &mut ConfigErrors) -> Vec<Assignment> {
    let mut reader =
        Reader { path: name.into(), text, keys, errors, broken: HashSet::new(), assignments: Vec::new() };
    let (document, mistakes) = DeTable::parse_recoverable(text);
    for mistake in mistakes {
        let at = reader.source(mistake.span().map_or(0, |span| span.start));
        reader.errors.add_keyless(Some(at.clone()), format!("is not valid TOML: {}", mistake.message()));
        reader.broken.insert(at);
    }
    reader.table("", document.get_ref());
    reader.assignments
}

struct Reader<'a> {
    path: Arc<str>,
    text: &'a str,
    keys: &'a [Key],
    errors: &'a mut ConfigErrors,
    /// Lines with a syntax error: what is left of them says nothing of what was meant.
    broken: HashSet<Source>,
    assignments: Vec<Assignment>,
}

impl Reader<'_> {
    fn table(&mut self, prefix: &str, table: &DeTable<'_>) {
        for (name, value) in table.iter() {
            let path = if prefix.is_empty() {
                name.get_ref().to_string()
            } else {
                format!("{prefix}.{}", name.get_ref())
            };
            self.entry(&path, self.source(name.span().start), value);
        }
    }

    fn entry(&mut self, path: &str, source: Source, value: &Spanned<DeValue<'_>>) {
        if self.broken.contains(&source) {
            return;
        }
        if let Some(key) = find(self.keys, path) {
            let parsed = match value.get_ref() {
                DeValue::String(text) if key.is_off(text) => Ok(Value::Off),
                value => key.kind.parse_toml(value),
            };
            self.assignments.push(Assignment { path: key.path, source, parsed });
            return;
        }
        let is_section = self.keys.iter().any(|key| key.table_and_name().0 == path);
        match value.get_ref() {
            DeValue::Table(table) if is_section => self.table(path, table),
            _ if is_section => {
                self.errors.add(&source, path, format!("is a table; write [{path}] and keys below it"))
            }
            DeValue::Table(_) => {
                let sections = self.keys.iter().map(|key| key.table_and_name().0);
                self.errors.add(
                    &source,
                    path,
                    format!("is no table that is known{}", did_you_mean(path, sections)),
                );
            }
            _ => {
                let known = self.keys.iter().map(|key| key.path);
                self.errors.add(
                    &source,
                    path,
                    format!("is no key that is known{}", did_you_mean(path, known)),
                );
            }
        }
    }

    fn source(&self, offset: usize) -> Source {
        let before = self.text.as_bytes().get(..offset).unwrap_or(self.text.as_bytes());
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        Source::File { path: Arc::clone(&self.path), line }
    }
}
