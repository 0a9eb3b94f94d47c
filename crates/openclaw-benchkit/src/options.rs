//! The one option of a benchmark binary. Parsed by hand: a command-line library would be most of this crate.

use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

/// What the command line of a benchmark asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    /// Where to write the report as JSON, besides the table on standard output.
    pub json: Option<PathBuf>,
}

/// A command line that a benchmark does not understand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageError(String);

impl Options {
    /// Reads `[--json FILE]` from the arguments after the program's name. `--bench`, which cargo adds of its own
    /// accord, is ignored.
    ///
    /// # Errors
    /// An argument of another name, or `--json` without a file.
    pub fn from_args(args: impl IntoIterator<Item = String>) -> Result<Self, UsageError> {
        let mut options = Self::default();
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--bench" => {}
                "--json" => {
                    let file =
                        args.next().ok_or_else(|| UsageError("--json needs a file name".to_owned()))?;
                    options.json = Some(file.into());
                }
                other => return Err(UsageError(format!("unknown argument {other:?}"))),
            }
        }
        Ok(options)
    }
}

impl UsageError {
    /// Says on standard error what was wrong and what is understood; the exit status is 2.
    pub fn report(&self) -> ExitCode {
        eprintln!("error: {self}\nusage: [--json FILE]");
        ExitCode::from(2)
    }
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Options, UsageError> {
        Options::from_args(args.iter().map(|arg| (*arg).to_owned()))
    }

    #[test]
    fn the_json_file_is_taken_and_cargos_own_flag_ignored() {
        assert_eq!(parse(&["--json", "out.json", "--bench"]).unwrap().json, Some("out.json".into()));
        assert_eq!(parse(&["--bench"]).unwrap(), Options::default());
    }

    #[test]
    fn a_mistyped_argument_is_refused_by_name() {
        assert_eq!(parse(&["--jsn"]).unwrap_err().to_string(), "unknown argument \"--jsn\"");
    }

    #[test]
    fn json_without_a_file_is_refused() {
        assert_eq!(parse(&["--json"]).unwrap_err().to_string(), "--json needs a file name");
    }
}
