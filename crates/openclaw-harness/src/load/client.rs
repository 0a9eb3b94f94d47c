//! Posting one rating over kept-alive connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::uri::Scheme;
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use openclaw_scenario::Context;
use rustls::ClientConfig;
use serde::Serialize;

use super::{LoadError, Outcome};

/// Answers are small; more than this is another server's.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// A pool of connections to one or more targets, used in turn.
#[derive(Debug)]
pub(super) struct Client {
    http: HyperClient<HttpConnector, Full<Bytes>>,
    /// Beside the other rather than instead of it: a load without TLS pays nothing for TLS.
    https: Option<HyperClient<HttpsConnector<HttpConnector>, Full<Bytes>>>,
    targets: Vec<Uri>,
    next: AtomicUsize,
    authorization: Option<HeaderValue>,
}

/// The body of a request.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RatingBody<'a> {
    pub(super) user_id: &'a str,
    pub(super) item_id: &'a str,
    pub(super) score: f64,
    pub(super) timestamp: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) context: Option<&'a Context>,
}

impl Client {
    /// Connections are opened as they are needed, up to the number of outstanding requests.
    pub(super) fn new(
        targets: &[String],
        token: Option<&str>,
        tls: Option<Arc<ClientConfig>>,
        connect_timeout: Duration,
    ) -> Result<Self, LoadError> {
        if targets.is_empty() {
            return Err(LoadError::NoTarget);
        }
        let targets =
            targets.iter().map(|target| target_uri(target, tls.is_some())).collect::<Result<_, _>>()?;
        let authorization = token.map(bearer).transpose()?;
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(connect_timeout));
        let https = tls.map(|tls| {
            let mut connector = connector.clone();
            connector.enforce_http(false);
            HyperClient::builder(TokioExecutor::new()).build(HttpsConnector::from((connector, tls)))
        });
        let http = HyperClient::builder(TokioExecutor::new()).build(connector);
        Ok(Self { http, https, targets, next: AtomicUsize::new(0), authorization })
    }

    /// Posts one rating and reads the whole answer.
    pub(super) async fn post(&self, rating: &RatingBody<'_>) -> Outcome {
        // Only spreads load; no other memory hangs on it.
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.targets.len();
        let body = match serde_json::to_vec(rating) {
            Ok(body) => body,
            Err(error) => return Outcome::Failed(format!("rating cannot be written: {error}")),
        };
        let mut request = Request::new(Full::from(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.targets[turn].clone();
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(authorization) = &self.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        let answer = match &self.https {
            Some(https) if request.uri().scheme() == Some(&Scheme::HTTPS) => https.request(request),
            _ => self.http.request(request),
        };
        match answer.await {
            Ok(answer) => {
                let status = answer.status();
                match drain(answer.into_body()).await {
                    Ok(()) => classify(status),
                    Err(reason) => Outcome::Failed(reason),
                }
            }
            Err(error) => Outcome::Failed(reason(&error)),
        }
    }
}

fn bearer(token: &str) -> Result<HeaderValue, LoadError> {
    let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| LoadError::Token)?;
    value.set_sensitive(true);
    Ok(value)
}

/// Reads an answer to its end, without which its connection could not be used again.
async fn drain(mut body: hyper::body::Incoming) -> Result<(), String> {
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| "answer broke off".to_owned())?;
        bytes += frame.data_ref().map_or(0, Bytes::len);
        if bytes > ANSWER_BYTES_MAX {
            return Err(format!("answer of over {ANSWER_BYTES_MAX} bytes"));
        }
    }
    Ok(())
}

fn classify(status: StatusCode) -> Outcome {
    match status {
        StatusCode::OK | StatusCode::CREATED | StatusCode::MULTI_STATUS => Outcome::Accepted,
        StatusCode::TOO_MANY_REQUESTS => Outcome::ThrottledByBucket,
        StatusCode::SERVICE_UNAVAILABLE => Outcome::ThrottledByGuard,
        other => Outcome::Failed(format!("status {}", other.as_u16())),
    }
}

/// A transport error in few words: the innermost cause, such as `Connection refused`.
fn reason(error: &hyper_util::client::legacy::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let what = if error.is_connect() { "connect" } else { "transport" };
    format!("{what}: {cause}")
}

/// `http://host:port` stands for its `/ratings`; any other path is taken as it is.
fn target_uri(target: &str, tls: bool) -> Result<Uri, LoadError> {
    let refuse = |problem: &str| LoadError::Target { target: target.to_owned(), problem: problem.to_owned() };
    let uri: Uri = target.parse().map_err(|error: http::uri::InvalidUri| refuse(&error.to_string()))?;
    match uri.scheme_str() {
        Some("http") => {}
        Some("https") if tls => {}
        Some("https") => return Err(refuse("whom to believe where it is reached by TLS is not said")),
        _ => return Err(refuse("a URL such as http://127.0.0.1:8080 is needed")),
    }
    if uri.host().is_none_or(str::is_empty) {
        return Err(refuse("the host is missing"));
    }
    if uri.path() != "/" {
        return Ok(uri);
    }
    let mut parts = uri.into_parts();
    parts.path_and_query = Some(http::uri::PathAndQuery::from_static("/ratings"));
    Uri::from_parts(parts).map_err(|error| refuse(&error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_host_stands_for_its_ratings() {
        let uri = |target: &str| target_uri(target, true).unwrap();
        assert_eq!(uri("http://127.0.0.1:8080"), "http://127.0.0.1:8080/ratings");
        assert_eq!(uri("https://localhost"), "https://localhost/ratings");
        assert_eq!(uri("http://[::1]:80/v2/rate?x=1"), "http://[::1]:80/v2/rate?x=1");
    }

    #[test]
    fn other_targets_are_refused_with_a_reason() {
        let error = |target: &str| target_uri(target, false).unwrap_err().to_string();
        assert!(error("https://a").contains("whom to believe"));
        assert!(error("127.0.0.1:8080").contains("a URL such as"));
        assert!(error("http://a b").starts_with("\"http://a b\" is no target: "));
    }

    #[test]
    fn statuses_mean_what_the_module_says() {
        let of = |status: u16| classify(StatusCode::from_u16(status).unwrap());
        assert_eq!([of(200), of(201), of(207)], [Outcome::Accepted, Outcome::Accepted, Outcome::Accepted]);
        assert_eq!((of(429), of(503)), (Outcome::ThrottledByBucket, Outcome::ThrottledByGuard));
        assert_eq!(of(502), Outcome::Failed("status 502".to_owned()));
    }
}
