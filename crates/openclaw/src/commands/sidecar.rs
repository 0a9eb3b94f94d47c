//! `openclaw sidecar`: the reverse proxy, and its configuration taken over while it runs.

use std::path::Path;
use std::time::{Instant, SystemTime};

use anyhow::{Context, Result};
use openclaw_sidecar::Sidecar;

use crate::cli::SidecarArgs;
use crate::compose::{Admin, Authorities, ServeSidecar, sidecar_settings};
use crate::config::{Inputs, Loaded, load};
use crate::terminal::say;

pub(super) fn run(args: &SidecarArgs) -> Result<()> {
    let inputs = super::inputs(&args.service.config, args.flags());
    let loaded = load(&inputs)?;
    super::block_on(loaded.config.sidecar.workers, serve(loaded, inputs))
}

async fn serve(loaded: Loaded, inputs: Inputs) -> Result<()> {
    let config = loaded.config.clone();
    let started = Instant::now();
    let (exporter, shutdown) = super::service::begin(&config)?;
    let access = config.access.policy();

    let sidecar = ServeSidecar::start(&config, &access, shutdown.clone()).await?;
    say(&format!("sidecar   {} before {}", sidecar.url(), config.sidecar.upstream));
    let admin = Admin::new(started, exporter.clone(), access, shutdown.clone()).with_sidecar(&sidecar);
    let (admin_url, admin_task) = admin.start(&config)?;
    say(&format!("admin     {admin_url}"));

    let upkeep = tokio::spawn(exporter.upkeep(shutdown.clone()));
    let authorities = sidecar.authorities.clone();
    let reloads = Reloads { sidecar: sidecar.sidecar.clone(), authorities, inputs, loaded };
    tokio::select! {
        () = shutdown.stopping() => {}
        result = reloads.run() => result?,
    }
    sidecar.stop(&config).await;
    for task in [admin_task, upkeep] {
        if let Err(error) = task.await {
            tracing::warn!(%error, "a task ended badly");
        }
    }
    Ok(())
}

/// Takes over what changes in the configuration.
struct Reloads {
    sidecar: Sidecar,
    authorities: Authorities,
    inputs: Inputs,
    loaded: Loaded,
}

impl Reloads {
    /// At every SIGHUP, and whenever the file or the key of tokens has another time of change. Never ends by itself.
    async fn run(mut self) -> Result<()> {
        let mut hangups = Hangups::install().context("SIGHUP cannot be watched for")?;
        let mut seen = self.changed_at();
        loop {
            let interval = self.loaded.config.sidecar.watch_interval;
            let tick = async {
                if interval.is_zero() || self.inputs.file.is_none() {
                    std::future::pending::<()>().await;
                }
                tokio::time::sleep(interval).await;
            };
            let asked = tokio::select! {
                () = hangups.next() => true,
                () = tick => false,
            };
            let now = self.changed_at();
            if asked || now != seen {
                self.reload();
                seen = self.changed_at();
            }
        }
    }

    /// When the files were last changed; a file that is away for a moment has not.
    fn changed_at(&self) -> [Option<SystemTime>; 2] {
        let changed = |file: &Path| std::fs::metadata(file).and_then(|about| about.modified()).ok();
        [self.inputs.file.as_deref(), self.loaded.config.sidecar.jwt_key_file.as_deref()]
            .map(|file| file.and_then(changed))
    }

    fn reload(&mut self) {
        let taken = load(&self.inputs).map_err(anyhow::Error::from).and_then(|loaded| {
            self.sidecar.reload(sidecar_settings(&loaded.config, &self.authorities)?)?;
            Ok(loaded)
        });
        match taken {
            Ok(loaded) => {
                let fixed = loaded.settings.changed_since(&self.loaded.settings, is_fixed);
                if !fixed.is_empty() {
                    let keys = fixed.join(", ");
                    tracing::warn!(%keys, "these keys have changed and hold only after a restart");
                }
                tracing::info!("the configuration was taken over");
                self.loaded = loaded;
            }
            Err(error) => {
                tracing::error!(error = %format_args!("{error:#}"), "the new configuration is refused; the old one stays");
            }
        }
    }
}

/// Keys that the sidecar reads but once.
fn is_fixed(path: &str) -> bool {
    const LISTENER: [&str; 5] = [
        "sidecar.listen",
        "sidecar.headerMax",
        "sidecar.headerTimeout",
        "sidecar.connectionsMax",
        "sidecar.workers",
    ];
    let live = path.starts_with("sidecar.") && !LISTENER.contains(&path);
    let live_elsewhere = path.starts_with("context.") || ["rating.region", "rating.scoreMin"].contains(&path);
    !live && !live_elsewhere
}

#[cfg(unix)]
struct Hangups(tokio::signal::unix::Signal);

#[cfg(unix)]
impl Hangups {
    fn install() -> std::io::Result<Self> {
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()).map(Self)
    }

    async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            std::future::pending().await
        }
    }
}

#[cfg(not(unix))]
struct Hangups;

#[cfg(not(unix))]
impl Hangups {
    fn install() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        std::future::pending().await
    }
}
