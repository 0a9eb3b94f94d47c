//! Posting to the edge: one request at a time, each bounded in time and in the length of its answer.
//!
//! A batch that fails is not the end of its events: they wait, up to the bound, and go with the next one.
//! Counters are cumulative, so nothing needs to be sent twice for their sake. An event whose answer is lost is
//! sent again: the edge may see it twice, but never not at all.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, DATE, RETRY_AFTER};
use http::{HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::Full;
use openclaw_protocol::{BatchAnswer, EventBatch, PolicyAnswer, RatingEvent};

use crate::http_client::{HttpClient, HttpError};
use crate::settings::EdgeTarget;
use crate::trust::InvalidTrust;

/// Longest answer that is read, in bytes: so much in any case, which the overrides of ten thousand users fit in, and for
/// each user or event it was asked about what the longest id, written with escapes, or the reason for a rejection may
/// take.
const ANSWER_BYTES_BASE: usize = 8 << 20;
const ANSWER_BYTES_EACH: usize = 2 << 10;
/// How much of what the edge wrote is shown to people, in characters.
const SHOWN_CHARS_MAX: usize = 200;
/// Connections to the edge that are kept.
const CONNECTIONS_KEPT_MAX: usize = 4;
/// How often an edge that knows no batches is asked again.
const BATCHES_AGAIN_NS: u64 = 60_000_000_000;

/// Why a batch did not arrive.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// No connection, or it broke.
    #[error("the edge at {url} cannot be reached: {reason}")]
    Unreachable {
        /// Where.
        url: String,
        /// What the transport said.
        reason: String,
    },
    /// The edge answered, but not with success.
    #[error("the edge at {url} answered {status}: {detail}")]
    Refused {
        /// Where.
        url: String,
        /// HTTP status.
        status: u16,
        /// The beginning of its answer.
        detail: String,
        /// How long it asked to be left alone.
        retry_after: Option<Duration>,
    },
    /// The edge's answer is not what the contract says.
    #[error("the edge at {url} answered with something else than policies: {reason}")]
    Unreadable {
        /// Where.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl DeliveryError {
    fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Refused { status, .. } => StatusCode::from_u16(*status).ok(),
            Self::Unreachable { .. } | Self::Unreadable { .. } => None,
        }
    }

    /// How long the edge asked to be left alone.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            Self::Unreachable { .. } | Self::Unreadable { .. } => None,
        }
    }

    /// Whether what was posted is too long for the edge.
    pub(crate) fn is_too_large(&self) -> bool {
        self.status() == Some(StatusCode::PAYLOAD_TOO_LARGE)
    }

    /// Whether the edge will never take what was posted: to send it again would hold up all that follows.
    pub(crate) fn is_final(&self) -> bool {
        let never =
            [StatusCode::BAD_REQUEST, StatusCode::PAYLOAD_TOO_LARGE, StatusCode::UNPROCESSABLE_ENTITY];
        self.status().is_some_and(|status| never.contains(&status))
    }
}

/// Posts to one edge.
#[derive(Debug)]
pub(crate) struct Delivery {
    client: HttpClient,
    target: EdgeTarget,
    authorization: Option<HeaderValue>,
    singles_only: AtomicBool,
    singles_since_ns: AtomicU64,
}

impl Delivery {
    /// # Errors
    /// [`InvalidTrust`] where the edge is reached by TLS and nobody could be believed.
    pub(crate) fn new(target: EdgeTarget) -> Result<Self, InvalidTrust> {
        let trust = target.trust.as_ref();
        let client = HttpClient::of_url(&target.event_url, trust, target.timeout, CONNECTIONS_KEPT_MAX)?;
        let singles_only = AtomicBool::new(target.batch_url.is_none());
        let authorization = target.token.as_deref().and_then(bearer);
        Ok(Self { client, target, authorization, singles_only, singles_since_ns: AtomicU64::new(0) })
    }

    /// Where events go, for people.
    pub(crate) fn url(&self) -> String {
        self.target.batch_url.as_ref().unwrap_or(&self.target.event_url).to_string()
    }

    /// Posts a batch. `Ok(None)` means that this edge takes single events only.
    pub(crate) async fn post_batch(
        &self,
        batch: &EventBatch,
        now_ns: u64,
    ) -> Result<Option<BatchAnswer>, DeliveryError> {
        let Some(url) = &self.target.batch_url else { return Ok(None) };
        let since_ns = now_ns.saturating_sub(self.singles_since_ns.load(Relaxed));
        if self.singles_only.load(Relaxed) && since_ns < BATCHES_AGAIN_NS {
            return Ok(None);
        }
        let body = serde_json::to_vec(batch).map_err(|error| unreadable(url, &error))?;
        let answer_bytes_max =
            ANSWER_BYTES_BASE + ANSWER_BYTES_EACH * (batch.users.len() + batch.events.len());
        let answer = self.post(url, body, answer_bytes_max).await?;
        if answer.status() == StatusCode::NOT_FOUND {
            if !self.singles_only.swap(true, Relaxed) {
                tracing::info!(%url, "the edge knows no batches; sending single events");
            }
            self.singles_since_ns.store(now_ns, Relaxed);
            return Ok(None);
        }
        let answer = accepted(url, &answer)?;
        let answer = serde_json::from_slice(answer).map_err(|error| unreadable(url, &error))?;
        self.singles_only.store(false, Relaxed);
        Ok(Some(answer))
    }

    /// Posts one event.
    pub(crate) async fn post_single(&self, event: &RatingEvent) -> Result<PolicyAnswer, DeliveryError> {
        let url = &self.target.event_url;
        let body = serde_json::to_vec(event).map_err(|error| unreadable(url, &error))?;
        let answer = self.post(url, body, ANSWER_BYTES_BASE).await?;
        serde_json::from_slice(accepted(url, &answer)?).map_err(|error| unreadable(url, &error))
    }

    async fn post(
        &self,
        url: &Uri,
        body: Vec<u8>,
        answer_bytes_max: usize,
    ) -> Result<Response<Bytes>, DeliveryError> {
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = url.clone();
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(authorization) = &self.authorization {
            request.headers_mut().insert(AUTHORIZATION, authorization.clone());
        }
        self.client.send(request, answer_bytes_max).await.map_err(|error| match error {
            HttpError::TooLong(_) => unreadable(url, &error),
            HttpError::Late(_) | HttpError::Broken(_) => {
                DeliveryError::Unreachable { url: url.to_string(), reason: shown(&error.to_string()) }
            }
        })
    }
}

/// What `Authorization` says; `None` for a token that no header field can carry, which no edge could know either.
fn bearer(token: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(format!("Bearer {token}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn accepted<'a>(url: &Uri, answer: &'a Response<Bytes>) -> Result<&'a [u8], DeliveryError> {
    let (status, body) = (answer.status(), answer.body());
    if status.is_success() {
        return Ok(body);
    }
    // A character has at most four bytes: the rest of a long answer need not even be looked at.
    let beginning = &body[..body.len().min(4 * SHOWN_CHARS_MAX)];
    let detail = match shown(&String::from_utf8_lossy(beginning)) {
        empty if empty.trim().is_empty() => "no reason given".to_owned(),
        detail => detail,
    };
    let retry_after = retry_after(answer);
    Err(DeliveryError::Refused { url: url.to_string(), status: status.as_u16(), detail, retry_after })
}

/// How long an answer asks to be left alone, with the statuses that mean it (RFC 9110, section 10.2.3).
fn retry_after(answer: &Response<Bytes>) -> Option<Duration> {
    if ![StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE].contains(&answer.status()) {
        return None;
    }
    let text = |name| answer.headers().get(name)?.to_str().ok();
    retry_after_field(text(RETRY_AFTER)?, text(DATE))
}

/// `Retry-After` in seconds, or as a date, which is compared with the answer's own: this machine's clock may be another.
pub(crate) fn retry_after_field(field: &str, date: Option<&str>) -> Option<Duration> {
    let field = field.trim();
    if field.bytes().all(|byte| byte.is_ascii_digit()) && !field.is_empty() {
        // What no number can hold is longer than any bound.
        return Some(Duration::from_secs(field.parse().unwrap_or(u64::MAX)));
    }
    let (until, made) = (httpdate::parse_http_date(field).ok()?, httpdate::parse_http_date(date?).ok()?);
    Some(until.duration_since(made).unwrap_or_default())
}

fn unreadable(url: &Uri, reason: &dyn std::fmt::Display) -> DeliveryError {
    DeliveryError::Unreadable { url: url.to_string(), reason: shown(&reason.to_string()) }
}

/// The beginning of a text that the edge wrote, or that quotes it.
pub(crate) fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_without_a_reason_is_told_as_one() {
        let url = Uri::from_static("http://edge/api/v1/events");
        for (body, told) in [("", "answered 404: no reason given"), ("not here", "answered 404: not here")] {
            let answer = Response::builder().status(404).body(Bytes::from(body)).unwrap();
            assert!(accepted(&url, &answer).unwrap_err().to_string().ends_with(told));
        }
    }
}
