//! The text form, whole and by its parts.

use std::sync::Arc;

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
use parking_lot::Mutex;
use proptest::prelude::*;

use super::{Catalogue, Exporter, GaugeFamily, LATENCY_BUCKETS_SECONDS, MetricDoc, MetricKind, lint};

const BUCKET_SIZE: GaugeFamily = GaugeFamily {
    name: "rl_policy_bucket_size",
    label: "user",
    help: "Bucket size, in tokens, by user.",
    series_max: 3,
};

fn describe() {
    describe_counter!("rating_events_total", Unit::Count, "Rating events received.");
    describe_histogram!(
        "rating_event_latency_seconds",
        Unit::Seconds,
        "Latency of rating events, in seconds."
    );
    describe_gauge!("openclaw_collector_queue_events", Unit::Count, "Events waiting to be sent.");
}

fn record() {
    metrics::counter!("rating_events_total").increment(7);
    for seconds in [0.004, 0.18, 0.2, 0.204, 9.0] {
        metrics::histogram!("rating_event_latency_seconds").record(seconds);
    }
    metrics::gauge!("openclaw_collector_queue_events", "service" => "a \"quoted\" \\ name").set(3.0);
}

/// Everything that was rendered but the process's own figures, which vary.
fn without_process_figures(text: &str) -> String {
    text.lines().filter(|line| !line.contains("process_")).fold(String::new(), |all, line| all + line + "\n")
}

#[test]
fn what_was_recorded_is_rendered_and_passes_the_checks() {
    let (exporter, recorder) = Exporter::unattached().unwrap();
    metrics::with_local_recorder(&recorder, || {
        describe();
        record();
    });
    exporter.provide(BUCKET_SIZE, || vec![("42".to_owned(), 12.5), ("_other".to_owned(), 3.0)]);
    let text = exporter.render();
    assert_eq!(lint::check(&text), Vec::<String>::new(), "{text}");
    for line in [
        "# HELP rating_events_total Rating events received.",
        "# TYPE rating_events_total counter",
        "rating_events_total 7",
        "# TYPE rating_event_latency_seconds histogram",
        "rating_event_latency_seconds_bucket{le=\"0.2\"} 3",
        "rating_event_latency_seconds_bucket{le=\"0.21\"} 4",
        "rating_event_latency_seconds_bucket{le=\"+Inf\"} 5",
        "rating_event_latency_seconds_count 5",
        "openclaw_collector_queue_events{service=\"a \\\"quoted\\\" \\\\ name\"} 3",
        "# HELP rl_policy_bucket_size Bucket size, in tokens, by user.",
        "rl_policy_bucket_size{user=\"42\"} 12.5",
        "rl_policy_bucket_size{user=\"_other\"} 3",
    ] {
        assert!(text.lines().any(|rendered| rendered == line), "no line {line:?} in\n{text}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn the_process_reports_on_itself() {
    let (exporter, _recorder) = Exporter::unattached().unwrap();
    let text = exporter.render();
    assert_eq!(lint::check(&text), Vec::<String>::new(), "{text}");
    let figure = |name: &str| -> f64 {
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
        line.unwrap_or_else(|| panic!("no {name} in\n{text}")).parse().unwrap()
    };
    assert!(figure("process_resident_memory_bytes") > 100_000.0);
    assert!(figure("process_resident_memory_bytes") <= figure("process_virtual_memory_bytes"));
    assert!((3.0..=figure("process_max_fds")).contains(&figure("process_open_fds")));
    assert!(figure("process_cpu_seconds_total") >= 0.0);
    // Any moment since this was written will do: a wrong unit is off by a factor of a hundred at least.
    assert!((1.7e9..1e11).contains(&figure("process_start_time_seconds")));
}

#[test]
fn a_series_that_is_no_longer_provided_is_gone_at_the_next_scrape() {
    let (exporter, _recorder) = Exporter::unattached().unwrap();
    let users = Arc::new(Mutex::new(vec![("alice".to_owned(), 1.0)]));
    let provided = Arc::clone(&users);
    exporter.provide(BUCKET_SIZE, move || provided.lock().clone());
    assert!(exporter.render().contains("{user=\"alice\"} 1"));
    *users.lock() = vec![("bob".to_owned(), 2.0)];
    let text = exporter.render();
    assert!(!text.contains("alice") && text.contains("{user=\"bob\"} 2"), "{text}");
    users.lock().clear();
    assert_eq!(without_process_figures(&exporter.render()).trim(), "");
}

#[test]
fn a_family_is_bounded_and_free_of_duplicates_whatever_its_owner_returns() {
    let (exporter, recorder) = Exporter::unattached().unwrap();
    exporter.provide(BUCKET_SIZE, || {
        ["a", "b", "a", "c", "d", "e"].iter().map(|user| ((*user).to_owned(), f64::INFINITY)).collect()
    });
    metrics::with_local_recorder(&recorder, || {
        super::catalogue::describe_metrics();
        let _: String = exporter.render();
    });
    let text = exporter.render();
    assert_eq!(text.matches("rl_policy_bucket_size{").count(), 3);
    assert!(text.contains("rl_policy_bucket_size{user=\"c\"} +Inf"));
    assert!(text.contains("openclaw_exporter_series_dropped_total{family=\"rl_policy_bucket_size\"} 2"));
    assert_eq!(lint::check(&text), Vec::<String>::new(), "{text}");
}

#[test]
fn the_buckets_are_increasing_and_finest_around_the_slo() {
    assert!(LATENCY_BUCKETS_SECONDS.windows(2).all(|pair| pair[0] < pair[1]));
    assert!(LATENCY_BUCKETS_SECONDS.contains(&0.2));
}

#[test]
fn the_catalogue_lists_what_is_described_beside_its_own() {
    let catalogue = Catalogue::collect(|| {
        describe();
        BUCKET_SIZE.describe();
    });
    let names: Vec<_> = catalogue.metrics().iter().map(|metric| metric.name.as_str()).collect();
    assert!(names.is_sorted() && names.contains(&"openclaw_listener_connections"), "{names:?}");
    let latency = catalogue.metrics().iter().find(|metric| metric.name == "rating_event_latency_seconds");
    assert_eq!(
        latency,
        Some(&MetricDoc {
            name: "rating_event_latency_seconds".to_owned(),
            kind: MetricKind::Histogram,
            unit: Some(Unit::Seconds),
            help: "Latency of rating events, in seconds.".to_owned(),
        })
    );
    let page = catalogue.to_markdown();
    assert!(page.contains("\n| `rating_events_total` | counter |  | Rating events received. |\n"), "{page}");
    assert!(page.contains("\n| `rl_policy_bucket_size` | gauge |  | Bucket size, in tokens, by user. |\n"));
}

fn findings(text: &str) -> String {
    lint::check(text).join("; ")
}

#[test]
fn the_checks_find_what_promtool_finds() {
    let head = |name: &str, kind: &str| format!("# HELP {name} Help.\n# TYPE {name} {kind}\n");
    let cases = [
        (
            format!("{}events 1\n", head("events", "counter")),
            "events is a counter and does not end in _total",
        ),
        (format!("{}x_total 1\n", head("x_total", "gauge")), "x_total ends in _total and is no counter"),
        ("# TYPE x gauge\nx 1\n".to_owned(), "x has no help"),
        ("x 1\n".to_owned(), "line 1: x has no TYPE"),
        (
            format!("{}x_ms 1\n", head("x_ms", "gauge")),
            "x_ms is not in a base unit spelt out, such as seconds or bytes",
        ),
        (format!("{}xY 1\n", head("xY", "gauge")), "xY is not in snake case"),
        (
            format!("{}x{{a=\"1\"}} 1\nx{{a=\"1\"}} 2\n", head("x", "gauge")),
            "line 4: this series of x comes twice",
        ),
        (
            format!("{}x{{a=\"\\q\"}} 1\n", head("x", "gauge")),
            "line 3: a label value holds an unknown escape; x has no samples",
        ),
        (format!("{}x one\n", head("x", "gauge")), "line 3: x has the value \" one\"; x has no samples"),
        (
            format!("{}x 1\n{0}", head("x", "gauge")),
            "line 4: x has help twice; line 5: x comes twice: a family's samples must be together; x has no samples",
        ),
        (
            format!(
                "{}x_bucket{{le=\"1\"}} 2\nx_bucket{{le=\"+Inf\"}} 1\nx_sum 1\nx_count 1\n",
                head("x", "histogram")
            ),
            "x[]: buckets are not cumulative",
        ),
        (
            format!("{}x_sum 1\nx_count 1\n", head("x", "histogram")),
            "x[]: lacks +Inf, sum or count, or they disagree",
        ),
        (format!("{}x 1", head("x", "gauge")), "the last line has no line feed"),
    ];
    for (text, expected) in cases {
        assert_eq!(findings(&text), expected, "{text}");
    }
}

proptest! {
    #[test]
    fn any_label_value_is_rendered_so_that_it_reads_back(values in proptest::collection::vec((any::<String>(), any::<f64>()), 0..4)) {
        let (exporter, _recorder) = Exporter::unattached().unwrap();
        let family = GaugeFamily { series_max: 10, ..BUCKET_SIZE };
        exporter.provide(family, move || values.clone());
        let text = exporter.render();
        prop_assert_eq!(lint::check(&text), Vec::<String>::new(), "{}", text);
    }

    #[test]
    fn the_checks_never_panic(text in "([a-z_{}=\"\\\\, #\n+.0-9]|HELP|TYPE|histogram){0,60}") {
        let _: Vec<String> = lint::check(&text);
    }
}
