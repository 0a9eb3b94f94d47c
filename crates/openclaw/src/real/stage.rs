//! Everything that one course needs, running: a backend, and the services with an empty store before it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use openclaw_lab::evaluate::{Contender, Trial};
use openclaw_lab::real::Start;
use openclaw_scenario::ScenarioFile;
use tempfile::TempDir;

use super::child::Child;
use super::configuration;

/// The processes of one course, ended with it.
pub(super) struct Stage {
    services: Child,
    backend: Child,
    rating_url: String,
    metrics_url: String,
    state_url: String,
    /// Removed last.
    _folder: TempDir,
}

impl Stage {
    /// Starts backend and services on free ports.
    ///
    /// # Errors
    /// A process does not start, with what it complained of; or the course's folder cannot be written.
    pub(super) async fn set(
        trial: &Trial,
        contender: &Contender,
        policy: Option<&Path>,
        slo: Duration,
    ) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("openclaw-real-").tempdir();
        let folder = folder.context("the course's folder cannot be made")?;
        // The backend's own copy: with the seed that is played, and without the trace, which only clients need.
        let mut scenario = trial.scenario().clone();
        scenario.arrivals = None;
        let scenario_file = folder.path().join("scenario.json");
        let scenarios = ScenarioFile { scenarios: vec![scenario] };
        write(&scenario_file, &serde_json::to_string(&scenarios).context("writing JSON")?)?;
        let arguments = ["backend", "--listen", "127.0.0.1:0", "--scenario"].map(OsString::from);
        let arguments = arguments.into_iter().chain([scenario_file.into_os_string()]);
        let backend = Child::start("the backend", arguments, "backend", folder.path()).await?;
        let work_url = backend.url("backend")?.to_owned();

        let start = Start::of(trial, contender);
        // The services run in a folder of their own, where a relative path would lead elsewhere.
        let policy = policy.map(std::path::absolute).transpose().context("--policy")?;
        let text = configuration::text(
            contender,
            start,
            trial.scenario(),
            slo,
            policy.as_deref(),
            folder.path(),
            &work_url,
        );
        let config_file = folder.path().join("services.toml");
        write(&config_file, &text)?;
        let arguments = [OsString::from("up"), OsString::from("--config"), config_file.into_os_string()];
        let services = Child::start("the services", arguments, "admin", folder.path()).await?;
        Ok(Self {
            rating_url: services.url("rating")?.to_owned(),
            metrics_url: format!("{}/metrics", services.url("admin")?),
            state_url: work_url.replace("/work", "/state"),
            services,
            backend,
            _folder: folder,
        })
    }

    pub(super) fn rating_url(&self) -> &str {
        &self.rating_url
    }

    pub(super) fn metrics_url(&self) -> &str {
        &self.metrics_url
    }

    pub(super) fn state_url(&self) -> &str {
        &self.state_url
    }

    /// What runs for this course, by name and process id; the load generator is this process.
    pub(super) fn processes(&self) -> [(&'static str, u32); 3] {
        [("services", self.services.id()), ("backend", self.backend.id()), ("load", std::process::id())]
    }

    /// # Errors
    /// A process has ended; with what it complained of.
    pub(super) fn check_alive(&mut self) -> Result<()> {
        self.services.check_alive()?;
        self.backend.check_alive()
    }
}

fn write(path: &PathBuf, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))
}
