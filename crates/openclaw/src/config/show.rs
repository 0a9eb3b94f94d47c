//! The effective configuration: every value with where it came from, as TOML that can be used again, or JSON.

use std::fmt::Write;

use serde_json::{Map, json};

use super::error::Source;
use super::resolve::{Setting, Settings};

impl Settings {
    /// TOML, with the source of each value as a comment. Secrets appear as comments only, so that the rest
    /// can be used as a file.
    pub(crate) fn to_toml(&self) -> String {
        let mut page = String::new();
        let mut table = "";
        for entry in self.entries() {
            let (entry_table, name) = entry.key.table_and_name();
            if entry_table != table {
                table = entry_table;
                let _ = writeln!(page, "\n[{table}]");
            }
            let _ = writeln!(page, "{}", line(entry, name));
        }
        page
    }

    /// JSON: an object by key of value and source. Secrets are replaced by how many there are.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        let entries = self.entries().iter().map(|Setting { key, value, source }| {
            (key.path.to_owned(), json!({ "value": value.to_json(), "source": source.to_string() }))
        });
        serde_json::Value::Object(entries.collect::<Map<_, _>>())
    }
}

fn line(Setting { value, source, .. }: &Setting, name: &str) -> String {
    let origin = match source {
        Source::Default => String::from("default"),
        set => comment_safe(&set.to_string()),
    };
    match value.to_toml() {
        Some(shown) => format!("{name} = {shown} # {origin}"),
        None => format!("# {name} = {value} # {origin}"),
    }
}

/// A source may hold anything, a file's name even a line feed.
fn comment_safe(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { '?' } else { character }).collect()
}
