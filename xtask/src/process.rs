//! Running other programs: with their output passed on, with a limit on their time, or with their output in hand.

use anyhow::{Context, Result, bail};
use std::env;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The cargo that runs this tool, started in the workspace's root.
pub(crate) fn cargo(root: &Path) -> Command {
    let program = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(program);
    command.current_dir(root);
    command
}

/// The command as a person would type it, for messages.
pub(crate) fn shown(command: &Command) -> String {
    let settings = command.get_envs().filter_map(|(name, value)| {
        Some(format!("{}={}", name.display(), quoted(&value?.to_string_lossy())))
    });
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words =
        std::iter::once(program).chain(command.get_args()).map(|word| quoted(&word.to_string_lossy()));
    settings.chain(words).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str) -> String {
    if word.contains([' ', '*', '"']) { format!("'{word}'") } else { word.to_owned() }
}

/// Runs the command to its end with its output passed on.
///
/// # Errors
/// It could not be started, or failed.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    eprintln!("$ {}", shown(command));
    let status = command.status().with_context(|| not_started(command))?;
    judge(command, status)
}

/// Runs the command and gives what it wrote on standard output.
///
/// # Errors
/// It could not be started, failed (its standard error is in the message), or wrote no UTF-8.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| not_started(command))?;
    if !output.status.success() {
        bail!("`{}` failed: {}", shown(command), String::from_utf8_lossy(&output.stderr).trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{}` wrote no UTF-8", shown(command)))
}

/// Runs the command, passes its standard output on and shows every line of it to `see`.
///
/// # Errors
/// It could not be started, its output could not be read, or it failed.
pub(crate) fn run_watched(command: &mut Command, mut see: impl FnMut(&str)) -> Result<()> {
    eprintln!("$ {}", shown(command));
    let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| not_started(command))?;
    if let Some(pipe) = child.stdout.take() {
        for line in BufReader::new(pipe).lines() {
            let line = line.with_context(|| format!("reading the output of `{}`", shown(command)))?;
            see(&line);
            writeln!(std::io::stdout(), "{line}")?;
        }
    }
    let status = child.wait().with_context(|| format!("waiting for `{}`", shown(command)))?;
    judge(command, status)
}

/// Runs the command, but ends it once `limit` has passed: for programs that talk to a network that may not answer.
///
/// # Errors
/// As [`run`], and where the limit was reached.
pub(crate) fn run_within(command: &mut Command, limit: Duration) -> Result<()> {
    eprintln!("$ {}", shown(command));
    let mut child = command.spawn().with_context(|| not_started(command))?;
    let start = Instant::now();
    while start.elapsed() < limit {
        if let Some(status) = child.try_wait().with_context(|| format!("waiting for `{}`", shown(command)))? {
            return judge(command, status);
        }
        thread::sleep(Duration::from_millis(100));
    }
    child.kill().and_then(|()| child.wait()).with_context(|| format!("ending `{}`", shown(command)))?;
    bail!("`{}` had not ended after {} s and was stopped", shown(command), limit.as_secs())
}

fn judge(command: &Command, status: ExitStatus) -> Result<()> {
    if !status.success() {
        bail!("`{}` failed ({status})", shown(command));
    }
    Ok(())
}

fn not_started(command: &Command) -> String {
    format!("`{}` could not be started: is it installed and on the path?", shown(command))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rustc(arg: &str) -> Command {
        let mut command = Command::new("rustc");
        command.arg(arg);
        command
    }

    #[test]
    fn a_command_is_shown_as_it_would_be_typed() {
        let mut command = Command::new("/usr/bin/cargo");
        command.env("RUSTFLAGS", "--cfg loom").args(["test", "--test", "loom*"]);
        assert_eq!(shown(&command), "RUSTFLAGS='--cfg loom' cargo test --test 'loom*'");
    }

    #[test]
    fn output_is_what_was_written() {
        assert!(output(&mut rustc("--version")).unwrap().starts_with("rustc "));
    }

    #[test]
    fn a_failure_names_the_command_and_its_words() {
        let error = output(&mut rustc("--no-such-flag")).unwrap_err().to_string();
        assert!(error.contains("rustc --no-such-flag") && error.contains("no-such-flag'"), "{error}");
        assert!(run(&mut rustc("--no-such-flag")).is_err());
        assert!(run_within(&mut rustc("--no-such-flag"), Duration::from_mins(1)).is_err());
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = run(&mut Command::new("no-such-program-anywhere")).unwrap_err().to_string();
        assert!(error.contains("no-such-program-anywhere"), "{error}");
    }

    #[test]
    fn every_line_is_seen() {
        let mut lines = Vec::new();
        run_watched(&mut rustc("-vV"), |line| lines.push(line.to_owned())).unwrap();
        assert!(lines.len() > 3 && lines.iter().any(|line| line.starts_with("host: ")), "{lines:?}");
    }
}
