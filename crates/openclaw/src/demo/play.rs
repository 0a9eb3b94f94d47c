//! One controller's run: a stage of its own, the traffic, and the stage taken down.

use std::time::Duration;

use anyhow::Result;
use openclaw_admin::access::AccessPolicy;
use openclaw_admin::metrics::Exporter;
use openclaw_admin::shutdown::Shutdown;
use openclaw_edge::ControllerKind;
use openclaw_harness::{Backend, BackendHandle, Load, LoadSettings, Traffic};
use openclaw_scenario::Scenario;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::report::Run;
use crate::compose::{Admin, ServeEdge, ServeRating};
use crate::config::Config;
use crate::live::Live;

/// Time for the listeners to settle before the scenario's clock starts.
const CURTAIN: Duration = Duration::from_millis(200);

/// Everything that one run needs, running.
pub(super) struct Stage {
    edge: ServeEdge,
    rating: ServeRating,
    backend: BackendHandle,
    backend_shutdown: Shutdown,
    backend_task: JoinHandle<()>,
    slo: Duration,
    /// Removed with the stage.
    _folder: TempDir,
}

impl Stage {
    /// Starts backend, edge and rating service on free ports, with an empty store.
    pub(super) async fn set(config: &Config, scenario: &Scenario, exporter: &Exporter) -> Result<Self> {
        let mut config = config.clone();
        let folder = tempfile::Builder::new().prefix("openclaw-demo-").tempdir()?;
        // The demo's ratings are nobody's: they go with its folder.
        config.store.url = None;
        config.store.folder = folder.path().join("ratings");
        let backend = Backend::bind(([127, 0, 0, 1], 0).into(), scenario).await?;
        let url = format!("http://{}/work", backend.local_addr());
        config.rating.backend_url = Some(url.parse()?);
        // A client that leaves takes its backend call with it; nothing else ends one.
        config.rating.backend_timeout = Duration::from_secs(30);
        let handle = backend.handle();
        let backend_shutdown = Shutdown::new();
        let stopping = backend_shutdown.clone();
        let backend_task = tokio::spawn(backend.run(async move { stopping.stopping().await }));

        let access = AccessPolicy::default();
        let edge = ServeEdge::start(&config, &access, exporter).await?;
        let endpoint = Some(edge.event_endpoint());
        let rating = ServeRating::start(&config, &access, endpoint, Shutdown::new()).await?;
        Ok(Self {
            edge,
            rating,
            backend: handle,
            backend_shutdown,
            backend_task,
            slo: config.slo.latency,
            _folder: folder,
        })
    }

    pub(super) fn rating_url(&self) -> String {
        self.rating.url()
    }

    pub(super) fn edge_url(&self) -> String {
        self.edge.url()
    }

    /// Shows this stage on an admin listener.
    pub(super) fn show(&self, admin: Admin) -> Admin {
        admin.with_edge(&self.edge).with_rating(&self.rating)
    }

    /// Plays the scenario's traffic until it ends or the process is told to stop.
    pub(super) async fn play(
        &self,
        controller: ControllerKind,
        scenario: &Scenario,
        shutdown: &Shutdown,
    ) -> Result<Run> {
        let traffic = Traffic::scenario(scenario.clone());
        let mut settings = LoadSettings::new(vec![self.rating.url()], traffic);
        settings.slo = self.slo;
        let zero = Instant::now() + CURTAIN;
        settings.start = Some(zero);
        self.backend.start_clock(zero);
        let workers = f64::from(scenario.service.workers) / scenario.service.service_time.mean_s();
        let live = Live::new(controller.name(), scenario.duration_s);
        let load = Load::new(settings)?;
        let observer = |now: &_| live.show(now, workers * self.backend.state().service.capacity_level);
        let done = load.run(observer, async { shutdown.stopping().await }).await?;
        live.end();
        let ratings_stored = self.rating.store.ratings_total().await?;
        Ok(Run::new(controller.name(), ratings_stored, done))
    }

    /// Stops everything, in the order in which nothing is lost.
    pub(super) async fn strike(self) {
        self.rating.stop().await;
        self.edge.stop().await;
        self.backend_shutdown.stop();
        if let Err(error) = self.backend_task.await {
            tracing::warn!(%error, "the backend ended badly");
        }
    }
}
