//! Makes `data/servegen-reason/arrivals.csv.gz` from the recorded windows beside it:
//! `cargo run -p openclaw-harness --example servegen_arrivals | gzip -9n > data/servegen-reason/arrivals.csv.gz`.
//!
//! An example, for it runs once; a test compares what is committed with what it makes.

mod renewal;

use std::io::Write as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let made = renewal::shipped_windows().map(|clients| renewal::arrivals_text(&clients));
    let written = made.and_then(|text| Ok(std::io::stdout().write_all(text.as_bytes())?));
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("no arrivals were made: {error}");
            ExitCode::FAILURE
        }
    }
}
