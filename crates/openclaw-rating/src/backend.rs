//! The dependency that a rating waits for before it is acknowledged, where one is configured.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::uri::Scheme;
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use http_body_util::Full;
use openclaw_collector::{HttpClient, HttpError, InvalidTrust, Trust};
use openclaw_protocol::{Context, Problem, ProblemKind};

/// Processing time that the backend reports, in ms.
const WORK_MS: &str = "openclaw-work-ms";
/// Time that the backend spent in each of its own dependencies, in ms: `name=3.25;other=1`.
const DEPENDENCY_MS: &str = "openclaw-dependency-ms";
/// Ratings in a request, told to the backend.
const ITEMS: &str = "openclaw-items";
/// Circumstances of a request, told to the backend.
const CLASS: &str = "openclaw-class";
/// Dependencies that are read of one answer.
const DEPENDENCIES_MAX: usize = 16;

/// Connections to the backend that are kept.
const CONNECTIONS_KEPT_MAX: usize = 1024;
/// Longest answer that is read, in bytes; all that counts stands in its header fields.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// The name under which the backend's calls are counted.
pub const BACKEND: &str = "backend";

/// What the backend's part took.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Worked {
    /// Its processing time without waiting, where it says so.
    pub(crate) work: Option<Duration>,
    /// Time spent in each dependency, in ms. The backend is one itself where it keeps its processing time to itself.
    pub(crate) dependency_ms: Option<BTreeMap<Arc<str>, f64>>,
}

impl Worked {
    fn read(headers: &HeaderMap, took: Duration) -> Self {
        let text = |name: &str| headers.get(name)?.to_str().ok();
        let ms = |text: &str| text.trim().parse::<f64>().ok().filter(|ms| ms.is_finite() && *ms >= 0.0);
        let work = text(WORK_MS).and_then(ms).and_then(|ms| Duration::try_from_secs_f64(ms / 1e3).ok());
        let parts = text(DEPENDENCY_MS).into_iter().flat_map(|text| text.split(';')).take(DEPENDENCIES_MAX);
        let named = parts.filter_map(|part| part.rsplit_once('='));
        let mut times: BTreeMap<Arc<str>, f64> =
            named.filter_map(|(name, time)| Some((name.trim().into(), ms(time)?))).collect();
        if work.is_none() {
            times.insert(BACKEND.into(), took.as_secs_f64() * 1e3);
        }
        Self { work, dependency_ms: Some(times).filter(|times| !times.is_empty()) }
    }
}

/// A backend over HTTP.
#[derive(Clone, Debug)]
pub struct Backend {
    client: HttpClient,
    url: Uri,
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
    /// It is reached by TLS, and nobody's certificate could be believed.
    #[error(transparent)]
    Trust(#[from] InvalidTrust),
}

impl Backend {
    /// The backend at `url`, which has `timeout` to answer. Where it is reached by TLS, `trust` is believed, or the
    /// system's authorities.
    ///
    /// # Errors
    /// [`InvalidBackend`] where `url` is no http or https URL, or nobody could be trusted.
    pub fn new(url: &str, timeout: Duration, trust: Option<&Trust>) -> Result<Self, InvalidBackend> {
        let invalid = |reason: String| InvalidBackend::Url { url: url.to_owned(), reason };
        let parsed: Uri = url.parse().map_err(|error: http::uri::InvalidUri| invalid(error.to_string()))?;
        if ![Some(&Scheme::HTTP), Some(&Scheme::HTTPS)].contains(&parsed.scheme()) {
            return Err(invalid("it must begin with http:// or https://".to_owned()));
        }
        let client = HttpClient::of_url(&parsed, trust, timeout, CONNECTIONS_KEPT_MAX)?;
        Ok(Self { client, url: parsed })
    }

    /// Has the backend work on a request of `items` ratings in these circumstances. Returns what that took.
    pub(crate) async fn work(&self, items: usize, context: &Context) -> Result<Worked, Problem> {
        let began = Instant::now();
        let failed = |reason: String| {
            tracing::debug!(url = %self.url, %reason, "the backend failed");
            Problem::new(ProblemKind::DependencyFailed, format!("the backend did not do its part: {reason}"))
        };
        let mut request = Request::new(Full::default());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.url.clone();
        request.headers_mut().insert(ITEMS, HeaderValue::from(items));
        // A configured word that no header can carry leaves the header out.
        let class = HeaderValue::try_from(context.to_key()).ok().filter(|class| !class.is_empty());
        if let Some(class) = class {
            request.headers_mut().insert(CLASS, class);
        }
        let reply = self.client.send(request, ANSWER_BYTES_MAX).await.map_err(|error| {
            failed(match error {
                HttpError::Late(_) => "it took too long".to_owned(),
                HttpError::TooLong(_) => "its answer is too long".to_owned(),
                HttpError::Broken(reason) => {
                    tracing::debug!(url = %self.url, %reason, "no answer from the backend");
                    "it cannot be reached".to_owned()
                }
            })
        })?;
        if !reply.status().is_success() {
            return Err(failed(format!("it answered {}", reply.status().as_u16())));
        }
        Ok(Worked::read(reply.headers(), began.elapsed()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(headers: &[(&'static str, &'static str)]) -> Worked {
        let headers = headers
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), http::HeaderValue::from_static(value)))
            .collect();
        Worked::read(&headers, Duration::from_millis(40))
    }

    #[test]
    fn a_backend_that_tells_its_work_and_its_dependencies_is_believed() {
        let worked =
            read(&[(WORK_MS, "25.5"), (DEPENDENCY_MS, "search=3.25; odd=name=1;broken;bad=-1;worse=inf")]);
        assert_eq!(worked.work, Some(Duration::from_micros(25_500)));
        let times: Vec<_> = worked.dependency_ms.unwrap().into_iter().collect();
        assert_eq!(times, [("odd=name".into(), 1.0), ("search".into(), 3.25)]);
    }

    #[test]
    fn a_backend_that_tells_nothing_is_a_dependency_itself() {
        for headers in [&[][..], &[(WORK_MS, "fast")], &[(WORK_MS, "NaN")]] {
            let worked = read(headers);
            assert_eq!(worked.work, None);
            assert_eq!(worked.dependency_ms.unwrap()[BACKEND], 40.0);
        }
        assert_eq!(read(&[(WORK_MS, "1")]).dependency_ms, None);
    }
}
