//! What is printed can be used again, and holds no secrets.

use std::time::Duration;

use proptest::prelude::*;

use super::Case;
use crate::config::error::ConfigErrors;
use crate::config::key::Key;
use crate::config::kind::Kind;
use crate::config::quantity::{show_bytes, show_duration};
use crate::config::resolve::resolve;
use crate::config::sections::registry;
use crate::config::starter::starter_file;
use crate::config::{Config, Settings, file, init};

/// Reads a text as the only source.
fn read(text: &str) -> Settings {
    let mut errors = ConfigErrors::default();
    let assignments = file::parse("printed.toml", text, &registry(), &mut errors);
    let settings = resolve(&registry(), assignments, &mut errors);
    errors.or(settings).unwrap_or_else(|errors| panic!("{errors} in\n{text}"))
}

/// All values, without their sources.
fn values(settings: &Settings) -> Vec<(String, String)> {
    settings
        .entries()
        .iter()
        .map(|entry| (entry.key.path.to_owned(), entry.value.to_json().to_string()))
        .collect()
}

/// Any value that a key accepts, as a file holds it; secrets are left at their default.
fn any_value(key: &Key) -> BoxedStrategy<String> {
    let quoted = |text: String| toml::Value::String(text).to_string();
    match key.kind {
        Kind::Socket => any::<std::net::SocketAddr>()
            .prop_map(move |address| {
                // Scopes and flow labels are no part of what a person writes.
                quoted(std::net::SocketAddr::new(address.ip(), address.port()).to_string())
            })
            .boxed(),
        Kind::Url => "http://[a-z]{1,9}(:[1-9][0-9]{0,3})?(/[a-z]{1,5}){0,3}".prop_map(quoted).boxed(),
        Kind::Duration(min, max) => (micros(min)..=micros(max))
            .prop_map(move |micros| quoted(show_duration(Duration::from_micros(micros))))
            .boxed(),
        Kind::Bytes(min, max) => (min..=max).prop_map(move |bytes| quoted(show_bytes(bytes))).boxed(),
        Kind::Integer(min, max) => (min..=max).prop_map(|number| number.to_string()).boxed(),
        Kind::Float(min, max) => (min..=max).prop_map(|number| format!("{number:?}")).boxed(),
        Kind::Bool => any::<bool>().prop_map(|value| value.to_string()).boxed(),
        Kind::Text | Kind::Path => "[a-z\"'\\\\#\n\u{1}é]{1,9}x".prop_map(quoted).boxed(),
        Kind::Word(words) => {
            prop::sample::select(words).prop_map(move |word| quoted(word.to_owned())).boxed()
        }
        Kind::Texts => prop::collection::btree_set("[a-z,\"\\\\ é]{0,5}x", 0..4)
            .prop_map(move |items| {
                format!("[{}]", items.into_iter().map(quoted).collect::<Vec<_>>().join(", "))
            })
            .boxed(),
        Kind::Database | Kind::Token | Kind::Tokens => Just(String::new()).boxed(),
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap()
}

fn any_file() -> impl Strategy<Value = String> {
    let lines: Vec<_> = registry()
        .iter()
        .map(|key| {
            (Just(key.path), prop::option::of(any_value(key))).prop_map(|(path, value)| match value {
                Some(value) if !value.is_empty() => format!("{path} = {value}\n"),
                _ => String::new(),
            })
        })
        .collect();
    lines.prop_map(|lines| lines.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn what_is_printed_reads_back_as_itself(text in any_file()) {
        let settings = read(&text);
        let printed = settings.to_toml();
        prop_assert_eq!(values(&read(&printed)), values(&settings), "{}", printed);
    }
}

#[test]
fn values_are_printed_with_their_source() {
    let case = Case::new().variable("OPENCLAW_SLO_LATENCY", "1500ms").set("context.regions=eu,us");
    let printed = case.load().settings.to_toml();
    assert!(printed.starts_with("insecure = false # default\n\n[access]\n"), "{printed}");
    for line in [
        "latency = \"1500ms\" # variable OPENCLAW_SLO_LATENCY",
        "regions = [\"eu\", \"us\"] # flag --set context.regions",
        "listen = \"127.0.0.1:8080\" # default",
        "backendUrl = \"off\" # default",
        "scoreMax = 10.0 # default",
    ] {
        assert!(printed.lines().any(|printed| printed == line), "no {line:?} in\n{printed}");
    }
}

#[test]
fn json_holds_values_in_their_own_types() {
    let json = Case::new().set("rating.workers=4").load().settings.to_json();
    assert_eq!(
        json["rating.workers"],
        serde_json::json!({"value": 4, "source": "flag --set rating.workers"})
    );
    assert_eq!(json["slo.latency"], serde_json::json!({"value": "200ms", "source": "default"}));
    assert_eq!(json["rating.region"]["value"], serde_json::Value::Null);
    assert_eq!(json.as_object().unwrap().len(), registry().len());
}

#[test]
fn secrets_are_printed_nowhere() {
    let case = Case::new()
        .variable("OPENCLAW_ACCESS_ADMIN_TOKENS", "admin-token-00001,admin-token-00002")
        .variable("OPENCLAW_COLLECTOR_TOKEN", "collector-token-1");
    let loaded = case.load();
    let (toml, json) = (loaded.settings.to_toml(), loaded.settings.to_json().to_string());
    for printed in [&toml, &json, &format!("{loaded:?}")] {
        assert!(!printed.contains("token-0") && !printed.contains("token-1"), "{printed}");
    }
    assert!(
        toml.contains("# adminTokens = (2 redacted) # variable OPENCLAW_ACCESS_ADMIN_TOKENS\n"),
        "{toml}"
    );
    read(&toml);
}

#[test]
fn the_starter_file_is_the_defaults_and_every_line_of_it_can_be_uncommented() {
    let starter = starter_file();
    let defaults = values(&Case::new().load().settings);
    assert_eq!(values(&read(&starter)), defaults);
    assert!(starter.lines().all(|line| line.len() <= 110 || line.contains(" = ")), "{starter}");

    let assignment = |line: &str| {
        let key = line.strip_prefix("# ").and_then(|line| line.split_once(" = ")).map(|(name, _)| name);
        key.is_some_and(|name| registry().iter().any(|key| key.table_and_name().1 == name))
    };
    let uncommented: String = starter
        .lines()
        .filter(|line| !line.contains("Tokens = "))
        .map(|line| if assignment(line) { format!("{}\n", &line[2..]) } else { format!("{line}\n") })
        .collect();
    let read_back = read(&uncommented);
    assert_eq!(values(&read_back), defaults);
    let set = read_back
        .entries()
        .iter()
        .filter(|entry| entry.source != crate::config::error::Source::Default)
        .count();
    let token_lists = registry().iter().filter(|key| matches!(key.kind, Kind::Tokens)).count();
    assert_eq!(set, registry().len() - token_lists);
    let _: Config = Config::build(&read_back);
}

#[test]
fn init_writes_a_file_that_loads_and_never_overwrites_one() {
    let case = Case::new();
    let path = case.path("new.toml");
    init(&path).unwrap();
    let error = init(&path).unwrap_err().to_string();
    assert_eq!(error, format!("{} exists already and is left as it is; name another file", path.display()));
    case.named_file(path).load();
    let nowhere = Case::new().path("missing/new.toml");
    assert!(init(&nowhere).unwrap_err().to_string().contains("cannot be written: "));
}
