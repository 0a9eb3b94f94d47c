//! The command line, parsed by hand: a parser library would take longer to build than all the rest of this tool.

use crate::suite::Selection;
use std::path::PathBuf;

/// Every subcommand; documents may name no other.
pub(crate) const COMMANDS: &[&str] = &["tidy", "codegen", "test", "prove", "bench", "help"];

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Task {
    Help,
    Tidy,
    Codegen { check: bool },
    Test(Selection),
    ListProofs,
    Prove(String),
    ListBenches,
    Bench { name: String, json: Option<PathBuf> },
}

/// The help text.
pub(crate) fn usage() -> &'static str {
    "usage: cargo xtask COMMAND

  tidy                                 check the rules no compiler knows: layers, documents, file lengths
  codegen [--check]                    write the reference pages and OpenAPI documents anew, or only compare them
  test [--only STEP]... [--skip STEP]...
                                       everything that must be green; builds the tools it lacks under the target folder
  prove [NAME]                         run a crash, soak or stress proof with its full counts; alone: list them
  bench [NAME] [--json FILE]           measure beside a peer, print the table, write the report; alone: list them"
}

/// Reads the arguments after the program's name.
///
/// # Errors
/// One sentence that says which argument is wrong.
pub(crate) fn parse(args: impl IntoIterator<Item = String>) -> Result<Task, String> {
    let mut args = args.into_iter();
    let Some(command) = args.next() else { return Err("which task?".to_owned()) };
    let rest: Vec<String> = args.collect();
    match command.as_str() {
        "help" | "--help" | "-h" => Ok(Task::Help),
        _ if rest.iter().any(|arg| arg == "--help" || arg == "-h") => Ok(Task::Help),
        "tidy" => match rest.first() {
            None => Ok(Task::Tidy),
            Some(extra) => Err(format!("`tidy` takes no arguments, but got {extra:?}")),
        },
        "codegen" => match rest.as_slice() {
            [] => Ok(Task::Codegen { check: false }),
            [flag] if flag == "--check" => Ok(Task::Codegen { check: true }),
            other => Err(format!("`codegen` takes --check or nothing, but got {other:?}")),
        },
        "test" => Ok(Task::Test(parse_selection(rest)?)),
        "prove" => parse_prove(rest),
        "bench" => parse_bench(rest),
        other => Err(format!("unknown task {other:?}")),
    }
}

fn parse_selection(args: Vec<String>) -> Result<Selection, String> {
    let mut selection = Selection::default();
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        let list = match arg.as_str() {
            "--only" => &mut selection.only,
            "--skip" => &mut selection.skip,
            other => return Err(format!("`test` does not know {other:?}")),
        };
        list.push(args.next().ok_or_else(|| format!("{arg} needs the name of a step"))?);
    }
    selection.check()?;
    Ok(selection)
}

fn parse_prove(args: Vec<String>) -> Result<Task, String> {
    let mut args = args.into_iter();
    match (args.next(), args.next()) {
        (None, _) => Ok(Task::ListProofs),
        (Some(name), None) => Ok(Task::Prove(name)),
        (Some(_), Some(extra)) => Err(format!("`prove` runs one proof at a time, but got {extra:?} too")),
    }
}

fn parse_bench(args: Vec<String>) -> Result<Task, String> {
    let mut name = None;
    let mut json = None;
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        if arg == "--json" {
            json = Some(PathBuf::from(args.next().ok_or("--json needs a file name")?));
        } else if arg.starts_with('-') || name.is_some() {
            return Err(format!("`bench` does not know {arg:?}"));
        } else {
            name = Some(arg);
        }
    }
    match (name, json) {
        (Some(name), json) => Ok(Task::Bench { name, json }),
        (None, None) => Ok(Task::ListBenches),
        (None, Some(_)) => Err("--json needs the name of a bench beside it".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_line(line: &str) -> Result<Task, String> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn every_command_is_understood() {
        for command in COMMANDS {
            assert!(parse_line(command).is_ok(), "{command}");
            assert!(usage().contains(command) || *command == "help", "the help text lacks {command}");
        }
    }

    #[test]
    fn generated_pages_are_written_unless_only_compared() {
        assert_eq!(parse_line("codegen"), Ok(Task::Codegen { check: false }));
        assert_eq!(parse_line("codegen --check"), Ok(Task::Codegen { check: true }));
    }

    #[test]
    fn names_and_files_are_taken() {
        assert_eq!(parse_line("prove crash"), Ok(Task::Prove("crash".to_owned())));
        let json = Some(PathBuf::from("out.json"));
        assert_eq!(
            parse_line("bench bucket --json out.json"),
            Ok(Task::Bench { name: "bucket".to_owned(), json: json.clone() })
        );
        assert_eq!(
            parse_line("bench --json out.json bucket"),
            Ok(Task::Bench { name: "bucket".to_owned(), json })
        );
    }

    #[test]
    fn steps_are_collected_in_order() {
        let Ok(Task::Test(selection)) = parse_line("test --only fmt --only tidy --skip deny") else {
            panic!("not understood")
        };
        assert_eq!(selection.only, ["fmt", "tidy"]);
        assert_eq!(selection.skip, ["deny"]);
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (line, named) in [
            ("", "which task"),
            ("tidie", "\"tidie\""),
            ("tidy now", "\"now\""),
            ("codegen --chekc", "\"--chekc\""),
            ("test --only", "--only needs"),
            ("test --only nothing", "\"nothing\""),
            ("test fast", "\"fast\""),
            ("prove one two", "\"two\""),
            ("bench --jsn f", "\"--jsn\""),
            ("bench --json f", "name of a bench"),
            ("bench x --json", "file name"),
        ] {
            let fault = parse_line(line).unwrap_err();
            assert!(fault.contains(named), "{line}: {fault}");
        }
    }

    #[test]
    fn help_is_given_wherever_it_is_asked_for() {
        assert_eq!(parse_line("test --help"), Ok(Task::Help));
        assert_eq!(parse_line("-h"), Ok(Task::Help));
    }
}
