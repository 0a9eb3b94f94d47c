//! How far it has come: a bar with the time left on a terminal, now and then a line elsewhere.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressStyle};

use crate::terminal::report;

/// Between two lines where there is no terminal to redraw.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// The progress of some hundreds of jobs on several threads.
pub(super) struct Progress {
    what: String,
    total: u64,
    done: AtomicU64,
    lines: AtomicU64,
    begun: Instant,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// `total` jobs that do `what`.
    pub(super) fn new(what: &str, total: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(total);
            let style = ProgressStyle::with_template("{prefix:<26}{wide_bar} {pos}/{len}  {eta} left");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_prefix(what.to_owned());
            bar
        });
        let (done, lines) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { what: what.to_owned(), total, done, lines, begun: Instant::now(), bar }
    }

    /// So many jobs more are done.
    pub(super) fn step(&self, jobs: u64) {
        let done = self.done.fetch_add(jobs, Ordering::Relaxed) + jobs;
        if let Some(bar) = &self.bar {
            bar.set_position(done);
            return;
        }
        let elapsed = self.begun.elapsed();
        let due = elapsed.as_secs() / LINE_EVERY.as_secs();
        // Whoever raises the number of lines writes the line.
        if self.lines.fetch_max(due, Ordering::Relaxed) < due {
            let left = elapsed.mul_f64((self.total - done.min(self.total)) as f64 / done as f64);
            report(&format!("{}: {done} of {}, {} left", self.what, self.total, HumanDuration(left)));
        }
    }

    pub(super) fn end(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}
