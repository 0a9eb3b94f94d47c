//! The service behind: a pool of connections, a bound on exchanges, and what a failure means.

use std::error::Error;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use http::uri::{Authority, Scheme};
use http::{HeaderValue, Method, Request, Response, Uri, Version};
use hyper::body::Incoming;
use hyper_util::client::legacy::{Client, ResponseFuture};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use openclaw_collector::{Trust, tls_fault_explained};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::client_body::{ClientBody, ClientFault, Upload};
use crate::connector::Connector;
use crate::settings::UpstreamSettings;

/// A service that answers.
#[derive(Clone)]
pub(crate) struct Upstream {
    client: Client<Connector, ClientBody>,
    scheme: Scheme,
    authority: Authority,
    pub(crate) host: HeaderValue,
    pub(crate) settings: UpstreamSettings,
    places: Arc<Semaphore>,
    /// Whether TLS failed the last time that a connection was made: its reason is logged once.
    tls_fails: Arc<AtomicBool>,
}

/// Why an upstream cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the upstream {url:?} is not usable: {reason}; it looks like http://127.0.0.1:9000")]
pub struct InvalidUpstream {
    url: String,
    reason: String,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UpstreamFailure {
    /// The request's target is none that a service could be asked for.
    Target,
    /// As many exchanges as may be are going on.
    Full,
    /// No connection could be made.
    Unreachable,
    /// No connection that could be trusted.
    Untrusted,
    /// A connection took too long to be made.
    ConnectTimeout,
    /// The head of the answer did not come in time.
    HeadTimeout,
    /// The connection broke, or what came is no HTTP.
    Broken,
    /// The client's fault.
    Client(ClientFault),
}

impl Upstream {
    /// The service at `url`.
    ///
    /// # Errors
    /// [`InvalidUpstream`] where `url` is not `http://HOST[:PORT]` or `https://HOST[:PORT]`, or nobody could be trusted.
    pub(crate) fn new(url: &Uri, settings: &UpstreamSettings) -> Result<Self, InvalidUpstream> {
        let (scheme, authority, host) = host_of(url)?;
        let trust = match &settings.trust {
            Some(trust) => Ok(trust.clone()),
            None if scheme == Scheme::HTTPS => Trust::system(None),
            None => Trust::nobody(),
        };
        let trust =
            trust.map_err(|error| InvalidUpstream { url: url.to_string(), reason: error.to_string() })?;
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(settings.pool_idle)
            .pool_max_idle_per_host(settings.pool_max)
            .http2_only(settings.http2)
            .set_host(false)
            .build(Connector::new(&trust, settings.http2, settings.connect_timeout));
        let places = Arc::new(Semaphore::new(settings.requests_max.min(Semaphore::MAX_PERMITS)));
        let tls_fails = Arc::new(AtomicBool::new(false));
        Ok(Self { client, scheme, authority, host, settings: settings.clone(), places, tls_fails })
    }

    /// Exchanges going on.
    pub(crate) fn in_progress(&self) -> usize {
        self.settings.requests_max.saturating_sub(self.places.available_permits())
    }

    /// The target of a request as this service is asked.
    pub(crate) fn target(&self, uri: &Uri) -> Result<Uri, http::Error> {
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(path)
            .build()
    }

    /// Sends a request and waits for the head of its answer. The place is held until the permit is dropped.
    pub(crate) async fn send(
        &self,
        request: Request<ClientBody>,
    ) -> Result<(Response<Incoming>, OwnedSemaphorePermit), UpstreamFailure> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| UpstreamFailure::Full)?;
        let upload = request.body().upload();
        let again = if upload.is_none() && is_idempotent(request.method()) { copy(&request) } else { None };
        let mut sent = self.head(self.client.request(request), upload.as_deref()).await;
        // A kept connection may have been closed by the service as the request was on its way.
        if let (Err(UpstreamFailure::Broken), Some(again)) = (&sent, again) {
            tracing::debug!("the connection broke; an idempotent request is sent once more");
            sent = self.head(self.client.request(again), None).await;
        }
        Ok((sent?, place))
    }

    /// Waits for the head of an answer, as long as it may take.
    async fn head(
        &self,
        response: ResponseFuture,
        upload: Option<&Upload>,
    ) -> Result<Response<Incoming>, UpstreamFailure> {
        let mut response = pin!(response);
        let mut wait = self.settings.head_timeout;
        loop {
            match tokio::time::timeout(wait, response.as_mut()).await {
                Ok(Ok(response)) => {
                    if self.tls_fails.load(Relaxed) {
                        self.tls_fails.store(false, Relaxed);
                    }
                    return Ok(response);
                }
                Ok(Err(error)) => {
                    let fault = upload.and_then(Upload::fault).map(UpstreamFailure::Client);
                    let failure = fault.unwrap_or_else(|| self.failure(&error));
                    tracing::debug!(%error, cause = error.source().map(ToString::to_string), ?failure, "no answer");
                    return Err(failure);
                }
                Err(_) => {
                    // While the service is still being fed, it is not late.
                    let silent = upload.map_or(Duration::MAX, Upload::since_moved);
                    wait = self.settings.head_timeout.saturating_sub(silent);
                    if wait.is_zero() {
                        return Err(UpstreamFailure::HeadTimeout);
                    }
                }
            }
        }
    }

    fn failure(&self, error: &hyper_util::client::legacy::Error) -> UpstreamFailure {
        let untrusted = tls_fault_explained(error, self.authority.host()).filter(|_| error.is_connect());
        if let Some(reason) = untrusted {
            if !self.tls_fails.swap(true, Relaxed) {
                tracing::warn!(service = %self.authority, %reason, "the service behind cannot be trusted");
            }
            return UpstreamFailure::Untrusted;
        }
        let mut causes = std::iter::successors(error.source(), |&error| error.source());
        let timed_out = causes.any(|cause| {
            cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
        });
        match (error.is_connect(), timed_out) {
            (true, true) => UpstreamFailure::ConnectTimeout,
            (true, false) => UpstreamFailure::Unreachable,
            (false, _) => UpstreamFailure::Broken,
        }
    }
}

/// Whether `url` can be an upstream.
///
/// # Errors
/// [`InvalidUpstream`] where it is not `http://HOST[:PORT]` or `https://HOST[:PORT]`.
pub fn check_upstream(url: &Uri) -> Result<(), InvalidUpstream> {
    host_of(url).map(|_| ())
}

fn host_of(url: &Uri) -> Result<(Scheme, Authority, HeaderValue), InvalidUpstream> {
    let invalid = |reason: &str| {
        // A password must not be shown.
        let shown = url.authority().is_none_or(|authority| !authority.as_str().contains('@'));
        InvalidUpstream {
            url: if shown { url.to_string() } else { "http://...@...".to_owned() },
            reason: reason.to_owned(),
        }
    };
    let scheme = url.scheme().filter(|scheme| [&Scheme::HTTP, &Scheme::HTTPS].contains(scheme));
    let scheme = scheme.ok_or_else(|| invalid("it must begin with http:// or https://"))?;
    let authority = url.authority().ok_or_else(|| invalid("it names no host"))?;
    if authority.as_str().contains('@') {
        return Err(invalid("a name or password cannot stand in it"));
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() {
        return Err(invalid("paths are passed on as they come, so it must have none"));
    }
    let host = HeaderValue::from_str(authority.as_str()).map_err(|_| invalid("its host is no host"))?;
    Ok((scheme.clone(), authority.clone(), host))
}

/// RFC 9110, section 9.2.2.
fn is_idempotent(method: &Method) -> bool {
    [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE, Method::PUT, Method::DELETE].contains(method)
}

/// The same request without a body. An upgrade is not asked for twice.
fn copy(request: &Request<ClientBody>) -> Option<Request<ClientBody>> {
    if request.headers().contains_key(http::header::UPGRADE) {
        return None;
    }
    let mut copy = Request::new(ClientBody::default());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = Version::HTTP_11;
    *copy.headers_mut() = request.headers().clone();
    Some(copy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_service_to_proxy_to_is_refused_with_an_example() {
        for (url, reason) in [
            ("ftp://127.0.0.1:9000", "https://"),
            ("/", "http://"),
            ("http://ann:secret@127.0.0.1", "password"),
            ("http://127.0.0.1:9000/api", "paths are passed on"),
        ] {
            let url: Uri = url.parse().unwrap();
            let said = Upstream::new(&url, &UpstreamSettings::default()).err().unwrap().to_string();
            assert!(said.contains(reason) && said.contains("it looks like"), "{url}: {said}");
        }
    }

    #[test]
    fn only_what_may_be_repeated_is() {
        assert!(is_idempotent(&Method::GET) && is_idempotent(&Method::DELETE));
        assert!(!is_idempotent(&Method::POST) && !is_idempotent(&Method::PATCH));
    }
}
