//! stable-baselines3 in a Python of its own, made once under the target folder.
//!
//! The package index has torch only with its CUDA libraries, so that this is a download of some gigabytes. Debian's
//! small `python3-torch` lost: its age would be held against the comparison, and pip does not count it as installed.

use crate::Case;
use serde_json::{Value, json};
use std::fmt::Display;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/train/peer.py");
const PACKAGES: &[&str] = &["stable-baselines3==2.9.2", "torch==2.15.0", "gymnasium==0.29.1"];

/// A running peer.
pub(crate) struct Peer {
    process: Child,
    requests: ChildStdin,
    replies: BufReader<ChildStdout>,
    name: String,
}

impl Peer {
    /// Makes the Python where it is missing, and starts it.
    pub(crate) fn start() -> Result<Self, String> {
        let python = python()?;
        let mut process = Command::new(&python)
            .arg(SCRIPT)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| told("starting the peer", &python, &error))?;
        let requests = process.stdin.take().ok_or("the peer has no input")?;
        let mut replies = BufReader::new(process.stdout.take().ok_or("the peer has no output")?);
        let hello = reply(&mut replies)?;
        let name = hello["name"].as_str().ok_or("the peer does not say what it is")?.to_owned();
        Ok(Self { process, requests, replies, name })
    }

    /// What it is, versions included.
    pub(crate) fn name(&self) -> String {
        self.name.clone()
    }

    /// Steps per second, and the mean return of the policy that came of it.
    ///
    /// # Panics
    /// Where the peer has failed: then there is nothing to compare with.
    pub(crate) fn train(&mut self, case: &Case, seed: u64) -> (f64, f64) {
        let request = json!({
            "case": case.name, "envs": case.envs, "ticks": case.ticks, "minibatch": case.minibatch,
            "epochs": case.epochs, "steps": case.steps, "seed": seed,
        });
        writeln!(self.requests, "{request}").expect("the peer listens");
        let reply = reply(&mut self.replies).unwrap_or_else(|error| panic!("{error}"));
        let number = |name: &str| reply[name].as_f64().unwrap_or_else(|| panic!("no {name} in {reply}"));
        (number("stepsPerS"), number("meanReturn"))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn reply(replies: &mut BufReader<ChildStdout>) -> Result<Value, String> {
    let mut line = String::new();
    let read = replies.read_line(&mut line).map_err(|error| format!("reading from the peer: {error}"))?;
    if read == 0 {
        return Err("the peer ended; what it had to say is above".to_owned());
    }
    serde_json::from_str(&line).map_err(|error| format!("the peer said {line:?}: {error}"))
}

/// The Python to run it with.
fn python() -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("stable-baselines3");
    let python = folder.join("bin/python");
    if !imports(&python, "stable_baselines3") {
        make(&folder, &python)?;
    }
    Ok(python)
}

fn make(folder: &Path, python: &Path) -> Result<(), String> {
    eprintln!("making a Python with stable-baselines3 and torch in {}, once", folder.display());
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv", "--clear"]).arg(folder);
    run(&mut venv, "python3 (3.10 or newer) with its venv module is needed")?;
    let mut install = Command::new(python);
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(PACKAGES);
    run(&mut install, "stable-baselines3 could not be installed")
}

fn imports(python: &Path, module: &str) -> bool {
    let mut command = Command::new(python);
    command.args(["-c", &format!("import {module}")]).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn run(command: &mut Command, needed: &str) -> Result<(), String> {
    let program = PathBuf::from(command.get_program());
    let status = command.status().map_err(|error| told(needed, &program, &error))?;
    if status.success() { Ok(()) } else { Err(told(needed, &program, &status)) }
}

fn told(what: &str, program: &Path, why: &dyn Display) -> String {
    format!("{what}: {}: {why}", program.display())
}
