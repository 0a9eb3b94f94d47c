//! OpenClaw, the binary: reads the command line, runs one command, and says in a sentence what went wrong.

mod cli;
mod commands;
mod compose;
mod config;
mod demo;
mod live;
mod policies;
mod real;
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
            terminal::complain(&sentence(&error));
            let usage = error.downcast_ref::<config::ConfigErrors>().is_some();
            if usage { ExitCode::from(EXIT_USAGE) } else { ExitCode::FAILURE }
        }
    }
}

/// What failed and why, in one line: every cause that the message before it does not quote already.
fn sentence(error: &anyhow::Error) -> String {
    let mut sentence = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !sentence.contains(&cause) {
            sentence.push_str(": ");
            sentence.push_str(&cause);
        }
    }
    sentence
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::sentence;

    #[test]
    fn causes_are_told_once() {
        let plain = anyhow!("disk full").context("a.json cannot be written");
        assert_eq!(sentence(&plain), "a.json cannot be written: disk full");
        let quoting = anyhow!("disk full").context("a.json cannot be written (disk full); free some space");
        assert_eq!(sentence(&quoting), "a.json cannot be written (disk full); free some space");
    }
}
