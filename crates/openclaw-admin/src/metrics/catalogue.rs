//! Every described metric, listed: from this the reference page is generated, so that it cannot drift.

use std::fmt::Write;

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use parking_lot::Mutex;

use super::{family, process};

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MetricKind {
    /// Only ever grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution in buckets.
    Histogram,
}

impl MetricKind {
    fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// One metric's description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricDoc {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: MetricKind,
    /// Its unit, where it was given.
    pub unit: Option<Unit>,
    /// What it measures.
    pub help: String,
}

/// The described metrics of a set of crates, sorted by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalogue {
    metrics: Vec<MetricDoc>,
}

impl Catalogue {
    /// Runs `describe` (the crates' `describe_metrics` functions) and keeps what they describe, beside what
    /// this crate itself measures. Nothing is installed and nothing recorded.
    #[must_use]
    pub fn collect(describe: impl FnOnce()) -> Self {
        let collector = Collector::default();
        metrics::with_local_recorder(&collector, || {
            describe_metrics();
            describe();
        });
        let mut metrics = collector.metrics.into_inner();
        metrics.sort_by(|a, b| a.name.cmp(&b.name));
        metrics.dedup();
        Self { metrics }
    }

    /// The metrics, sorted by name.
    #[must_use]
    pub fn metrics(&self) -> &[MetricDoc] {
        &self.metrics
    }

    /// A Markdown table of all metrics.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let mut page = String::from("| metric | kind | unit | meaning |\n|---|---|---|---|\n");
        for MetricDoc { name, kind, unit, help } in &self.metrics {
            let unit = match unit {
                None | Some(Unit::Count) => "",
                Some(unit) => unit.as_str(),
            };
            let help = help.replace('|', r"\|").replace('\n', " ");
            let _ = writeln!(page, "| `{name}` | {} | {unit} | {help} |", kind.name());
        }
        page
    }
}

/// Describes what this crate measures: access, listeners, the exporter and the process.
pub(super) fn describe_metrics() {
    metrics::describe_counter!(
        family::SERIES_DROPPED_TOTAL,
        Unit::Count,
        "Series that a family with a bounded label left out of a scrape, by family."
    );
    crate::access::describe_metrics();
    crate::listen::describe_metrics();
    process::describe();
}

#[derive(Default)]
struct Collector {
    metrics: Mutex<Vec<MetricDoc>>,
}

impl Collector {
    fn add(&self, kind: MetricKind, name: &KeyName, unit: Option<Unit>, help: &SharedString) {
        let doc = MetricDoc { name: name.as_str().to_owned(), kind, unit, help: help.clone().into_owned() };
        self.metrics.lock().push(doc);
    }
}

impl Recorder for Collector {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, help: SharedString) {
        self.add(MetricKind::Counter, &name, unit, &help);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, help: SharedString) {
        self.add(MetricKind::Gauge, &name, unit, &help);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, help: SharedString) {
        self.add(MetricKind::Histogram, &name, unit, &help);
    }

    fn register_counter(&self, _key: &Key, _metadata: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, _key: &Key, _metadata: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _key: &Key, _metadata: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}
