//! Every way to get it wrong, and what the operator is told.

use proptest::prelude::*;

use super::Case;
use crate::config::error::ConfigErrors;
use crate::config::sections::registry;
use crate::config::{file, load};

#[test]
fn all_mistakes_of_all_sources_are_told_at_once() {
    let case = Case::new()
        .file("[rating]\nlisten = \"8080\"\nbodyMaxx = \"1MiB\"\n\n[edge]\ntick = 100\n")
        .variable("OPENCLAW_EDGE_TTL", "five")
        .variable("OPENCLAW_EDGE_LISTENS", "127.0.0.1:1")
        .set("limits.refillRate=0")
        .set("limits.refilRate=1")
        .set("slo.latency");
    assert_eq!(
        case.mistakes(),
        [
            "openclaw.toml:2: rating.listen: is \"8080\", needs an address and port such as 127.0.0.1:8080",
            "openclaw.toml:3: rating.bodyMaxx: is no key that is known; did you mean rating.bodyMax?",
            "openclaw.toml:6: edge.tick: is 100, needs a duration from 10ms to 10s in quotation marks",
            "variable OPENCLAW_EDGE_LISTENS: sets no key that is known; did you mean OPENCLAW_EDGE_LISTEN?",
            "variable OPENCLAW_EDGE_TTL: edge.ttl: is \"five\", needs a duration from 100ms to 1h",
            "flag --set limits.refilRate: sets no key that is known; did you mean limits.refillRate?",
            "flag --set slo.latency: needs the form --set key=value",
            "flag --set limits.refillRate: limits.refillRate: is 0, needs a number from 0.001 to 1000000000.0",
        ]
    );
    let errors = load(&case.inputs).unwrap_err().to_string();
    assert!(errors.starts_with("the configuration has 8 errors:\n  "), "{errors}");
}

fn mistake(text: &str) -> String {
    let case = Case::new().file(text);
    let mut mistakes = case.mistakes();
    assert_eq!(mistakes.len(), 1, "{mistakes:?}");
    mistakes.remove(0)
}

#[test]
fn each_kind_says_what_it_needs() {
    for (text, expected) in [
        ("insecure = \"yes\"", "insecure: is the text \"yes\", needs true or false"),
        ("rating.workers = 1.5", "rating.workers: is 1.5, needs a whole number from 0 to 1024"),
        ("rating.workers = -1", "rating.workers: is -1, needs a whole number from 0 to 1024"),
        ("rating.workers = 0xffff", "rating.workers: is 65535, needs a whole number from 0 to 1024"),
        (
            "rating.workers = 99999999999999999999999",
            "rating.workers: is 99999999999999999999999, needs a whole number from 0 to 1024",
        ),
        ("rating.scoreMax = nan", "rating.scoreMax: is nan, needs a number from -1000000.0 to 1000000.0"),
        ("rating.scoreMax = inf", "rating.scoreMax: is inf, needs a number from -1000000.0 to 1000000.0"),
        (
            "rating.bodyMax = \"1 megabyte\"",
            "rating.bodyMax: is \"1 megabyte\", needs a size from 1KiB to 1GiB",
        ),
        ("rating.bodyMax = \"2GiB\"", "rating.bodyMax: is 2GiB, needs a size from 1KiB to 1GiB"),
        ("slo.latency = \"0s\"", "slo.latency: is 0s, needs a duration from 1ms to 1min"),
        (
            "slo.latency = 2020-01-01",
            "slo.latency: is a date, needs a duration from 1ms to 1min in quotation marks",
        ),
        ("log.format = \"xml\"", "log.format: is \"xml\", needs one of text, json"),
        (
            "edge.controller = \"Aimd\"",
            "edge.controller: is \"Aimd\", needs one of static, static-total, aimd, topfull-mimd, topfull-step, \
             aperture, seda, sla-gradient, gradient2, vegas, envoy-gradient, pid, breakwater, dagor, bouncer, \
             little-guard-blind, little-guard",
        ),
        ("collector.service = \"\"", "collector.service: is empty"),
        ("store.folder = \"\"", "store.folder: is empty, needs a path"),
        (
            "store.url = \"mysql://ann:secret@db/ratings\"",
            "store.url: needs the URL of a database such as postgres://user:password@host/database",
        ),
        ("store = \"x\"", "store: is a table; write [store] and keys below it"),
        ("context.regions = \"eu\"", "context.regions: is the text \"eu\", needs a list of texts"),
        ("context.regions = [1]", "context.regions: needs a list of texts in quotation marks"),
        ("context.regions = [\"eu\", \"eu\"]", "context.regions: holds \"eu\" twice"),
        ("context.regions = [\" \"]", "context.regions: holds an empty text"),
        (
            "rating.backendUrl = \"ftp://backend\"",
            "rating.backendUrl: is \"ftp://backend\", which does not begin with http:// or https://; needs a URL such \
             as http://127.0.0.1:8081/path",
        ),
        (
            "rating.backendUrl = \"backend:80\"",
            "rating.backendUrl: is \"backend:80\", which does not begin with http:// or https://; needs a URL such \
             as http://127.0.0.1:8081/path",
        ),
        (
            "rating.backendUrl = \"http://me:word@backend\"",
            "rating.backendUrl: is \"http://me:word@backend\", which names no host, or a user before it; needs a URL \
             such as http://127.0.0.1:8081/path",
        ),
        ("metric.usersMax = 1", "metric: is no table that is known; did you mean metrics?"),
        (
            "rating.body_max = \"1MiB\"",
            "rating.body_max: is no key that is known; did you mean rating.bodyMax?",
        ),
        ("rating.colour = 1", "rating.colour: is no key that is known"),
        (
            "rating.listen = { port = 1 }",
            "rating.listen: is a table, needs an address and port such as 127.0.0.1:8080 in quotation marks",
        ),
    ] {
        assert_eq!(mistake(text), format!("openclaw.toml:1: {expected}"));
    }
}

#[test]
fn a_secret_is_never_repeated() {
    for (text, expected) in [
        (
            "access.clientTokens = [\"hunter2\"]",
            "access.clientTokens: the token is 7 characters long; at least 16 are needed, best made at random",
        ),
        ("access.clientTokens = \"hunter2-hunter2-hunter2\"", "access.clientTokens: needs a list of tokens"),
        (
            "collector.token = \"hunter2 hunter2 hunter2\"",
            "collector.token: character 8 of the token is not one of A-Z a-z 0-9 - . _ ~ + / =",
        ),
    ] {
        assert_eq!(mistake(text), format!("openclaw.toml:1: {expected}"));
    }
}

#[test]
fn values_that_do_not_go_together_are_told_where_they_were_set() {
    for (text, expected) in [
        (
            "log.level = \"loud\"",
            "openclaw.toml:1: log.level: \"loud\" is not a log level; use error, warn, info, debug or trace, or directives such as info,openclaw_edge=debug",
        ),
        (
            "slo.latency = \"1s\"\nrating.scoreMax = -1",
            "openclaw.toml:2: rating.scoreMax: rating.scoreMin (0.0) must be below rating.scoreMax (-1.0)",
        ),
        (
            "rating.region = \"eu\"",
            "openclaw.toml:1: rating.region: \"eu\" is not one of context.regions; add it there",
        ),
        (
            "limits.bucketSizeMax = 5",
            "openclaw.toml:1: limits.bucketSizeMax: limits.bucketSize (20.0) must lie from limits.bucketSizeMin (1.2) to limits.bucketSizeMax (5.0)",
        ),
        (
            "limits.refillRateMin = 3\nlimits.refillRateMax = 2",
            "openclaw.toml:1: limits.refillRateMin: limits.refillRateMin (3.0) must not be above limits.refillRateMax (2.0)",
        ),
        (
            "store.queueMax = 10",
            "openclaw.toml:1: store.queueMax: store.commitMax must not be above store.queueMax",
        ),
        (
            "collector.queueMax = 10",
            "openclaw.toml:1: collector.queueMax: collector.batchMax must not be above collector.queueMax",
        ),
        (
            "collector.flushInterval = \"3s\"",
            "openclaw.toml:1: collector.flushInterval: collector.flushInterval must be at most half of edge.ttl, else limits lapse between two batches",
        ),
        (
            "edge.tick = \"3s\"",
            "openclaw.toml:1: edge.tick: edge.tick must be at most half of edge.ttl, else limits lapse between two decisions",
        ),
        (
            "rating.listen = \"127.0.0.1:8000\"",
            "openclaw.toml:1: rating.listen: admin.listen and rating.listen are both port 8000; one process cannot have both",
        ),
        (
            "edge.listen = \"[::1]:8081\"\nadmin.listen = \"[::1]:8081\"",
            "openclaw.toml:2: admin.listen: admin.listen and edge.listen are both port 8081; one process cannot have both",
        ),
        (
            "tls.keyFile = \"key.pem\"",
            "openclaw.toml:1: tls.keyFile: tls.certFile and tls.keyFile need each other; set both, or accept serving without TLS by insecure",
        ),
        (
            "tls.keyFile = \"/none/key.pem\"\ntls.certFile = \"/none/cert.pem\"",
            "openclaw.toml:2: tls.certFile: TLS cannot be set up: /none/cert.pem (tls.certFile) cannot be read: No such file or directory (os error 2)",
        ),
        (
            "tls.caFile = \"/none/ca.pem\"",
            "openclaw.toml:1: tls.caFile: the file of trusted certificates /none/ca.pem cannot be read: No such file or directory (os error 2)",
        ),
        (
            "rating.listen = \"0.0.0.0:8080\"",
            "openclaw.toml:1: rating.listen: rating.listen is 0.0.0.0:8080, which other machines can reach, but no token is set for client and reader; set access.clientTokens and access.readerTokens, listen on 127.0.0.1, or accept it with --insecure",
        ),
        (
            "edge.listen = \"10.0.0.7:8081\"",
            "openclaw.toml:1: edge.listen: edge.listen is 10.0.0.7:8081, which other machines can reach, but no token is set for collector and reader; set access.collectorTokens and access.readerTokens, listen on 127.0.0.1, or accept it with --insecure",
        ),
        (
            "admin.listen = \"[::]:8000\"",
            "openclaw.toml:1: admin.listen: admin.listen is [::]:8000, which other machines can reach, but no token is set for reader; set access.readerTokens, listen on 127.0.0.1, or accept it with --insecure",
        ),
    ] {
        assert_eq!(mistake(text), expected);
    }
}

#[test]
fn a_refused_value_causes_no_second_mistake() {
    assert_eq!(
        mistake("rating.scoreMin = 20\nrating.scoreMax = \"30\""),
        "openclaw.toml:2: rating.scoreMax: is the text \"30\", needs a number from -1000000.0 to 1000000.0"
    );
}

#[test]
fn insecure_lets_other_machines_in() {
    Case::new()
        .file("insecure = true\nrating.listen = \"0.0.0.0:8080\"\ntls.certFile = \"cert.pem\"\n")
        .load();
}

#[test]
fn lines_that_are_not_toml_are_all_told_beside_the_rest() {
    let case =
        Case::new().file("[rating]\nlisten = \nbodyMax = \"1MiB\n\n[edge]\ntick = \"x\"\ntick = \"100ms\"\n");
    let mistakes = case.mistakes();
    let at = |line: usize| {
        let start = format!("openclaw.toml:{line}: ");
        mistakes.iter().filter(|mistake| mistake.starts_with(&start)).count()
    };
    assert!(at(2) == 1 && at(3) == 1 && at(6) == 1 && at(7) == 1, "{mistakes:#?}");
}

#[test]
fn a_file_that_cannot_be_read_is_told_with_what_to_do() {
    let case = Case::new();
    let missing = case.path("missing.toml");
    let case = case.named_file(missing);
    assert_eq!(
        case.mistakes(),
        [
            "missing.toml cannot be read: No such file or directory (os error 2); `openclaw config init missing.toml` \
          writes a starter file"
        ]
    );
    let folder = Case::new().named_file(case.folder.path().to_owned());
    assert!(folder.mistakes()[0].contains("cannot be read") && !folder.mistakes()[0].contains("config init"));
    let latin = Case::new().file(b"# comment\n# \xe9\n");
    assert!(
        latin.mistakes()[0].starts_with("openclaw.toml is not UTF-8 from line 2 on"),
        "{:?}",
        latin.mistakes()
    );
    let long = Case::new().file(" ".repeat(2 << 20));
    assert!(long.mistakes()[0].starts_with("openclaw.toml is 2097152 bytes long, which no configuration is"));
}

#[test]
fn token_files_are_checked_line_by_line_without_showing_a_token() {
    let case = Case::new();
    let bad = case.write("bad", "client-token-0001\nhunter2\n");
    let empty = case.write("empty", "# none yet\n");
    let sent = case.write("sent", "collector-token-1\n");
    let case = case
        .set(&format!("access.clientTokensFile={}", bad.display()))
        .set(&format!("access.readerTokensFile={}", empty.display()))
        .set("access.adminTokensFile=/nowhere/at/all")
        .set(&format!("collector.tokenFile={}", sent.display()))
        .set("collector.token=collector-token-2");
    assert_eq!(
        case.mistakes(),
        [
            "flag --set access.clientTokensFile: access.clientTokensFile: bad:2: the token is 7 characters long; at \
             least 16 are needed, best made at random",
            "flag --set access.readerTokensFile: access.readerTokensFile: empty holds no token; write one a line",
            "flag --set access.adminTokensFile: access.adminTokensFile: /nowhere/at/all cannot be read: No such file \
             or directory (os error 2)",
            "flag --set collector.token: collector.token: collector.token and collector.tokenFile are both set; keep \
             one",
        ]
    );
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_utf8_is_told() {
    use std::os::unix::ffi::OsStringExt;
    let mut case = Case::new();
    case.inputs.environment.push(("OPENCLAW_LOG_LEVEL".into(), std::ffi::OsString::from_vec(vec![0xff])));
    assert_eq!(case.mistakes(), ["variable OPENCLAW_LOG_LEVEL: log.level: is not UTF-8"]);
}

/// Text that looks like a configuration: real keys and tables, values of all kinds, and odds and ends.
fn toml_like() -> impl Strategy<Value = String> {
    let name = prop::sample::select(
        registry()
            .iter()
            .flat_map(|key| [key.path, key.table_and_name().0, key.table_and_name().1])
            .collect::<Vec<_>>(),
    );
    let value = prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>().prop_map(|number| format!("{number:?}")),
        "\\PC{0,12}".prop_map(|text| toml::Value::String(text).to_string()),
        prop::sample::select(vec![
            "true",
            "[]",
            "[1, \"x\"]",
            "{ a = 1 }",
            "2020-01-01",
            "\"5s\"",
            "\"off\"",
            "[[",
            ""
        ])
        .prop_map(str::to_owned),
    ];
    let line = prop_oneof![
        4 => (name.clone(), value).prop_map(|(name, value)| format!("{name} = {value}")),
        2 => name.prop_map(|name| format!("[{name}]")),
        1 => "\\PC{0,20}".prop_map(String::from),
    ];
    prop::collection::vec(line, 0..12).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #[test]
    fn no_file_panics_and_every_mistake_names_a_line_of_it(text in toml_like()) {
        let mut errors = ConfigErrors::default();
        let assignments = file::parse("x.toml", &text, &registry(), &mut errors);
        let lines = text.split('\n').count();
        let resolved = crate::config::resolve::resolve(&registry(), assignments, &mut errors);
        let config = crate::config::Config::build(&resolved);
        crate::config::checks::run(&config, &resolved, &mut errors);
        if let Err(errors) = errors.or(()) {
            for mistake in errors.to_string().lines().filter(|line| line.starts_with("  x.toml:")) {
                let line: usize = mistake["  x.toml:".len()..].split(':').next().unwrap().parse().unwrap();
                prop_assert!((1..=lines).contains(&line), "{}", mistake);
            }
        }
    }

    #[test]
    fn no_variable_and_no_flag_panics(name in "[A-Z_]{0,30}", value in "\\PC{0,30}") {
        let case = Case::new().variable(&format!("OPENCLAW_{name}"), &value).set(&value).set(&format!("rating.{name}={value}"));
        let _: Result<_, _> = load(&case.inputs).map(drop);
    }
}
