//! The configuration file of the services of one course: what the simulator starts with too, on free loopback ports.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use openclaw_lab::evaluate::{Contender, Kind};
use openclaw_lab::real::Start;
use openclaw_scenario::{Context, Scenario};

use crate::config::Config;

/// The text of the file. `folder` is the course's own, `backend_url` where the stand-in dependency works.
pub(super) fn text(
    contender: &Contender,
    start: Start,
    scenario: &Scenario,
    slo: Duration,
    policy: Option<&Path>,
    folder: &Path,
    backend_url: &str,
) -> String {
    let mut lines = vec![
        r#"rating.listen = "127.0.0.1:0""#.to_owned(),
        r#"edge.listen = "127.0.0.1:0""#.to_owned(),
        r#"admin.listen = "127.0.0.1:0""#.to_owned(),
        r#"log.level = "warn""#.to_owned(),
        // Nobody overrides anybody's limits here.
        r#"edge.folder = "off""#.to_owned(),
        // A client that leaves takes its backend call with it; nothing else ends one.
        r#"rating.backendTimeout = "30s""#.to_owned(),
        format!("rating.backendUrl = {}", quoted(backend_url)),
        format!("store.folder = {}", quoted(&folder.join("ratings").to_string_lossy())),
        format!("slo.latency = \"{}ms\"", slo.as_secs_f64() * 1e3),
        format!("edge.startRate = {:?}", start.per_s),
        format!("limits.refillRate = {:?}", start.defaults.refill_rate),
        format!("limits.bucketSize = {:?}", start.defaults.bucket_size),
    ];
    if let Kind::Classical { kind, .. } = &contender.kind {
        lines.push(format!("edge.controller = {}", quoted(kind.name())));
    }
    if let Some(policy) = policy {
        lines.push(format!("edge.policy = {}", quoted(&policy.to_string_lossy())));
    }
    lines.extend(vocabulary(scenario));
    lines.join("\n") + "\n"
}

/// The words that the scenario's clients use beside those that are known anyway: any other word would be refused.
fn vocabulary(scenario: &Scenario) -> Vec<String> {
    let known = Config::default().context;
    let of = |key: &str, known: &[String], word: fn(&Context) -> Option<&String>| {
        let used = scenario.request_classes.iter().filter_map(|class| word(&class.context));
        let words: BTreeSet<&String> = known.iter().chain(used).collect();
        let words: Vec<String> = words.into_iter().map(|word| quoted(word)).collect();
        format!("context.{key} = [{}]", words.join(", "))
    };
    vec![
        of("deviceTypes", &known.device_types, |context| context.device_type.as_ref()),
        of("networkQualities", &known.network_qualities, |context| context.network_quality.as_ref()),
        of("regions", &known.regions, |context| context.region.as_ref()),
    ]
}

/// A TOML string: JSON's escapes are a part of TOML's.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use openclaw_controller::ControllerKind;
    use openclaw_protocol::BucketPolicy;

    use super::*;
    use crate::config::{self, Inputs};

    #[test]
    fn the_file_is_a_configuration_that_says_what_was_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let mut scenario = openclaw_scenario::demo();
        scenario.request_classes = vec![openclaw_scenario::RequestClass {
            context: Context::from_key("deviceType=mobile;region=north \"1\""),
            user_fraction: 0.5,
            service_time_factor: 2.0,
            network_delay_ms: 0.0,
            call_fraction: None,
        }];
        let start = Start { per_s: 640.0, defaults: BucketPolicy { bucket_size: 4.8, refill_rate: 3.2 } };
        let text = text(
            &Contender::classical(ControllerKind::Aimd),
            start,
            &scenario,
            Duration::from_millis(150),
            None,
            folder.path(),
            "http://127.0.0.1:9000/work",
        );
        let file = folder.path().join("services.toml");
        std::fs::write(&file, &text).unwrap();
        let inputs = Inputs { file: Some(file), environment: Vec::new(), flags: Vec::new() };
        let config = config::load(&inputs).unwrap_or_else(|errors| panic!("{errors}\n{text}")).config;
        assert_eq!(config.slo.latency, Duration::from_millis(150));
        assert_eq!(config.edge.controller, ControllerKind::Aimd);
        assert_eq!((config.limits.refill_rate, config.limits.bucket_size), (3.2, 4.8));
        assert_eq!((config.edge.start_per_s, config.rating.listen.port()), (640.0, 0));
        assert_eq!(config.context.regions, ["north \"1\""]);
        assert!(config.context.device_types.contains(&"desktop".to_owned()));
    }
}
