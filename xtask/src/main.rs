//! OpenClaw's development tasks, one tool for all of them: `cargo xtask`.
//!
//! A Rust program rather than a makefile or shell scripts, so that a machine with only the Rust toolchain can run
//! every check, and so that the checks have types and tests of their own.
#![expect(clippy::print_stdout, reason = "a command-line tool speaks on standard output")]

mod cli;
mod codegen;
mod process;
mod recipes;
mod suite;
mod test_run;
mod tidy;
mod tree;

use anyhow::{Result, bail};
use cli::Task;
use std::process::ExitCode;

fn main() -> ExitCode {
    let task = match cli::parse(std::env::args().skip(1)) {
        Ok(task) => task,
        Err(fault) => {
            eprintln!("error: {fault}\n\n{}", cli::usage());
            return ExitCode::from(2);
        }
    };
    match run(task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<()> {
    match task {
        Task::Help => println!("{}", cli::usage()),
        Task::Tidy => println!("{}", run_tidy()?),
        Task::Codegen { check } => println!("{}", codegen::run(check)?),
        Task::Test(selection) => suite::run(&selection)?,
        Task::ListProofs => print!("{}", recipes::list("proofs", recipes::PROOFS)),
        Task::ListBenches => print!("{}", recipes::list("benches", recipes::BENCHES)),
        Task::Prove(name) => recipes::prove(&name)?,
        Task::Bench { name, json } => recipes::bench(&name, json.as_deref())?,
    }
    Ok(())
}

/// Checks the working tree; where a rule is broken, prints every finding and fails.
fn run_tidy() -> Result<String> {
    let tree = tree::Tree::load()?;
    let findings = tidy::check(&tree);
    for finding in &findings {
        println!("{finding}\n");
    }
    if !findings.is_empty() {
        bail!("tidy found {} things to mend", findings.len());
    }
    Ok(format!("tidy: {} packages and {} files keep the rules", tree.packages.len(), tree.files.len()))
}
