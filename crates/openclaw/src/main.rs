//! OpenClaw, the binary: reads the command line, runs one command, and says in a sentence what went wrong.

mod cli;
mod commands;
mod compose;
mod config;
mod demo;
mod terminal;

use std::process::ExitCode;

use clap::Parser;

/// The command line or the configuration cannot be used; nothing was started.
const EXIT_USAGE: u8 = 2;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match commands::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The whole chain in one line: what failed, and why.
            terminal::complain(&format!("{error:#}"));
            let usage = error.downcast_ref::<config::ConfigErrors>().is_some();
            if usage { ExitCode::from(EXIT_USAGE) } else { ExitCode::FAILURE }
        }
    }
}
