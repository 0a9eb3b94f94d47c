//! How far an import or export is: a bar on a terminal, a line now and then elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::terminal::report;

/// Time between two lines where there is no terminal to redraw.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// The live view of one file.
pub(super) struct Progress {
    what: String,
    bar: Option<ProgressBar>,
    last_line: Instant,
}

impl Progress {
    /// A view of `what`, which is done at `total` units; an unknown total is 0.
    pub(super) fn new(what: String, total: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(total);
            let style = ProgressStyle::with_template("{prefix} {wide_bar} {percent:>3} %  {msg}  {eta} left");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_prefix(what.clone());
            bar
        });
        Self { what, bar, last_line: Instant::now() }
    }

    pub(super) fn at(&mut self, done: u64, ratings: u64) {
        match &self.bar {
            Some(bar) => {
                bar.set_position(done);
                bar.set_message(format!("{ratings} ratings"));
            }
            None if self.last_line.elapsed() >= LINE_INTERVAL => {
                self.last_line = Instant::now();
                report(&format!("{}: {ratings} ratings", self.what));
            }
            None => {}
        }
    }

    /// A line that stays.
    pub(super) fn note(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(line),
            None => report(line),
        }
    }

    pub(super) fn end(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}
