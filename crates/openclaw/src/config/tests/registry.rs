//! The registry itself: whole, consistent and documented.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use crate::config::sections::registry;
use openclaw_edge::ControllerKind;

use crate::config::{Config, reference_markdown};

#[test]
fn the_defaults_are_those_of_the_design() {
    let config = Config::default();
    let address = |text: &str| text.parse::<SocketAddr>().unwrap();
    assert_eq!(config.rating.listen, address("127.0.0.1:8080"));
    assert_eq!(config.edge.listen, address("127.0.0.1:8081"));
    assert_eq!(config.admin.listen, address("127.0.0.1:8000"));
    assert_eq!(config.slo.latency, Duration::from_millis(200));
    assert_eq!((config.rating.score_min, config.rating.score_max), (0.0, 10.0));
    assert_eq!(config.rating.body_bytes_max, 1 << 20);
    assert_eq!(config.rating.future_tolerance, Duration::from_secs(300));
    assert_eq!(config.collector.event_endpoint.unwrap(), "http://127.0.0.1:8081/api/v1/event");
    assert_eq!(config.collector.flush_interval, Duration::from_millis(100));
    assert_eq!(config.collector.batch_events_max, 1000);
    assert_eq!(config.edge.controller, ControllerKind::LittleGuard);
    assert_eq!(config.edge.ttl, Duration::from_secs(5));
    assert_eq!(config.metrics.users_max, 100);
    assert!(config.rating.backend_url.is_none() && config.access.admin_tokens.is_empty());
    assert!(!config.access.insecure);
}

#[test]
fn no_two_keys_share_a_path_or_a_variable() {
    let keys = registry();
    let paths: BTreeSet<_> = keys.iter().map(|key| key.path).collect();
    let variables: BTreeSet<_> = keys.iter().map(|key| key.variable()).collect();
    assert_eq!((paths.len(), variables.len()), (keys.len(), keys.len()));
    assert!(variables.contains("OPENCLAW_RATING_BODY_MAX") && variables.contains("OPENCLAW_INSECURE"));
}

#[test]
fn keys_of_a_table_stand_together_so_that_files_have_each_table_once() {
    let tables: Vec<_> = registry().iter().map(|key| key.table_and_name().0).collect();
    let mut runs = tables.clone();
    runs.dedup();
    let distinct: BTreeSet<_> = tables.iter().collect();
    assert_eq!(runs.len(), distinct.len(), "{runs:?}");
    assert_eq!(runs[0], "", "keys outside tables come first, or TOML would put them into one");
}

#[test]
fn every_key_has_help_in_whole_sentences() {
    for key in registry() {
        let help = key.help();
        assert!(help.len() > 15 && help.ends_with('.') && !help.contains("  "), "{}: {help:?}", key.path);
    }
}

#[test]
fn the_reference_lists_every_key_with_its_variable() {
    let page = reference_markdown();
    for key in registry() {
        assert!(page.contains(&format!("| `{}`<br>`{}` | ", key.path, key.variable())), "{}", key.path);
    }
    assert!(page.contains(
        "| `slo.latency`<br>`OPENCLAW_SLO_LATENCY` | a duration from 1ms to 1min | `200ms` | Latency that 95 of 100"
    ));
}

#[test]
fn the_committed_reference_is_the_generated_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/configuration.md");
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == reference_markdown(),
        "docs/reference/configuration.md is out of date: write it anew by `cargo xtask codegen`"
    );
}
