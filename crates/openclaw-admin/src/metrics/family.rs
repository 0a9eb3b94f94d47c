//! Gauges by user: families whose series come from their owner at every scrape.
//!
//! A recorder keeps a series until it has been idle for a while, so a user who left the busiest hundred
//! would linger with a stale value beside the newcomer, and cardinality would not be bounded.

use std::collections::HashSet;

use metrics::Unit;

use super::text;

/// Counts the series that a family's bound left out.
pub(super) const SERIES_DROPPED_TOTAL: &str = "openclaw_exporter_series_dropped_total";

/// A family of gauges with one label.
#[derive(Clone, Debug)]
pub struct GaugeFamily {
    /// The metric's name.
    pub name: &'static str,
    /// The label's name.
    pub label: &'static str,
    /// What it measures and in which unit, one sentence.
    pub help: &'static str,
    /// Series rendered at most; further ones are left out and counted. The owner's own bound is usually the
    /// lower one: this one holds whatever the owner does.
    pub series_max: usize,
}

impl GaugeFamily {
    /// Describes the family for the reference of metrics.
    pub fn describe(&self) {
        metrics::describe_gauge!(self.name, Unit::Count, self.help);
    }
}

type Series = Box<dyn Fn() -> Vec<(String, f64)> + Send + Sync>;

pub(super) struct Provided {
    pub(super) family: GaugeFamily,
    pub(super) series: Series,
}

impl Provided {
    /// Appends the family's present series. A label value given twice is written once: Prometheus refuses a
    /// whole scrape for one duplicate.
    pub(super) fn render(&self, out: &mut String) {
        let GaugeFamily { name, label, help, series_max } = self.family;
        let all = (self.series)();
        let mut seen = HashSet::with_capacity(all.len().min(series_max));
        let mut body = String::new();
        let mut dropped = 0;
        for (label_value, value) in &all {
            if seen.contains(label_value) {
                continue;
            }
            if seen.len() == series_max {
                dropped += 1;
                continue;
            }
            seen.insert(label_value);
            text::write_sample(&mut body, name, Some((label, label_value)), *value);
        }
        if dropped > 0 {
            metrics::counter!(SERIES_DROPPED_TOTAL, "family" => name).increment(dropped);
        }
        if !body.is_empty() {
            text::write_head(out, name, "gauge", help);
            out.push_str(&body);
            out.push('\n');
        }
    }
}
