//! Prints one of the committed scenario sets, so that `cargo xtask codegen` can write it:
//! `cargo run -p openclaw-scenario --example scenario_set -- scenarios/sets/test/hard.json`.

use std::io::Write as _;
use std::process::ExitCode;

use openclaw_scenario::families::sets::COMMITTED;

fn main() -> ExitCode {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    let Some(set) = COMMITTED.into_iter().find(|set| set.path() == wanted) else {
        let known: Vec<String> = COMMITTED.iter().map(|set| set.path()).collect();
        eprintln!("{wanted:?} is no committed set; these are:\n{}", known.join("\n"));
        return ExitCode::FAILURE;
    };
    match std::io::stdout().write_all(set.to_json().as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the set cannot be printed: {error}");
            ExitCode::FAILURE
        }
    }
}
