//! What is going on in a load, second by second: a bar on a terminal, plain lines elsewhere.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};
use openclaw_harness::Progress;

use crate::terminal::{report, show_ms};

/// Seconds between two lines where there is no terminal to redraw.
const LINE_S: u64 = 5;

/// The live view of one run.
pub(crate) struct Live {
    controller: String,
    bar: Option<ProgressBar>,
}

impl Live {
    pub(crate) fn new(controller: &str, duration_s: f64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(duration_s.ceil() as u64);
            let style = ProgressStyle::with_template("{prefix:<13}{wide_bar} {pos}/{len} s\n  {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_prefix(controller.to_owned());
            bar
        });
        Self { controller: controller.to_owned(), bar }
    }

    pub(crate) fn show(&self, now: &Progress, capacity_per_s: f64) {
        let second = now.elapsed_s.round() as u64;
        let figures = format!(
            "in time {:>5.0}/s   p95 {:>7}   throttled {:>3.0} %   offered {:>5.0}/s   capacity {:>4.0}/s",
            now.goodput_per_s,
            show_ms(now.p95_ms),
            now.throttled_fraction * 1e2,
            now.offered_per_s,
            capacity_per_s
        );
        match &self.bar {
            Some(bar) => {
                bar.set_position(second);
                bar.set_message(figures);
            }
            None if second.is_multiple_of(LINE_S) => {
                report(&format!("{:<13}{second:>4} s   {figures}", self.controller))
            }
            None => {}
        }
    }

    pub(crate) fn end(self) {
        if let Some(bar) = self.bar {
            bar.finish();
        }
    }
}
