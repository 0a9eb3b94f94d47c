//! The report: rows beside a peer, judged against their goals, as a table for people and JSON for the repository.
#![expect(clippy::print_stdout, reason = "the table is what a benchmark is run for")]

use crate::{Machine, Options};
use serde::Serialize;
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::{fs, io};

/// Which way a ratio improves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// The goal is an upper bound on the ratio.
    Lower,
    /// The goal is a lower bound on the ratio.
    Higher,
}

/// One case, measured beside one peer.
#[derive(Debug, Clone, PartialEq)]
pub struct Row<'a> {
    /// What was asked, such as `one hot key, 2 threads`.
    pub case: &'a str,
    /// The unit of both values, such as `ns` or `events/s`.
    pub unit: &'a str,
    /// Ours: the median of the paired runs.
    pub value: f64,
    /// What it was measured beside.
    pub peer: &'a str,
    /// The peer's median.
    pub peer_value: f64,
    /// The bound on `value / peer_value`; none where the row only informs.
    pub goal: Option<f64>,
    /// Whether the goal bounds the ratio from above (`Lower`) or below.
    pub better: Better,
}

/// A row as reported: with its ratio.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    case: String,
    unit: String,
    value: f64,
    peer: String,
    peer_value: f64,
    ratio: f64,
    goal: Option<f64>,
    better: Better,
}

/// The rows of one benchmark run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bench {
    bench: String,
    machine: Machine,
    rows: Vec<Line>,
}

impl Bench {
    /// An empty report of the benchmark `name`, on this machine.
    pub fn new(name: &str) -> Self {
        Self { bench: name.to_owned(), machine: Machine::here(), rows: Vec::new() }
    }

    /// Adds a row.
    ///
    /// # Panics
    /// Where a value is not finite or the peer's is not above zero: such a row has no ratio.
    pub fn row(&mut self, row: Row<'_>) {
        let ratio = row.value / row.peer_value;
        assert!(
            row.peer_value > 0.0 && ratio.is_finite(),
            "case {:?} has no ratio: {} beside {}",
            row.case,
            row.value,
            row.peer_value
        );
        self.rows.push(Line {
            case: row.case.to_owned(),
            unit: row.unit.to_owned(),
            value: row.value,
            peer: row.peer.to_owned(),
            peer_value: row.peer_value,
            ratio,
            goal: row.goal,
            better: row.better,
        });
    }

    /// The cases whose ratio is beyond its goal.
    pub fn misses(&self) -> Vec<&str> {
        self.rows.iter().filter(|line| line.misses()).map(|line| line.case.as_str()).collect()
    }

    /// The report as JSON: `{"bench","machine","rows":[{"case","unit","value","peer","peerValue","ratio","goal","better"}]}`.
    pub fn to_json(&self) -> String {
        // Strings, finite numbers and lists of them: there is nothing in here that JSON cannot hold.
        let mut text = serde_json::to_string_pretty(self).expect("a report is always valid JSON");
        text.push('\n');
        text
    }

    /// The report as an aligned table. A missed goal is marked `MISS`.
    pub fn to_table(&self) -> String {
        let heads = ["case", "value", "peer", "peer value", "ratio", "goal", ""].map(str::to_owned);
        let cells: Vec<[String; 7]> =
            std::iter::once(heads).chain(self.rows.iter().map(Line::cells)).collect();
        let widths: [usize; 7] = std::array::from_fn(|column| {
            cells.iter().map(|row| row[column].chars().count()).max().unwrap_or_default()
        });
        let machine = &self.machine;
        let mut table = format!(
            "bench {} · {} cores · {} · {} · {}\n",
            self.bench, machine.cores, machine.cpu_model, machine.kernel, machine.rustc
        );
        for row in &cells {
            let mut line = String::new();
            for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
                // Names read from the left, numbers align at the right.
                let written = match column {
                    0 | 2 | 6 => write!(line, "{cell:<width$}  "),
                    _ => write!(line, "{cell:>width$}  "),
                };
                written.expect("writing to a string cannot fail");
            }
            table.push_str(line.trim_end());
            table.push('\n');
        }
        table
    }

    /// Prints the table, writes the JSON file where one was asked for, and says by the exit status whether every
    /// goal was met: 0 if so, 1 if one was missed or the file could not be written.
    ///
    /// A debug build prints its table but writes no file: its figures are not worth keeping.
    pub fn finish(&self, options: &Options) -> ExitCode {
        print!("{}", self.to_table());
        if let Some(file) = &options.json
            && let Err(error) = self.write(file, cfg!(debug_assertions))
        {
            eprintln!("error: the report was not written to {}: {error}", file.display());
            return ExitCode::FAILURE;
        }
        let misses = self.misses();
        if misses.is_empty() {
            ExitCode::SUCCESS
        } else {
            eprintln!("error: {} of {} goals missed: {}", misses.len(), self.goals(), misses.join("; "));
            ExitCode::FAILURE
        }
    }

    fn goals(&self) -> usize {
        self.rows.iter().filter(|line| line.goal.is_some()).count()
    }

    fn write(&self, file: &Path, debug_build: bool) -> io::Result<()> {
        if debug_build {
            return Err(io::Error::other("this is a debug build; run the benchmark with `cargo bench`"));
        }
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(file, self.to_json())
    }
}

impl Line {
    fn misses(&self) -> bool {
        match (self.goal, self.better) {
            (None, _) => false,
            (Some(goal), Better::Lower) => self.ratio > goal,
            (Some(goal), Better::Higher) => self.ratio < goal,
        }
    }

    fn cells(&self) -> [String; 7] {
        let bound = match self.better {
            Better::Lower => "<=",
            Better::Higher => ">=",
        };
        let verdict = match (self.goal, self.misses()) {
            (None, _) => "",
            (Some(_), false) => "met",
            (Some(_), true) => "MISS",
        };
        [
            self.case.clone(),
            format!("{} {}", digits(self.value), self.unit),
            self.peer.clone(),
            format!("{} {}", digits(self.peer_value), self.unit),
            format!("{:.3}", self.ratio),
            self.goal.map_or_else(String::new, |goal| format!("{bound} {goal}")),
            verdict.to_owned(),
        ]
    }
}

/// Four significant digits, without an exponent: 0.01234, 1.234, 123.4, 12345.
fn digits(value: f64) -> String {
    let magnitude = if value == 0.0 { 0.0 } else { value.abs().log10().floor() };
    let decimals = (3.0 - magnitude).clamp(0.0, 9.0) as usize;
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests;
