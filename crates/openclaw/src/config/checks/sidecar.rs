//! Checks of the sidecar's keys: texts that must be sources, routes and networks, and what they need of each other.

use std::str::FromStr;

use openclaw_sidecar::{JwtRules, JwtSettings, KeySource, Network, Route, check_upstream, check_via};

use super::{Check, collision};
use crate::config::sections::Config;

pub(super) const CHECKS: &[Check] = &[
    Check { keys: &["sidecar.keys"], finding: |config| unreadable::<KeySource>(&config.sidecar.keys) },
    Check { keys: &["sidecar.routes"], finding: |config| unreadable::<Route>(&config.sidecar.routes) },
    Check {
        keys: &["sidecar.trustedProxies"],
        finding: |config| unreadable::<Network>(&config.sidecar.trusted_proxies),
    },
    Check {
        keys: &["sidecar.upstream"],
        finding: |config| check_upstream(&config.sidecar.upstream).err().map(|error| error.to_string()),
    },
    Check {
        keys: &["sidecar.via"],
        finding: |config| {
            config
                .sidecar
                .via
                .as_deref()
                .and_then(|name| check_via(name).err())
                .map(|error| error.to_string())
        },
    },
    Check {
        keys: &["sidecar.upstream", "sidecar.listen"],
        finding: |config| {
            let itself = config.sidecar.upstream.authority()?.as_str() == config.sidecar.listen.to_string();
            itself.then(|| "sidecar.upstream is sidecar.listen: requests would go round for ever".to_owned())
        },
    },
    Check {
        keys: &["sidecar.keys", "sidecar.jwtKeyFile"],
        finding: |config| {
            let asked = config.sidecar.keys.iter().any(|key| key.trim_start().starts_with("jwt:"));
            (asked && config.sidecar.jwt_key_file.is_none()).then(|| {
                "sidecar.keys asks for a token's claim, but sidecar.jwtKeyFile names no key to verify tokens with"
                    .to_owned()
            })
        },
    },
    Check { keys: &["sidecar.jwtKeyFile", "sidecar.jwtAlgorithm"], finding: unusable_key },
    Check {
        keys: &["admin.listen", "sidecar.listen"],
        finding: |config| collision(config.admin.listen, "sidecar.listen", config.sidecar.listen),
    },
];

/// What is wrong with the first text that is no `T`.
fn unreadable<T>(texts: &[String]) -> Option<String>
where
    T: FromStr,
    T::Err: ToString,
{
    texts.iter().find_map(|text| text.parse::<T>().err()).map(|error| error.to_string())
}

fn unusable_key(config: &Config) -> Option<String> {
    let file = config.sidecar.jwt_key_file.as_ref()?;
    let shown = file.display();
    let key = match std::fs::read(file) {
        Ok(key) => key,
        Err(error) => return Some(format!("{shown} cannot be read: {error}")),
    };
    let made = JwtSettings::new(&config.sidecar.jwt_algorithm, &key, &JwtRules::default());
    made.err().map(|error| format!("{shown}: {error}"))
}
