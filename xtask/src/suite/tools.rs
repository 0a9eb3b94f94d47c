//! The cargo tools that the checks need: taken from the path or, where missing, built from source at a fixed version
//! into the target folder, so that nothing is left on the machine.
//!
//! Built without optimisation: a tool that runs for seconds is not worth minutes of compiling.

use super::Setting;
use crate::process::{self, cargo};
use anyhow::{Context, Result};
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program from a package of the same name.
pub(super) struct Tool {
    name: &'static str,
    /// What is built where the program is not on the path.
    version: &'static str,
}

/// Runs the tests, each in its own process.
pub(super) const NEXTEST: Tool = Tool { name: "cargo-nextest", version: "0.9.151" };

/// Judges the dependencies.
pub(super) const DENY: Tool = Tool { name: "cargo-deny", version: "0.20.2" };

/// Where the tool's program lies, after building it if need be.
///
/// # Errors
/// It could not be built.
pub(super) fn ensure(tool: &Tool, setting: &Setting) -> Result<PathBuf> {
    let own = setting.target.join("tools");
    let installed = own.join("bin");
    let found =
        on_path(tool.name, env::var_os("PATH").as_deref()).or_else(|| in_folder(tool.name, &installed));
    match found {
        Some(program) => Ok(program),
        None => install(tool, setting, &own),
    }
}

/// A command that runs the program in the workspace's root.
pub(super) fn command(program: &Path, setting: &Setting) -> Command {
    let mut command = Command::new(program);
    command.current_dir(&setting.root);
    command
}

/// Where on the path a program of that name lies.
pub(super) fn on_path(name: &str, path: Option<&OsStr>) -> Option<PathBuf> {
    env::split_paths(path?).find_map(|folder| in_folder(name, &folder))
}

fn in_folder(name: &str, folder: &Path) -> Option<PathBuf> {
    let program = folder.join(format!("{name}{}", env::consts::EXE_SUFFIX));
    program.is_file().then_some(program)
}

fn install(tool: &Tool, setting: &Setting, folder: &Path) -> Result<PathBuf> {
    let Tool { name, version } = tool;
    eprintln!("{name} is not on the path: building {version} under {}, once", folder.display());
    let build = folder.join("build");
    let mut install = cargo(&setting.root);
    install.args(["install", "--locked", "--debug", "--root"]).arg(folder).arg("--target-dir").arg(&build);
    install.arg(format!("{name}@{version}"));
    process::run(&mut install).with_context(|| {
        format!(
            "{name} is needed and could not be built; with a network, `cargo install --locked {name}` does it"
        )
    })?;
    fs::remove_dir_all(&build).with_context(|| format!("clearing {}", build.display()))?;
    in_folder(name, &folder.join("bin"))
        .with_context(|| format!("{name} was built but is not in {}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_on_the_path_is_found_in_its_folder() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let path = env::join_paths([Path::new("no-such-folder"), &folder]).unwrap();
        // Any file will do: what counts is its name.
        let name = format!("main.rs{}", env::consts::EXE_SUFFIX);
        if env::consts::EXE_SUFFIX.is_empty() {
            assert_eq!(on_path(&name, Some(&path)), Some(folder.join("main.rs")));
        }
        assert_eq!(on_path("no-such-program", Some(&path)), None);
        assert_eq!(on_path("main.rs", None), None);
    }
}
