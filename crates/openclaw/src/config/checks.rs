//! Checks across keys: values that are each possible and together are not.

mod sidecar;

use std::net::SocketAddr;

use openclaw_admin::listen::{Endpoint, check_certificate, check_exposure};
use openclaw_admin::logging;
use openclaw_collector::Trust;
use openclaw_edge::Tiers;

use super::error::{ConfigErrors, Source};
use super::resolve::Settings;
use super::sections::Config;

/// A condition on several keys.
struct Check {
    /// The keys that it looks at; the mistake is reported where the first one is set that anybody has set.
    keys: &'static [&'static str],
    /// The sentence after the key, where the condition does not hold.
    finding: fn(&Config) -> Option<String>,
}

const CHECKS: &[Check] = &[
    Check {
        keys: &["log.level"],
        finding: |config| logging::check_level(&config.log.level).err().map(|error| error.to_string()),
    },
    Check {
        keys: &["rating.scoreMin", "rating.scoreMax"],
        finding: |config| {
            let (min, max) = (config.rating.score_min, config.rating.score_max);
            (min >= max).then(|| format!("rating.scoreMin ({min:?}) must be below rating.scoreMax ({max:?})"))
        },
    },
    Check {
        keys: &["rating.region", "context.regions"],
        finding: |config| {
            let region = config.rating.region.as_ref()?;
            let known = &config.context.regions;
            (!known.contains(region))
                .then(|| format!("{region:?} is not one of context.regions; add it there"))
        },
    },
    Check {
        keys: &["limits.bucketSize", "limits.bucketSizeMin", "limits.bucketSizeMax"],
        finding: |config| {
            let limits = &config.limits;
            let (min, max) = (limits.bucket_size_min, limits.bucket_size_max);
            out_of_order("limits.bucketSize", min, limits.bucket_size, max)
        },
    },
    Check {
        keys: &["limits.refillRate", "limits.refillRateMin", "limits.refillRateMax"],
        finding: |config| {
            let limits = &config.limits;
            let (min, max) = (limits.refill_rate_min, limits.refill_rate_max);
            out_of_order("limits.refillRate", min, limits.refill_rate, max)
        },
    },
    Check {
        keys: &["store.commitMax", "store.queueMax"],
        finding: |config| {
            (config.store.commit_ratings_max > config.store.queue_ratings_max)
                .then(|| "store.commitMax must not be above store.queueMax".to_owned())
        },
    },
    Check {
        keys: &["collector.batchMax", "collector.queueMax"],
        finding: |config| {
            (config.collector.batch_events_max > config.collector.queue_events_max)
                .then(|| "collector.batchMax must not be above collector.queueMax".to_owned())
        },
    },
    Check {
        keys: &["collector.flushInterval", "edge.ttl"],
        finding: |config| {
            (config.collector.flush_interval * 2 > config.edge.ttl)
                .then(|| "collector.flushInterval must be at most half of edge.ttl, else limits lapse between two batches".to_owned())
        },
    },
    Check {
        keys: &["edge.tick", "edge.ttl"],
        finding: |config| {
            (config.edge.tick * 2 > config.edge.ttl).then(|| {
                "edge.tick must be at most half of edge.ttl, else limits lapse between two decisions"
                    .to_owned()
            })
        },
    },
    Check {
        keys: &["edge.tiers"],
        finding: |config| {
            let tiers = config.edge.tiers.iter().map(String::as_str);
            Tiers::parse(tiers).err().map(|error| error.to_string())
        },
    },
    Check {
        keys: &["admin.listen", "rating.listen"],
        finding: |config| collision(config.admin.listen, "rating.listen", config.rating.listen),
    },
    Check {
        keys: &["admin.listen", "edge.listen"],
        finding: |config| collision(config.admin.listen, "edge.listen", config.edge.listen),
    },
    Check {
        keys: &["tls.certFile", "tls.keyFile", "insecure"],
        finding: |config| {
            (config.tls.cert_file.is_some() != config.tls.key_file.is_some() && !config.access.insecure)
                .then(|| "tls.certFile and tls.keyFile need each other; set both, or accept serving without TLS by insecure".to_owned())
        },
    },
    Check {
        keys: &["tls.certFile", "tls.keyFile"],
        finding: |config| {
            let exposure = config.exposure(config.access.policy());
            check_certificate(&exposure).err().map(|error| error.to_string())
        },
    },
    Check {
        keys: &["tls.caFile"],
        finding: |config| {
            let file = config.tls.ca_file.as_deref()?;
            Trust::system(Some(file)).err().map(|error| error.to_string())
        },
    },
    Check {
        keys: &[
            "rating.listen",
            "insecure",
            "access.clientTokens",
            "access.clientTokensFile",
            "access.readerTokens",
            "access.readerTokensFile",
        ],
        finding: |config| exposed(config, &config.rating_endpoint()),
    },
    Check {
        keys: &[
            "edge.listen",
            "insecure",
            "access.collectorTokens",
            "access.collectorTokensFile",
            "access.readerTokens",
            "access.readerTokensFile",
        ],
        finding: |config| exposed(config, &config.edge_endpoint()),
    },
    Check {
        keys: &["admin.listen", "insecure", "access.readerTokens", "access.readerTokensFile"],
        finding: |config| exposed(config, &config.admin_endpoint()),
    },
];

/// Reports every condition that does not hold, unless one of its keys was refused already.
pub(super) fn run(config: &Config, settings: &Settings, errors: &mut ConfigErrors) {
    for Check { keys, finding } in CHECKS.iter().chain(sidecar::CHECKS) {
        if keys.iter().any(|key| settings.is_refused(key)) {
            continue;
        }
        if let Some(reason) = finding(config) {
            let set = keys.iter().find(|key| settings.source(key) != Source::Default).unwrap_or(&keys[0]);
            errors.add(&settings.source(set), *set, reason);
        }
    }
}

fn out_of_order(key: &str, min: f64, value: f64, max: f64) -> Option<String> {
    if min > max {
        return Some(format!("{key}Min ({min:?}) must not be above {key}Max ({max:?})"));
    }
    (!(min..=max).contains(&value))
        .then(|| format!("{key} ({value:?}) must lie from {key}Min ({min:?}) to {key}Max ({max:?})"))
}

fn collision(admin: SocketAddr, other_key: &str, other: SocketAddr) -> Option<String> {
    let same_ip = admin.ip() == other.ip() || admin.ip().is_unspecified() || other.ip().is_unspecified();
    (admin.port() == other.port() && admin.port() != 0 && same_ip).then(|| {
        format!("admin.listen and {other_key} are both port {}; one process cannot have both", admin.port())
    })
}

/// The rule that the listener applies when it is opened, here so that `config check` knows it too.
fn exposed(config: &Config, endpoint: &Endpoint) -> Option<String> {
    check_exposure(endpoint, &config.exposure(config.access.policy())).err().map(|error| error.to_string())
}
