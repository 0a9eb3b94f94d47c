//! The configuration as an operator meets it.

mod mistakes;
mod precedence;
mod printing;
mod registry;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{FlagOverride, Inputs, Loaded, load};

/// Inputs of a test: a file in a folder of its own, variables and `--set` arguments.
struct Case {
    folder: TempDir,
    inputs: Inputs,
}

impl Case {
    fn new() -> Self {
        Self { folder: TempDir::new().unwrap(), inputs: Inputs::default() }
    }

    fn file(self, text: impl AsRef<[u8]>) -> Self {
        let path = self.write("openclaw.toml", text);
        self.named_file(path)
    }

    fn named_file(mut self, path: PathBuf) -> Self {
        self.inputs.file = Some(path);
        self
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.inputs.environment.push((OsString::from(name), OsString::from(value)));
        self
    }

    fn set(mut self, argument: &str) -> Self {
        self.inputs.flags.push(FlagOverride::Set(argument.to_owned()));
        self
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn load(&self) -> Loaded {
        load(&self.inputs).unwrap_or_else(|errors| panic!("{errors}"))
    }

    /// The mistakes, without the heading and with the test's folder left out of file names.
    fn mistakes(&self) -> Vec<String> {
        let errors = load(&self.inputs).expect_err("should be refused").to_string();
        let lines: Vec<_> = errors.lines().skip(1).collect();
        lines.iter().map(|line| short(self.folder.path(), line.trim())).collect()
    }
}

fn short(folder: &Path, line: &str) -> String {
    line.replace(&format!("{}/", folder.display()), "")
}
