//! What the process measures, as Prometheus reads it.
//!
//! Everything records through the `metrics` facade; this module installs the recorder behind it and renders
//! its text form. Families with an unbounded label (users) do not go through the recorder, which would keep
//! every series it ever saw: they are read from their owner at each scrape, see [`GaugeFamily`].

mod catalogue;
mod family;
pub mod lint;
mod process;
mod text;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use metrics::SetRecorderError;
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use parking_lot::RwLock;

pub use catalogue::{Catalogue, MetricDoc, MetricKind};
pub use family::GaugeFamily;

use crate::shutdown::Shutdown;
use family::Provided;

/// Upper bounds of the latency histograms, in seconds: fine around the default SLO of 0.2 s, so that a p95
/// read from the buckets is off by a few per cent there, and coarse elsewhere.
pub const LATENCY_BUCKETS_SECONDS: [f64; 22] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.125, 0.15, 0.175, 0.19, 0.2, 0.21,
    0.225, 0.25, 0.3, 0.5, 1.0, 2.5,
];

/// How often histogram samples are moved into their buckets, so that memory stays bounded without scrapes.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Renders all metrics of the process. Cheap to clone.
#[derive(Clone)]
pub struct Exporter {
    handle: PrometheusHandle,
    families: Arc<RwLock<Vec<Provided>>>,
}

impl fmt::Debug for Exporter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Exporter")
            .field("families", &self.families.read().len())
            .finish_non_exhaustive()
    }
}

/// Why metrics cannot be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExporterError {
    /// The exporter's settings are refused; they are constants here, so this is a bug.
    #[error("the metrics recorder cannot be built")]
    Build(#[from] BuildError),
    /// Something else records this process's metrics.
    #[error("a metrics recorder is installed already")]
    Installed(#[from] SetRecorderError<PrometheusRecorder>),
}

impl Exporter {
    /// Installs the process's recorder, once and before services start: what is recorded earlier is lost.
    ///
    /// # Errors
    /// Where a recorder is installed already.
    pub fn install() -> Result<Self, ExporterError> {
        let (exporter, recorder) = Self::unattached()?;
        metrics::set_global_recorder(recorder)?;
        catalogue::describe_metrics();
        Ok(exporter)
    }

    /// An exporter with a recorder of its own, for tests (`metrics::with_local_recorder`).
    ///
    /// # Errors
    /// None that can be brought about from outside; see [`ExporterError::Build`].
    pub fn unattached() -> Result<(Self, PrometheusRecorder), ExporterError> {
        let recorder = PrometheusBuilder::new().set_buckets(&LATENCY_BUCKETS_SECONDS)?.build_recorder();
        let exporter = Self { handle: recorder.handle(), families: Arc::default() };
        Ok((exporter, recorder))
    }

    /// Renders `family` from `series` (label value and gauge value) at every scrape from now on: what it does
    /// not return is gone at once. It must not block. A family of the same name is replaced.
    pub fn provide<F>(&self, family: GaugeFamily, series: F)
    where
        F: Fn() -> Vec<(String, f64)> + Send + Sync + 'static,
    {
        let mut families = self.families.write();
        families.retain(|provided| provided.family.name != family.name);
        families.push(Provided { family, series: Box::new(series) });
    }

    /// The text form of everything, as `GET /metrics` answers it.
    #[must_use]
    pub fn render(&self) -> String {
        // Descriptions are published by upkeep only; without this the first scrape would lack their help.
        self.handle.run_upkeep();
        let mut text = self.handle.render();
        for provided in self.families.read().iter() {
            provided.render(&mut text);
        }
        process::render(&mut text);
        text
    }

    /// Keeps histograms bounded until `shutdown`; spawn it beside the services.
    pub async fn upkeep(self, shutdown: Shutdown) {
        let mut interval = tokio::time::interval(UPKEEP_INTERVAL);
        loop {
            tokio::select! {
                _ = interval.tick() => self.handle.run_upkeep(),
                () = shutdown.stopping() => return,
            }
        }
    }
}

/// The media type of [`Exporter::render`].
pub const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

#[cfg(test)]
mod tests;
