//! Environment variables: `OPENCLAW_` and the key in capitals. An unknown one is a mistake, because a
//! misspelt variable that is silently ignored is how production runs on defaults for a month.

use std::ffi::{OsStr, OsString};

use super::error::{ConfigErrors, Source};
use super::key::{Key, did_you_mean, find};
use super::resolve::Assignment;

const PREFIX: &str = "OPENCLAW_";

/// Variables with the prefix that are read elsewhere: the command line's.
const READ_ELSEWHERE: [&str; 3] = ["OPENCLAW_CONFIG", "OPENCLAW_LOAD_TOKEN", "OPENCLAW_STATUS_TOKEN"];

/// A name from before the prefix: collectors of every language read their endpoint from it.
const EVENT_ENDPOINT: (&str, &str) = ("EVENT_ENDPOINT", "collector.eventEndpoint");

/// What the environment assigns.
pub(super) fn read(
    environment: &[(OsString, OsString)],
    keys: &[Key],
    errors: &mut ConfigErrors,
) -> Vec<Assignment> {
    let in_kubernetes = environment.iter().any(|(name, _)| name == "KUBERNETES_SERVICE_HOST");
    let mut assignments = Vec::new();
    // Sorted, so that the same mistakes are reported in the same order.
    let mut ours: Vec<_> =
        environment.iter().filter_map(|(name, value)| Some((name.to_str()?, value))).collect();
    ours.sort_unstable_by_key(|(name, _)| *name);
    for (name, value) in ours {
        let source = Source::Variable(name.to_owned());
        if name == EVENT_ENDPOINT.0 {
            // First of all variables, so that the key's own name overrides it.
            if let Some(key) = find(keys, EVENT_ENDPOINT.1) {
                assignments.insert(0, assignment(key, source, value));
            }
        } else if name.starts_with(PREFIX) && !READ_ELSEWHERE.contains(&name) {
            match keys.iter().find(|key| key.variable() == name) {
                Some(key) => assignments.push(assignment(key, source, value)),
                None if in_kubernetes && is_service_link(name) => {}
                None => {
                    let variables: Vec<_> = keys.iter().map(Key::variable).collect();
                    let hint = did_you_mean(name, variables.iter().map(String::as_str));
                    errors.add_keyless(Some(source), format!("sets no key that is known{hint}"));
                }
            }
        }
    }
    assignments
}

fn assignment(key: &Key, source: Source, value: &OsStr) -> Assignment {
    let parsed = match value.to_str() {
        Some(text) => key.parse_text(text),
        None => Err("is not UTF-8".to_owned()),
    };
    Assignment { path: key.path, source, parsed }
}

/// Whether Kubernetes made the variable for a service of the same namespace that is called `openclaw` or
/// `openclaw-something`: such as `OPENCLAW_EDGE_SERVICE_HOST` or `OPENCLAW_EDGE_PORT_8081_TCP_ADDR`. Every pod gets them
/// unless `enableServiceLinks` is false, and they must not keep one from starting.
fn is_service_link(name: &str) -> bool {
    let after = |mark: &str| name.find(mark).map(|start| &name[start + mark.len()..]);
    let is_port_link = after("_PORT").is_some_and(|rest| {
        let mut parts = rest.split('_').skip(1);
        rest.is_empty()
            || rest.starts_with('_')
                && parts.next().is_some_and(|port| port.parse::<u16>().is_ok())
                && matches!(parts.next(), Some("TCP" | "UDP" | "SCTP"))
                && matches!(parts.next(), None | Some("PROTO" | "PORT" | "ADDR"))
    });
    name.ends_with("_SERVICE_HOST") || after("_SERVICE_PORT").is_some() || is_port_link
}
