//! `openclaw up`, `rating` and `edge`: services that run until they are told to stop.

use std::time::Instant;

use anyhow::Result;
use openclaw_admin::access::{Role, Token};
use openclaw_admin::metrics::Exporter;
use openclaw_admin::shutdown::Shutdown;

use crate::cli::{EdgeArgs, ServiceArgs};
use crate::compose::{self, Admin, Parts, ServeEdge, ServeRating};
use crate::config::{Config, Loaded};
use crate::terminal::say;

pub(super) fn up(args: &EdgeArgs) -> Result<()> {
    let loaded = super::load_config(&args.service.config, args.flags("rating.listen", "rating.workers"))?;
    super::block_on(loaded.config.rating.workers, serve(loaded, Parts { rating: true, edge: true }))
}

pub(super) fn rating(args: &ServiceArgs) -> Result<()> {
    let loaded = super::load_config(&args.config, args.flags("rating.listen", "rating.workers"))?;
    super::block_on(loaded.config.rating.workers, serve(loaded, Parts { rating: true, edge: false }))
}

pub(super) fn edge(args: &EdgeArgs) -> Result<()> {
    let loaded = super::load_config(&args.service.config, args.flags("edge.listen", "edge.workers"))?;
    super::block_on(loaded.config.edge.workers, serve(loaded, Parts { rating: false, edge: true }))
}

/// What every service of the process begins with: logs, as many open files as it may have, metrics, and the signals that
/// stop it.
pub(super) fn begin(config: &Config) -> Result<(Exporter, Shutdown)> {
    openclaw_admin::logging::init(&config.log.level, config.log.format)?;
    if let Some(files) = openclaw_harness::raise_open_files_max() {
        tracing::debug!(files, "open files at most");
    }
    let exporter = Exporter::install()?;
    compose::describe_metrics();
    Ok((exporter, Shutdown::on_signals()?))
}

async fn serve(loaded: Loaded, parts: Parts) -> Result<()> {
    let config = loaded.config;
    let started = Instant::now();
    let (exporter, shutdown) = begin(&config)?;
    let access = access(&config, parts)?;

    let mut admin = Admin::new(started, exporter.clone(), access.clone(), shutdown.clone());
    let edge = match parts.edge {
        true => Some(ServeEdge::start(&config, &access, &exporter).await?),
        false => None,
    };
    let endpoint = edge.as_ref().filter(|_| parts.rating).map(ServeEdge::event_endpoint);
    let rating = match parts.rating {
        true => Some(ServeRating::start(&config, &access, endpoint, shutdown.clone()).await?),
        false => None,
    };
    if let Some(edge) = &edge {
        admin = admin.with_edge(edge);
        say(&format!("edge      {}", edge.url()));
    }
    if let Some(rating) = &rating {
        admin = admin.with_rating(rating);
        say(&format!("rating    {}", rating.url()));
    }
    let (admin_url, admin_task) = admin.start(&config)?;
    say(&format!("admin     {admin_url}"));

    let upkeep = tokio::spawn(exporter.upkeep(shutdown.clone()));
    shutdown.stopping().await;
    // The order in which nothing is lost: no new requests, their last events delivered, then the edge.
    if let Some(rating) = rating {
        rating.stop().await;
    }
    if let Some(edge) = edge {
        edge.stop().await;
    }
    for task in [admin_task, upkeep] {
        if let Err(error) = task.await {
            tracing::warn!(%error, "a task ended badly");
        }
    }
    Ok(())
}

/// The configured tokens; the whole loop in one process makes an admin token where none is set, and shows it.
fn access(config: &Config, parts: Parts) -> Result<openclaw_admin::access::AccessPolicy> {
    let access = config.access.policy();
    if !(parts.rating && parts.edge) || access.configured().contains(Role::Admin) {
        return Ok(access);
    }
    let token = Token::random()?;
    say(&format!("admin token {}", token.expose()));
    Ok(access.with(Role::Admin, token))
}
