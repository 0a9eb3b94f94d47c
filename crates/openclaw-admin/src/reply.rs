//! Failures as HTTP replies: every one of them is a problem document.
//!
//! axum's own rejections are plain text, which would give clients two kinds of error to parse; services
//! therefore return [`ProblemReply`] from handlers and install [`with_problem_fallbacks`] on their routers.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use openclaw_protocol::{PROBLEM_JSON, Problem, ProblemKind};
use serde::Serialize;

/// A [`Problem`] with the header fields that go with it.
#[derive(Clone, Debug)]
pub struct ProblemReply {
    problem: Problem,
    /// Boxed because most problems have none, and handlers carry this type in every `Result`.
    headers: Option<Box<HeaderMap>>,
}

impl ProblemReply {
    /// A problem of `kind` with its usual status.
    #[must_use]
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Problem::new(kind, detail).into()
    }

    /// Adds `Retry-After` in whole seconds, rounded up and at least one: a client told to wait zero seconds
    /// would come straight back.
    #[must_use]
    pub fn retry_after(self, wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        self.header(RETRY_AFTER, HeaderValue::from(seconds.max(1)))
    }

    /// Adds one header field; several of the same name are all sent.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.get_or_insert_default().append(name, value);
        self
    }

    /// The problem itself, for instance to place it in a batch's answer.
    #[must_use]
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    /// The problem itself, without the header fields.
    #[must_use]
    pub fn into_problem(self) -> Problem {
        self.problem
    }
}

impl From<Problem> for ProblemReply {
    fn from(problem: Problem) -> Self {
        Self { problem, headers: None }
    }
}

/// A path that cannot be read, for instance because it is not UTF-8 once decoded.
impl From<PathRejection> for ProblemReply {
    fn from(rejection: PathRejection) -> Self {
        Self::new(ProblemKind::InvalidField, format!("the path cannot be read: {}", rejection.body_text()))
    }
}

/// A query that cannot be read, for instance words where a number belongs.
impl From<QueryRejection> for ProblemReply {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(ProblemKind::InvalidField, format!("the query cannot be read: {}", rejection.body_text()))
    }
}

/// `value` as a JSON reply.
#[must_use]
pub fn json_reply<T: Serialize>(status: StatusCode, value: &T) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => {
            let mut response = Response::new(Body::from(body));
            *response.status_mut() = status;
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        }
        Err(error) => {
            tracing::error!(%error, "an answer could not be written as JSON");
            ProblemReply::new(ProblemKind::Internal, "the answer could not be written").into_response()
        }
    }
}

impl IntoResponse for ProblemReply {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.problem.to_json()));
        *response.status_mut() =
            StatusCode::from_u16(self.problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if let Some(headers) = self.headers {
            *response.headers_mut() = *headers;
        }
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        response
    }
}

/// Answers unknown paths with 404 and known paths under a wrong method with 405 (and `Allow`), as problem
/// documents.
///
/// Call it after all routes are added: axum gives the 405 answer only to routes that exist by then.
pub fn with_problem_fallbacks<S>(router: Router<S>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    router.fallback(not_found).method_not_allowed_fallback(method_not_allowed)
}

async fn not_found(method: Method, uri: Uri) -> ProblemReply {
    ProblemReply::new(ProblemKind::NotFound, format!("nothing answers {method} {}", shown_path(&uri)))
}

async fn method_not_allowed(method: Method, uri: Uri) -> ProblemReply {
    let path = shown_path(&uri);
    ProblemReply::new(
        ProblemKind::MethodNotAllowed,
        format!("{path} does not answer {method}; the Allow header field lists the methods that it does"),
    )
}

/// The path as a problem may repeat it: bounded, so that an answer is never as long as what was asked.
fn shown_path(uri: &Uri) -> &str {
    const SHOWN_BYTES_MAX: usize = 200;
    // A URI's path is ASCII (http::Uri refuses anything else), so any byte is a character boundary.
    uri.path().get(..SHOWN_BYTES_MAX).unwrap_or(uri.path())
}

/// Runs `handler`, and answers its panic with a 500 problem.
///
/// [`listen::serve`](crate::listen::serve) puts every request through this: a bug in one handler costs one
/// request and a counter, not the connection or the process. Done here rather than as an axum layer
/// because a layer boxes each request's future once more.
pub async fn catch_panic<F>(handler: F) -> Response
where
    F: Future<Output = Response>,
{
    let mut handler = pin!(handler);
    // What the handler shared may be left half-changed. Locks of `parking_lot` do not poison, so a later
    // request sees that state; the counter and the log line are there to make it noticed.
    std::future::poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| handler.as_mut().poll(context))) {
        Ok(poll) => poll,
        Err(panic) => Poll::Ready(answer_panic(panic.as_ref())),
    })
    .await
}

fn answer_panic(panic: &(dyn Any + Send)) -> Response {
    let message = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&'static str>().copied())
        .unwrap_or("no message");
    tracing::error!(message, "a request handler panicked: this is a bug, please report it");
    metrics::counter!(crate::listen::PANICS_TOTAL).increment(1);
    // The message may quote what another client sent: it goes to the log and not to the caller.
    ProblemReply::new(ProblemKind::Internal, "the service failed to answer this request; its log says why")
        .into_response()
}

#[cfg(test)]
mod tests;
