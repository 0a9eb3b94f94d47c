//! Requests to services nearby, by HTTP or by TLS: bounded in time and in the length of the answer, and with reasons
//! that say what to do when they fail.
//!
//! hyper's own client rather than reqwest: redirects, proxies, cookies and content codings have no place between these
//! services, and its TLS would bring a platform verifier for telephones and a provider that must be installed for the
//! whole process.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use http::uri::Scheme;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::tls_fault;
use crate::trust::{InvalidTrust, Trust};

/// How long a connection is kept for reuse: below what most services close idle connections after.
const POOL_IDLE: Duration = Duration::from_secs(30);

/// A client with connections that are kept. Clones share them.
#[derive(Clone, Debug)]
pub struct HttpClient {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    timeout: Duration,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// It took too long.
    #[error("no answer within {} ms", .0.as_millis())]
    Late(Duration),
    /// It is longer than what would be read.
    #[error("it is longer than {0} bytes")]
    TooLong(usize),
    /// No connection, or it broke, or it is not to be trusted.
    #[error("{0}")]
    Broken(String),
}

impl HttpClient {
    /// A client that gives every request `timeout`, keeps so many connections to a host, and believes whom `trust`
    /// says.
    #[must_use]
    pub fn new(timeout: Duration, connections_kept_max: usize, trust: &Trust) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.enforce_http(false);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE)
            .pool_max_idle_per_host(connections_kept_max)
            .build(HttpsConnector::from((connector, trust.client_config())));
        Self { client, timeout }
    }

    /// A client for the host of `url`: where that is reached by TLS, and `trust` is left out, it believes the system's
    /// authorities.
    ///
    /// # Errors
    /// [`InvalidTrust`] where that leaves nobody to believe.
    pub fn of_url(
        url: &Uri,
        trust: Option<&Trust>,
        timeout: Duration,
        connections_kept_max: usize,
    ) -> Result<Self, InvalidTrust> {
        let trust = match trust {
            Some(trust) => trust.clone(),
            None if url.scheme() == Some(&Scheme::HTTPS) => Trust::system(None)?,
            None => Trust::nobody()?,
        };
        Ok(Self::new(timeout, connections_kept_max, &trust))
    }

    /// Sends a request whose URI is absolute, and reads the whole answer, `answer_bytes_max` at most.
    ///
    /// # Errors
    /// [`HttpError`]; an answer of any status is none.
    pub async fn send(
        &self,
        request: Request<Full<Bytes>>,
        answer_bytes_max: usize,
    ) -> Result<Response<Bytes>, HttpError> {
        let url = request.uri().clone();
        let exchange = async {
            let response = self.client.request(request).await.map_err(|error| broken(&error, &url))?;
            let (head, body) = response.into_parts();
            match Limited::new(body, answer_bytes_max).collect().await {
                Ok(body) => Ok(Response::from_parts(head, body.to_bytes())),
                Err(error) if error.is::<LengthLimitError>() => Err(HttpError::TooLong(answer_bytes_max)),
                Err(error) => Err(broken(error.as_ref(), &url)),
            }
        };
        tokio::time::timeout(self.timeout, exchange).await.map_err(|_| HttpError::Late(self.timeout))?
    }
}

fn broken(error: &(dyn Error + 'static), url: &Uri) -> HttpError {
    let reason = tls_fault::explained(error, url.host().unwrap_or_default());
    HttpError::Broken(reason.unwrap_or_else(|| innermost(error)))
}

/// The last source of an error is the one that says what happened ("connection refused").
fn innermost(error: &dyn Error) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}
