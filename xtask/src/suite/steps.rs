//! The steps in their order: what fails soonest comes first, what needs only a check build comes before what runs.
//!
//! Three builds in all: a check build for clippy and the documentation, a test build, and the loom models' own.

use super::{Setting, Step, Verdict, deny, loom, onnx, postgres, sdk, tools};
use crate::process::{self, cargo};
use anyhow::Result;

/// Everything `cargo xtask test` runs.
pub(super) const STEPS: &[Step] = &[
    Step { name: "fmt", run: fmt },
    Step { name: "tidy", run: tidy },
    Step { name: "clippy", run: clippy },
    Step { name: "docs", run: docs },
    Step { name: "tests", run: tests },
    Step { name: "doctests", run: doctests },
    Step { name: "onnx", run: onnx::check },
    Step { name: "postgres", run: postgres::check },
    Step { name: "sdk-js", run: sdk::check_js },
    Step { name: "sdk-go", run: sdk::check_go },
    Step { name: "loom", run: loom::check },
    Step { name: "deny", run: deny::check_offline },
    Step { name: "advisories", run: deny::check_advisories },
];

fn fmt(setting: &Setting) -> Result<Verdict> {
    process::run(cargo(&setting.root).args(["fmt", "--all", "--check"]))?;
    Ok(Verdict::Passed)
}

fn tidy(_: &Setting) -> Result<Verdict> {
    println!("{}", crate::run_tidy()?);
    Ok(Verdict::Passed)
}

fn clippy(setting: &Setting) -> Result<Verdict> {
    let mut command = cargo(&setting.root);
    command.args(["clippy", "--workspace", "--all-targets", "--locked", "--", "--deny", "warnings"]);
    process::run(&mut command)?;
    Ok(Verdict::Passed)
}

/// Every link inside the documentation must lead somewhere.
fn docs(setting: &Setting) -> Result<Verdict> {
    let mut command = cargo(&setting.root);
    command.env("RUSTDOCFLAGS", "--deny warnings");
    command.args(["doc", "--workspace", "--no-deps", "--locked"]);
    process::run(&mut command)?;
    Ok(Verdict::Passed)
}

fn tests(setting: &Setting) -> Result<Verdict> {
    let nextest = tools::ensure(&tools::NEXTEST, setting)?;
    let mut command = tools::command(&nextest, setting);
    let profile = if setting.ci { "ci" } else { "default" };
    command.args(["nextest", "run", "--workspace", "--locked", "--profile", profile, "--no-tests", "fail"]);
    process::run(&mut command)?;
    Ok(Verdict::Passed)
}

fn doctests(setting: &Setting) -> Result<Verdict> {
    process::run(cargo(&setting.root).args(["test", "--workspace", "--doc", "--locked"]))?;
    Ok(Verdict::Passed)
}
