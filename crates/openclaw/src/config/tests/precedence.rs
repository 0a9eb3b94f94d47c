//! Which source wins, and reading each of them.

use std::time::Duration;

use openclaw_admin::access::{Role, Roles};

use super::Case;
use openclaw_edge::ControllerKind;

use crate::config::FlagOverride;

#[test]
fn flags_override_variables_and_these_the_file() {
    let case = Case::new()
        .file("[slo]\nlatency = \"100ms\"\n[edge]\nttl = \"6s\"\ntick = \"50ms\"\n")
        .variable("OPENCLAW_EDGE_TTL", "7s")
        .variable("OPENCLAW_EDGE_TICK", "60ms")
        .set("edge.tick=70ms");
    let loaded = case.load();
    assert_eq!(loaded.config.slo.latency, Duration::from_millis(100));
    assert_eq!(loaded.config.edge.ttl, Duration::from_secs(7));
    assert_eq!(loaded.config.edge.tick, Duration::from_millis(70));
    assert!(loaded.settings.source("slo.latency").to_string().ends_with("openclaw.toml:2"));
    assert_eq!(loaded.settings.source("edge.ttl").to_string(), "variable OPENCLAW_EDGE_TTL");
    assert_eq!(loaded.settings.source("edge.tick").to_string(), "flag --set edge.tick");
    assert_eq!(loaded.settings.source("edge.listen").to_string(), "default");
}

#[test]
fn a_commands_own_flag_is_named_as_the_operator_wrote_it() {
    let mut case = Case::new().set("rating.listen=127.0.0.1:1");
    case.inputs.flags.push(FlagOverride::new("--listen", "rating.listen", "127.0.0.1:9999"));
    let loaded = case.load();
    assert_eq!(loaded.config.rating.listen.port(), 9999);
    assert_eq!(loaded.settings.source("rating.listen").to_string(), "flag --listen");
}

#[test]
fn every_kind_of_value_is_read_from_a_file() {
    let config = Case::new()
        .file(
            r#"
            insecure = true
            [log]
            format = "json"
            [rating]
            listen = "0.0.0.0:8080"
            scoreMin = 1
            scoreMax = 5.5
            bodyMax = "2MiB"
            batchMax = 1_000
            backendUrl = "http://backend:9000/work"
            region = "eu"
            [context]
            regions = ["eu", "us"]
            [edge]
            controller = "aimd"
            bodyMax = 65536
            [store]
            folder = "/var/lib/openclaw"
            [access]
            adminTokens = ["admin-token-00001", "admin-token-00002"]
            "#,
        )
        .load()
        .config;
    assert!(config.access.insecure);
    assert_eq!(config.log.format, openclaw_admin::logging::LogFormat::Json);
    assert_eq!((config.rating.score_min, config.rating.score_max), (1.0, 5.5));
    assert_eq!((config.rating.body_bytes_max, config.edge.body_bytes_max), (2 << 20, 65_536));
    assert_eq!(config.rating.batch_ratings_max, 1000);
    assert_eq!(config.rating.backend_url.unwrap().to_string(), "http://backend:9000/work");
    assert_eq!((config.rating.region.as_deref(), config.context.regions.len()), (Some("eu"), 2));
    assert_eq!(config.edge.controller, ControllerKind::Aimd);
    assert_eq!(config.store.folder.to_str(), Some("/var/lib/openclaw"));
    assert_eq!(config.access.admin_tokens.len(), 2);
}

#[test]
fn dotted_keys_and_inline_tables_are_the_same_as_tables() {
    let config = Case::new().file("edge.ttl = \"9s\"\nslo = { latency = \"1s\" }\n").load().config;
    assert_eq!((config.edge.ttl, config.slo.latency), (Duration::from_secs(9), Duration::from_secs(1)));
}

#[test]
fn lists_and_words_are_read_from_variables() {
    let config = Case::new()
        .variable("OPENCLAW_CONTEXT_REGIONS", "eu, us,")
        .variable("OPENCLAW_GUARD_ENABLED", "off")
        .variable("HOME", "/home/operator")
        .load()
        .config;
    assert_eq!(config.context.regions, ["eu", "us"]);
    assert!(!config.guard.enabled);
}

#[test]
fn the_older_name_of_the_event_endpoint_is_read_and_the_keys_own_name_overrides_it() {
    let older = Case::new().variable("EVENT_ENDPOINT", "http://edge-rl-service/api/v1/event");
    let endpoint = older.load().config.collector.event_endpoint.unwrap();
    assert_eq!(endpoint.host(), Some("edge-rl-service"));
    let both = older.variable("OPENCLAW_COLLECTOR_EVENT_ENDPOINT", "off");
    assert!(both.load().config.collector.event_endpoint.is_none());
}

#[test]
fn a_line_overrides_an_optional_default_with_off() {
    for off in ["off", "none", ""] {
        let config = Case::new().file(format!("[collector]\neventEndpoint = \"{off}\"\n")).load().config;
        assert!(config.collector.event_endpoint.is_none(), "{off:?}");
    }
}

#[test]
fn variables_that_kubernetes_makes_for_services_are_no_mistake_there_and_only_there() {
    let links = [
        ("OPENCLAW_SERVICE_HOST", "10.0.0.1"),
        ("OPENCLAW_EDGE_SERVICE_HOST", "10.0.0.1"),
        ("OPENCLAW_EDGE_SERVICE_PORT", "8081"),
        ("OPENCLAW_EDGE_SERVICE_PORT_HTTP", "8081"),
        ("OPENCLAW_EDGE_PORT", "tcp://10.0.0.1:8081"),
        ("OPENCLAW_EDGE_PORT_8081_TCP", "tcp://10.0.0.1:8081"),
        ("OPENCLAW_EDGE_PORT_8081_TCP_PROTO", "tcp"),
        ("OPENCLAW_EDGE_PORT_8081_TCP_ADDR", "10.0.0.1"),
    ];
    let outside = links.iter().fold(Case::new(), |case, (name, value)| case.variable(name, value));
    assert_eq!(outside.mistakes().len(), links.len());
    let inside = outside.variable("KUBERNETES_SERVICE_HOST", "10.0.0.1");
    inside.load();
    let misspelt = inside.variable("OPENCLAW_EDGE_PORTAL", "x").variable("OPENCLAW_EDGE_PORT_X", "x");
    assert_eq!(misspelt.mistakes().len(), 2);
}

#[test]
fn tokens_of_files_are_added_to_those_of_the_configuration() {
    let case = Case::new();
    let clients = case.write("clients", "# rotated in May\nclient-token-0002\n\n  client-token-0003  \n");
    let sent = case.write("sent", "collector-token-1\n");
    let case = case
        .variable("OPENCLAW_ACCESS_CLIENT_TOKENS", "client-token-0001")
        .variable("OPENCLAW_ACCESS_CLIENT_TOKENS_FILE", clients.to_str().unwrap())
        .variable("OPENCLAW_COLLECTOR_TOKEN_FILE", sent.to_str().unwrap());
    let config = case.load().config;
    let tokens: Vec<_> = config.access.client_tokens.iter().map(|token| token.expose().to_owned()).collect();
    assert_eq!(tokens, ["client-token-0001", "client-token-0002", "client-token-0003"]);
    assert_eq!(config.collector.token.unwrap().expose(), "collector-token-1");
    assert_eq!(config.access.policy().configured(), Roles::from(Role::Client));
}
