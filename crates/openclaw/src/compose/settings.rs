//! From configuration keys to each part's settings.
//!
//! Here and nowhere else: the parts know no configuration file, and the configuration knows no part.

use std::time::Duration;

use anyhow::{Context, Result};
use openclaw_collector::{CollectorSettings, EdgeTarget, RetrySettings, SpoolSettings, Trust};
use openclaw_controller::policy::LearnedPolicy;
use openclaw_controller::{AimdSettings, Bounds, GuardLaw, LoopSettings};
use openclaw_edge::{EdgeSettings, LimitsSettings, Tiers};
use openclaw_protocol::{BucketPolicy, ContextVocabulary, RatingRules, ScoreRange};
use openclaw_rating::{BACKEND, Backend, IdempotencySettings, RatingSettings, StreamSettings};
use openclaw_store::{ScoreScale, StoreSettings};

use super::trust::Authorities;
use crate::config::Config;
use crate::policies;

fn defaults(config: &Config) -> BucketPolicy {
    BucketPolicy { bucket_size: config.limits.bucket_size, refill_rate: config.limits.refill_rate }
}

fn bounds(config: &Config) -> Bounds {
    Bounds {
        bucket_size_min: config.limits.bucket_size_min,
        bucket_size_max: config.limits.bucket_size_max,
        refill_rate_min: config.limits.refill_rate_min,
        refill_rate_max: config.limits.refill_rate_max,
    }
}

fn scores(config: &Config) -> ScoreRange {
    ScoreRange { min: config.rating.score_min, max: config.rating.score_max }
}

pub(super) fn vocabulary(config: &Config) -> ContextVocabulary {
    ContextVocabulary {
        device_types: config.context.device_types.clone(),
        network_qualities: config.context.network_qualities.clone(),
        regions: config.context.regions.clone(),
    }
}

pub(super) fn edge_settings(config: &Config) -> Result<EdgeSettings> {
    let mut vocabulary = vocabulary(config);
    // A rating service's own region makes a class without being one that clients may name.
    vocabulary.regions.extend(config.rating.region.clone());
    Ok(EdgeSettings {
        controller: config.edge.controller,
        policy: learned_policy(config)?,
        control: LoopSettings {
            slo_s: config.slo.latency.as_secs_f64(),
            tick_ns: nanoseconds(config.edge.tick),
            start_per_s: config.edge.start_per_s,
            defaults: defaults(config),
            bounds: bounds(config),
            users_max: config.edge.users_max,
            sources_max: config.edge.collectors_max,
            ttl_ns: nanoseconds(config.edge.ttl),
        },
        aimd: AimdSettings {
            increase_fraction: config.aimd.increase_fraction,
            backoff_ratio: config.aimd.backoff_ratio,
            window_s: config.aimd.window.as_secs_f64(),
            ..AimdSettings::default()
        },
        scores: scores(config),
        vocabulary,
        services_max: config.edge.services_max,
        body_bytes_max: config.edge.body_bytes_max,
        body_timeout: config.edge.body_timeout,
        metrics_users_max: config.metrics.users_max,
        event_ids_max: config.edge.event_ids_max,
        limits: LimitsSettings {
            folder: config.edge.folder.clone(),
            users_max: config.edge.overrides_max,
            tiers: Tiers::parse(config.edge.tiers.iter().map(String::as_str)).context("edge.tiers")?,
        },
        ..EdgeSettings::default()
    })
}

fn learned_policy(config: &Config) -> Result<Option<LearnedPolicy>> {
    let Some(file) = &config.edge.policy else { return Ok(None) };
    let artifact = policies::read(file).context("edge.policy")?;
    let policy = artifact.policy(config.edge.start_per_s);
    Ok(Some(policy.with_context(|| format!("edge.policy: {} cannot serve", file.display()))?))
}

/// `endpoint` is the edge in this very process, where there is one.
pub(super) fn collector_settings(
    config: &Config,
    endpoint: Option<String>,
    authorities: &Authorities,
) -> Result<CollectorSettings> {
    let token = config.collector.token.as_ref().map(|token| token.expose().to_owned());
    // A collector in the edge's own process needs no token of its own: any collector's will do.
    let token = token.or_else(|| {
        let own = config.access.collector_tokens.first();
        own.filter(|_| endpoint.is_some()).map(|token| token.expose().to_owned())
    });
    // That edge shows the certificate that is configured here, made for whatever name others know this machine by.
    let by_tls = endpoint.as_ref().filter(|url| url.starts_with("https://"));
    let own = by_tls.and(config.tls.cert_file.as_deref());
    let own = own.map(Trust::exactly).transpose().context("tls.certFile")?;
    let endpoint = endpoint.or_else(|| config.collector.event_endpoint.as_ref().map(ToString::to_string));
    let edge = endpoint.map(|url| edge_target(config, &url, token, own, authorities)).transpose()?;
    Ok(CollectorSettings {
        service: config.collector.service.clone(),
        edge,
        slo: config.slo.latency,
        flush_interval: config.collector.flush_interval,
        batch_max: config.collector.batch_events_max,
        queue_max: config.collector.queue_events_max,
        users_max: config.collector.users_max.min(config.limits.users_max),
        defaults: defaults(config),
        bounds: bounds(config),
        start_per_s: config.edge.start_per_s,
        guard: config.guard.enabled,
        guard_law: GuardLaw { floor_in_time: config.guard.start_in_flight as f64, ..GuardLaw::default() },
        dependencies: config.rating.backend_url.iter().map(|_| BACKEND.to_owned()).collect(),
        ttl: config.edge.ttl,
        retry: RetrySettings {
            pause_max: config.collector.retry_pause_max,
            retry_after_max: config.collector.retry_after_max,
            failures_to_open: u32::try_from(config.collector.failures_to_open).unwrap_or(u32::MAX),
            ..RetrySettings::default()
        },
        spool: config.collector.spool_folder.clone().map(|folder| SpoolSettings {
            folder,
            bytes_max: config.collector.spool_bytes_max,
            sync: config.collector.spool_sync,
        }),
        drain: config.collector.drain,
    })
}

fn edge_target(
    config: &Config,
    url: &str,
    token: Option<String>,
    own: Option<Trust>,
    authorities: &Authorities,
) -> Result<EdgeTarget> {
    let target = EdgeTarget::new(url, token, config.collector.timeout)?;
    let trust = match own {
        Some(own) => Some(own),
        None => authorities.for_url(target.event_url())?,
    };
    Ok(match trust {
        Some(trust) => target.trusting(trust),
        None => target,
    })
}

/// What a rating must satisfy, posted or imported.
pub(crate) fn rating_rules(config: &Config) -> RatingRules {
    let future_tolerance_ms = u64::try_from(config.rating.future_tolerance.as_millis()).unwrap_or(u64::MAX);
    RatingRules { scores: scores(config), vocabulary: vocabulary(config), future_tolerance_ms }
}

pub(super) fn rating_settings(config: &Config) -> RatingSettings {
    RatingSettings {
        rules: rating_rules(config),
        region: config.rating.region.clone(),
        body_bytes_max: config.rating.body_bytes_max,
        body_timeout: config.rating.body_timeout,
        batch_max: config.rating.batch_ratings_max,
        stream: StreamSettings {
            events_max: config.rating.stream_events_max,
            bytes_max: config.rating.stream_bytes_max,
            subscribers_max: config.rating.stream_subscribers_max,
            heartbeat: config.rating.stream_heartbeat,
        },
        idempotency: IdempotencySettings {
            keys_max: config.rating.idempotency_keys_max,
            bytes_max: config.rating.idempotency_bytes_max,
            ttl: config.rating.idempotency_ttl,
        },
    }
}

pub(super) fn store_settings(config: &Config) -> Result<StoreSettings> {
    let bins = StoreSettings::default().scale.bins();
    let bins = u16::try_from(bins).unwrap_or(u16::MAX);
    let scale = ScoreScale::new(config.rating.score_min, config.rating.score_max, bins)
        .map_err(anyhow::Error::msg)
        .context("rating.scoreMin and rating.scoreMax")?;
    Ok(StoreSettings {
        scale,
        prior_ratings: u32::try_from(config.store.prior_ratings).unwrap_or(u32::MAX),
        queue_ratings_max: config.store.queue_ratings_max,
        commit_ratings_max: config.store.commit_ratings_max,
        retry_interval: config.store.retry_interval,
        cache_bytes: config.store.cache_bytes,
        connections_max: u32::try_from(config.store.connections_max).unwrap_or(u32::MAX),
        ..StoreSettings::default()
    })
}

pub(super) fn backend(config: &Config, authorities: &Authorities) -> Result<Option<Backend>> {
    let Some(url) = &config.rating.backend_url else { return Ok(None) };
    let trust = authorities.for_url(url)?;
    Ok(Some(Backend::new(&url.to_string(), config.rating.backend_timeout, trust.as_ref())?))
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
