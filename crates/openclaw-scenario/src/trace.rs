//! Recorded arrival times: one number of seconds a line.

use std::io::BufRead;

/// More would take over 800 MB.
const ARRIVALS_MAX: usize = 100_000_000;

/// Arrival times in seconds, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct ArrivalTrace {
    times_s: Vec<f64>,
}

/// Why a trace could not be read.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The reader failed.
    #[error("line {line}: cannot be read")]
    Read {
        /// From 1.
        line: usize,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Not a number of seconds, or out of order.
    #[error("line {line}: {problem}")]
    Line {
        /// From 1.
        line: usize,
        /// What was wrong.
        problem: String,
    },
    /// Nothing to play.
    #[error("the trace holds no arrival")]
    Empty,
}

impl ArrivalTrace {
    /// Reads one arrival time in seconds a line. Empty lines, and a first line that is no number (a CSV
    /// heading), are skipped.
    ///
    /// # Errors
    /// Names the first line that is not a finite number of at least 0, or is earlier than the one before.
    pub fn parse(reader: impl BufRead) -> Result<Self, TraceError> {
        let mut times_s: Vec<f64> = Vec::new();
        for (line, text) in (1..).zip(reader.lines()) {
            let text = text.map_err(|source| TraceError::Read { line, source })?;
            let text = text.trim();
            if text.is_empty() {
                continue;
            }
            let wrong = |problem: String| TraceError::Line { line, problem };
            let time_s = match text.parse::<f64>() {
                Ok(time_s) if time_s.is_finite() && time_s >= 0.0 => time_s,
                Ok(_) => return Err(wrong(format!("{text} is not a time of at least 0 s"))),
                Err(_) if line == 1 => continue,
                Err(_) => return Err(wrong(format!("{text:?} is not a number of seconds"))),
            };
            if times_s.last().is_some_and(|before| *before > time_s) {
                return Err(wrong(format!(
                    "{time_s} s is earlier than the line before; sort the trace by time"
                )));
            }
            if times_s.len() == ARRIVALS_MAX {
                return Err(wrong(format!("a trace may hold {ARRIVALS_MAX} arrivals")));
            }
            times_s.push(time_s);
        }
        if times_s.is_empty() { Err(TraceError::Empty) } else { Ok(Self { times_s }) }
    }

    /// The times in seconds, in order.
    #[must_use]
    pub fn times_s(&self) -> &[f64] {
        &self.times_s
    }
}
