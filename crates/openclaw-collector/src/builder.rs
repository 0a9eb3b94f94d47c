//! A collector in a few words: what a service says of itself, the rest by default.

use std::path::{Path, PathBuf};
use std::time::Duration;

use openclaw_protocol::BucketPolicy;

use crate::cycle::{Collector, StartError};
use crate::settings::{CollectorSettings, EdgeTarget, InvalidEndpoint};
use crate::spool::SpoolSettings;
use crate::trust::{InvalidTrust, Trust};

/// How long the edge may take to answer a batch: ten cycles, after which its answer is of no use.
const TIMEOUT: Duration = Duration::from_secs(1);
/// Longest spool, in bytes: a quarter of an hour at a thousand events a second.
const SPOOL_BYTES_MAX: u64 = 256 << 20;

/// Why a collector was not built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The event endpoint is none.
    #[error(transparent)]
    Endpoint(#[from] InvalidEndpoint),
    /// The file of the token cannot be used.
    #[error("the token file {} {reason}", path.display())]
    TokenFile {
        /// Which.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The environment variable with the token is not set, or no text.
    #[error("the variable {0} is to hold the token for the edge, and does not")]
    TokenVariable(String),
    /// The file of trusted certificates cannot be used.
    #[error(transparent)]
    Trust(#[from] InvalidTrust),
    /// It does not start.
    #[error(transparent)]
    Start(#[from] StartError),
}

/// Where the token comes from.
#[derive(Clone, Debug)]
enum TokenSource {
    File(PathBuf),
    Variable(String),
}

/// Puts a [`Collector`] together. Everything but the service's name has a default.
///
/// ```no_run
/// # async fn start() -> Result<(), openclaw_collector::BuildError> {
/// use std::time::Duration;
///
/// let collector = openclaw_collector::Collector::builder("orders")
///     .edge("http://127.0.0.1:8081/api/v1/event")
///     .token_variable("OPENCLAW_COLLECTOR_TOKEN")
///     .slo(Duration::from_millis(150))
///     .spool("/var/lib/orders/spool")
///     .start()?;
/// let admission = collector.admission();
/// # drop(admission);
/// # collector.stop().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "it does nothing until it is started"]
pub struct CollectorBuilder {
    settings: CollectorSettings,
    endpoint: Option<String>,
    token: Option<TokenSource>,
    ca_file: Option<PathBuf>,
    timeout: Duration,
}

impl Collector {
    /// Begins to put a collector of `service` together. Collectors of the same name, in as many processes as there are,
    /// share one capacity.
    pub fn builder(service: impl Into<String>) -> CollectorBuilder {
        let settings = CollectorSettings { service: service.into(), ..CollectorSettings::default() };
        CollectorBuilder { settings, endpoint: None, token: None, ca_file: None, timeout: TIMEOUT }
    }
}

impl CollectorBuilder {
    /// Where events go: the URL for single ones, `…/event`. Without it the local loop decides alone.
    pub fn edge(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoint = Some(endpoint.into());
        self
    }

    /// Sends the first line of this file as bearer token. It is never logged.
    pub fn token_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.token = Some(TokenSource::File(path.into()));
        self
    }

    /// Sends what this environment variable holds as bearer token. It is never logged.
    pub fn token_variable(mut self, name: impl Into<String>) -> Self {
        self.token = Some(TokenSource::Variable(name.into()));
        self
    }

    /// Believes the authorities in this file (PEM), besides the system's, where the edge is reached by `https://`.
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca_file = Some(path.into());
        self
    }

    /// How long the edge may take to answer.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The latency goal for the 95th percentile.
    pub fn slo(mut self, slo: Duration) -> Self {
        self.settings.slo = slo;
        self
    }

    /// What a user gets while nothing is known.
    pub fn defaults(mut self, defaults: BucketPolicy) -> Self {
        self.settings.defaults = defaults;
        self
    }

    /// Keeps events in this folder while the edge is away, 256 MiB of them at most; for more say, set
    /// [`CollectorSettings::spool`] by [`settings`](Self::settings).
    pub fn spool(mut self, folder: impl Into<PathBuf>) -> Self {
        let (folder, sync) = (folder.into(), Duration::from_secs(1));
        self.settings.spool = Some(SpoolSettings { folder, bytes_max: SPOOL_BYTES_MAX, sync });
        self
    }

    /// Changes any other setting.
    pub fn settings(mut self, change: impl FnOnce(&mut CollectorSettings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// Starts it on the current tokio runtime; see [`Collector::start`].
    ///
    /// # Errors
    /// [`BuildError`] where the endpoint, the token, the authorities or the spool cannot be used.
    pub fn start(mut self) -> Result<Collector, BuildError> {
        if let Some(endpoint) = &self.endpoint {
            let token = self.token.as_ref().map(TokenSource::read).transpose()?;
            let target = EdgeTarget::new(endpoint, token, self.timeout)?;
            let trust = self.ca_file.as_deref().map(|file| Trust::system(Some(file))).transpose()?;
            self.settings.edge = Some(match trust {
                Some(trust) => target.trusting(trust),
                None => target,
            });
        }
        Ok(Collector::start(self.settings)?)
    }
}

impl TokenSource {
    fn read(&self) -> Result<String, BuildError> {
        match self {
            Self::File(path) => {
                token_of(path).map_err(|reason| BuildError::TokenFile { path: path.clone(), reason })
            }
            Self::Variable(name) => std::env::var(name)
                .ok()
                .filter(|token| !token.is_empty())
                .ok_or_else(|| BuildError::TokenVariable(name.clone())),
        }
    }
}

/// The first line of a file that is a token.
fn token_of(path: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
    let line = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    line.map(str::to_owned).ok_or_else(|| "holds no token; write it on a line of its own".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_collector_without_an_edge_decides_by_itself() {
        let collector = Collector::builder("orders").slo(Duration::from_millis(150)).start().unwrap();
        let status = collector.status();
        assert_eq!((status.service.as_str(), status.edge_error), ("orders", None));
        collector.stop().await;
    }

    #[tokio::test]
    async fn what_cannot_be_used_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("token");
        std::fs::write(&empty, "# nothing here\n").unwrap();
        let edge = || Collector::builder("orders").edge("http://127.0.0.1:1/api/v1/event");
        let no_endpoint = Collector::builder("orders").edge("127.0.0.1");
        for (builder, part) in [
            (no_endpoint, "\"127.0.0.1\" is not usable"),
            (edge().token_file(&empty), "holds no token"),
            (edge().token_file(folder.path().join("none")), "cannot be read"),
            (edge().token_variable("OPENCLAW_NO_SUCH_VARIABLE"), "OPENCLAW_NO_SUCH_VARIABLE is to hold"),
            (edge().ca_file(&empty), "holds no certificate in PEM form"),
            (edge().spool(&empty), "making it failed"),
        ] {
            let reason = builder.start().unwrap_err().to_string();
            assert!(reason.contains(part), "{reason}");
        }
    }

    #[tokio::test]
    async fn a_token_is_read_and_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "# for the edge\n  secret-word \n").unwrap();
        assert_eq!(token_of(&file).unwrap(), "secret-word");
        let builder = Collector::builder("orders").edge("http://127.0.0.1:1/api/v1/event").token_file(&file);
        let collector = builder.start().unwrap();
        assert!(!format!("{collector:?}").contains("secret-word"));
    }
}
