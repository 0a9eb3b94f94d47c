//! Python packages that a step checks against: installed once into a virtual environment under the target folder, at
//! fixed versions, so that nothing is left on the machine.

use super::Setting;
use crate::process;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An environment of its own for one step.
pub(super) struct Environment {
    /// Its folder's name.
    pub(super) name: &'static str,
    /// `package==version` for each.
    pub(super) packages: &'static [&'static str],
}

/// Where the environment's interpreter lies, after making it if need be.
///
/// # Errors
/// There is no Python 3 with `venv`, or a package could not be installed.
pub(super) fn ensure(environment: &Environment, setting: &Setting) -> Result<PathBuf> {
    let folder = setting.target.join("tools").join(environment.name);
    let python = folder.join("bin").join("python3");
    let done = folder.join("installed");
    let wanted = environment.packages.join("\n");
    if fs::read_to_string(&done).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    install(environment, &folder, &python).with_context(|| {
        format!(
            "{} needs Python 3 with venv and a package index to install {}",
            environment.name,
            environment.packages.join(", ")
        )
    })?;
    fs::write(&done, wanted).with_context(|| format!("writing {}", done.display()))?;
    Ok(python)
}

fn install(environment: &Environment, folder: &Path, python: &Path) -> Result<()> {
    eprintln!("installing {} under {}, once", environment.packages.join(", "), folder.display());
    process::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder))?;
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"]);
    process::run(pip.args(environment.packages))
}
