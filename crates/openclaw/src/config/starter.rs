//! The starter file: every key with its help, commented out at its default.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::error::ConfigErrors;
use super::kind::Kind;
use super::resolve::resolve;
use super::sections::registry;

const COLUMNS: usize = 100;

/// Why no starter file was written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InitError {
    /// There is a file already.
    #[error("{} exists already and is left as it is; name another file", .0.display())]
    Exists(PathBuf),
    /// It could not be written.
    #[error("{} cannot be written: {error}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        error: io::Error,
    },
}

/// Writes the starter file to `path`, which must not exist.
///
/// # Errors
/// Where it exists or cannot be written.
pub(crate) fn init(path: &Path) -> Result<(), InitError> {
    let write =
        || OpenOptions::new().write(true).create_new(true).open(path)?.write_all(starter_file().as_bytes());
    write().map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => InitError::Exists(path.to_owned()),
        _ => InitError::Write { path: path.to_owned(), error },
    })
}

/// The starter file's text.
pub(crate) fn starter_file() -> String {
    let mut page = String::from(
        "# OpenClaw configuration. Every key is here at its default: uncomment what you change.\n\
         # `openclaw config check` checks it, `openclaw config print` shows what is in effect.\n",
    );
    let settings = resolve(&registry(), Vec::new(), &mut ConfigErrors::default());
    let mut table = "";
    for entry in settings.entries() {
        let (entry_table, name) = entry.key.table_and_name();
        if entry_table != table {
            table = entry_table;
            let _ = writeln!(page, "\n[{table}]");
        }
        page.push('\n');
        for line in wrap(entry.key.help(), COLUMNS - 2) {
            let _ = writeln!(page, "# {line}");
        }
        let shown = entry.value.to_toml().unwrap_or_else(|| match entry.key.kind {
            Kind::Tokens => "[\"...\"]".to_owned(),
            _ => "\"off\"".to_owned(),
        });
        let _ = writeln!(page, "# {name} = {shown}");
    }
    page
}

fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
