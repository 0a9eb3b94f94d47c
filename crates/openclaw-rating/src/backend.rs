//! The dependency that a rating waits for before it is acknowledged, where one is configured.

use std::time::Duration;

use openclaw_protocol::{Problem, ProblemKind};
use reqwest::{Client, Url};

/// Processing time that the backend reports, in ms.
const WORK_MS: &str = "openclaw-work-ms";
/// Ratings in a request, told to the backend.
const ITEMS: &str = "openclaw-items";

/// A backend over HTTP.
#[derive(Clone, Debug)]
pub struct Backend {
    client: Client,
    url: Url,
}

/// Why a backend cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidBackend {
    /// Not an http URL.
    #[error("the backend URL {url:?} is not usable: {reason}; it looks like http://127.0.0.1:9000/work")]
    Url {
        /// What was configured.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The HTTP client cannot be built.
    #[error("the backend's HTTP client cannot be built: {0}")]
    Client(#[from] reqwest::Error),
}

impl Backend {
    /// The backend at `url`, which has `timeout` to answer.
    ///
    /// # Errors
    /// [`InvalidBackend`] where `url` is not an http URL.
    pub fn new(url: &str, timeout: Duration) -> Result<Self, InvalidBackend> {
        let invalid = |reason: String| InvalidBackend::Url { url: url.to_owned(), reason };
        let parsed = Url::parse(url).map_err(|error| invalid(error.to_string()))?;
        if parsed.scheme() != "http" {
            return Err(invalid("it must begin with http://".to_owned()));
        }
        let client = Client::builder()
            .timeout(timeout)
            .tcp_nodelay(true)
            .pool_max_idle_per_host(1024)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()?;
        Ok(Self { client, url: parsed })
    }

    /// Has the backend work on a request of `items` ratings. Returns its processing time, where it says so.
    pub(crate) async fn work(&self, items: usize) -> Result<Option<Duration>, Problem> {
        let failed = |reason: String| {
            tracing::debug!(url = %self.url, %reason, "the backend failed");
            Problem::new(ProblemKind::DependencyFailed, format!("the backend did not do its part: {reason}"))
        };
        let reply =
            self.client.post(self.url.clone()).header(ITEMS, items).send().await.map_err(|error| {
                failed(if error.is_timeout() {
                    "it took too long".to_owned()
                } else {
                    "it cannot be reached".to_owned()
                })
            })?;
        let status = reply.status();
        let work = reply
            .headers()
            .get(WORK_MS)
            .and_then(|value| value.to_str().ok()?.parse::<f64>().ok())
            .and_then(|ms| Duration::try_from_secs_f64(ms / 1e3).ok());
        // Read to its end, so that the connection can serve again.
        let drained = reply.bytes().await;
        if !status.is_success() {
            return Err(failed(format!("it answered {}", status.as_u16())));
        }
        drained.map_err(|_| failed("its answer broke off".to_owned()))?;
        Ok(work)
    }
}
