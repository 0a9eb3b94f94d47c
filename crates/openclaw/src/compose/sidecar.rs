//! The sidecar put together, and taken over anew when its configuration changes.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use openclaw_admin::access::AccessPolicy;
use openclaw_admin::listen::{Endpoint, bind, serve};
use openclaw_admin::shutdown::Shutdown;
use openclaw_collector::Collector;
use openclaw_sidecar::{JwtRules, JwtSettings, Sidecar, SidecarSettings, UpstreamSettings};
use tokio::task::JoinHandle;

use super::settings::{collector_settings, vocabulary};
use super::{Authorities, ended, reachable};
use crate::config::Config;

/// A running sidecar with its collector.
#[derive(Debug)]
pub(crate) struct ServeSidecar {
    pub(crate) sidecar: Sidecar,
    pub(crate) collector: Collector,
    pub(crate) authorities: Authorities,
    address: SocketAddr,
    scheme: &'static str,
    shutdown: Shutdown,
    task: JoinHandle<()>,
}

impl ServeSidecar {
    /// Binds and serves until `shutdown`.
    pub(crate) async fn start(config: &Config, access: &AccessPolicy, shutdown: Shutdown) -> Result<Self> {
        let endpoint = Endpoint { flag: Some("--listen"), ..config.sidecar_endpoint() };
        let listener = bind(&endpoint, &config.exposure(access.clone()))?;
        let (address, scheme) = (listener.address(), listener.scheme());
        let authorities = Authorities::of(config);
        let settings = collector_settings(config, None, &authorities)?;
        let has_edge = settings.edge.is_some();
        let collector = Collector::start(settings)?;
        let sidecar_settings = sidecar_settings(config, &authorities)?;
        let sidecar = Sidecar::new(sidecar_settings, collector.admission(), has_edge, scheme)?;
        let limits = config.sidecar.serve_limits(config.shutdown.timeout);
        let task = tokio::spawn(serve(listener, sidecar.clone(), limits, shutdown.clone()));
        Ok(Self { sidecar, collector, authorities, address, scheme, shutdown, task })
    }

    pub(crate) fn url(&self) -> String {
        format!("{}://{}", self.scheme, reachable(self.address))
    }

    /// Finishes the requests in progress, closes upgraded connections, delivers the last events.
    pub(crate) async fn stop(self, config: &Config) {
        self.shutdown.stop();
        let ((), ()) = tokio::join!(ended(self.task, "sidecar"), self.sidecar.drain(config.shutdown.timeout));
        self.collector.stop().await;
    }
}

/// What can change while the sidecar runs. `authorities` are those that it began with.
pub(crate) fn sidecar_settings(config: &Config, authorities: &Authorities) -> Result<SidecarSettings> {
    let keys = &config.sidecar;
    Ok(SidecarSettings {
        upstream: keys.upstream.clone(),
        connection: UpstreamSettings {
            http2: keys.upstream_http2,
            trust: authorities.for_url(&keys.upstream)?,
            connect_timeout: keys.connect_timeout,
            head_timeout: keys.head_timeout,
            idle: keys.upstream_idle,
            tunnel_idle: keys.tunnel_idle,
            requests_max: keys.upstream_requests_max,
            pool_max: keys.upstream_pool_max,
            pool_idle: keys.upstream_pool_idle,
        },
        keys: parsed(&keys.keys).context("sidecar.keys")?,
        jwt: jwt(config)?,
        prefix_bytes_max: keys.prefix_bytes_max,
        unkeyed: keys.unkeyed,
        routes: parsed(&keys.routes).context("sidecar.routes")?,
        shadow: keys.shadow,
        edge_away: keys.edge_away,
        latency_until: keys.latency_until,
        trusted: parsed(&keys.trusted_proxies).context("sidecar.trustedProxies")?,
        telling: keys.telling,
        preserve_host: keys.preserve_host,
        via: keys.via.clone(),
        client_idle: keys.client_idle,
        event_score: config.rating.score_min,
        vocabulary: vocabulary(config),
        region: config.rating.region.clone(),
    })
}

fn parsed<T>(texts: &[String]) -> Result<Vec<T>>
where
    T: std::str::FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    texts.iter().map(|text| Ok(text.parse()?)).collect()
}

fn jwt(config: &Config) -> Result<Option<JwtSettings>> {
    let keys = &config.sidecar;
    let Some(file) = &keys.jwt_key_file else { return Ok(None) };
    let key = std::fs::read(file)
        .with_context(|| format!("sidecar.jwtKeyFile: {} cannot be read", file.display()))?;
    let rules = JwtRules { issuer: keys.jwt_issuer.clone(), audience: keys.jwt_audience.clone() };
    let settings = JwtSettings::new(&keys.jwt_algorithm, &key, &rules);
    Ok(Some(settings.with_context(|| format!("sidecar.jwtKeyFile: {}", file.display()))?))
}
