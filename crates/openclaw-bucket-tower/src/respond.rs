//! What a refused request is answered with.

use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use openclaw_bucket::{Limited, fields};

/// Why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Refusal {
    /// A bucket lacks the tokens.
    Limited(Limited),
    /// It has no key, and [`Unkeyed::Refuse`](crate::Unkeyed::Refuse) is set.
    Unkeyed,
}

/// Makes the response to a refused request. `RateLimit` and `RateLimit-Policy` are added afterwards.
pub trait Respond<B> {
    /// The response.
    fn respond(&self, refusal: &Refusal) -> Response<B>;
}

/// Any closure will do.
impl<B, F> Respond<B> for F
where
    F: Fn(&Refusal) -> Response<B>,
{
    fn respond(&self, refusal: &Refusal) -> Response<B> {
        self(refusal)
    }
}

/// 429 with `Retry-After` and a problem document (RFC 9457); 401 where there is no key.
#[derive(Clone, Copy, Debug, Default)]
pub struct Problem;

impl<B: From<String>> Respond<B> for Problem {
    fn respond(&self, refusal: &Refusal) -> Response<B> {
        let (status, title, detail) = match refusal {
            Refusal::Limited(limited) => {
                (StatusCode::TOO_MANY_REQUESTS, "Too many requests", limited_detail(limited))
            }
            Refusal::Unkeyed => (
                StatusCode::UNAUTHORIZED,
                "Who is asking?",
                "the request does not say whose limit it counts against".to_owned(),
            ),
        };
        // All three texts are made of plain letters and digits: nothing to escape.
        let code = status.as_u16();
        let body =
            format!(r#"{{"type":"about:blank","title":"{title}","status":{code},"detail":"{detail}"}}"#);
        let mut response = Response::new(B::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = retry_after(refusal) {
            headers.insert(RETRY_AFTER, seconds);
        }
        response
    }
}

/// `RESOURCE_EXHAUSTED` (or `UNAUTHENTICATED`) as a gRPC response without messages.
///
/// Its metadata say when to come back: `grpc-retry-pushback-ms`, which clients with a retry policy heed (gRFC A6;
/// negative where no wait helps), and `retry-after` in seconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Grpc;

impl<B: Default> Respond<B> for Grpc {
    fn respond(&self, refusal: &Refusal) -> Response<B> {
        let (status, message) = match refusal {
            Refusal::Limited(limited) => ("8", limited_detail(limited)),
            Refusal::Unkeyed => ("16", "the call does not say whose limit it counts against".to_owned()),
        };
        let mut response = Response::new(B::default());
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert("grpc-status", HeaderValue::from_static(status));
        if let Ok(message) = HeaderValue::try_from(message) {
            headers.insert("grpc-message", message);
        }
        if let Refusal::Limited(limited) = refusal {
            headers.insert("grpc-retry-pushback-ms", retry_pushback_ms(limited));
        }
        if let Some(seconds) = retry_after(refusal) {
            headers.insert(RETRY_AFTER, seconds);
        }
        response
    }
}

/// The wait in whole milliseconds, rounded up; -1, which means "do not retry", where it never ends or is longer than
/// the 32 bits that clients read it into.
fn retry_pushback_ms(limited: &Limited) -> HeaderValue {
    let wait_ms = limited.retry_after.map(|wait| wait.as_nanos().div_ceil(1_000_000));
    HeaderValue::from(wait_ms.and_then(|ms| i32::try_from(ms).ok()).unwrap_or(-1))
}

fn limited_detail(limited: &Limited) -> String {
    match limited.retry_after {
        Some(wait) => format!("the rate limit is reached, retry after {} s", fields::retry_after_s(wait)),
        None => "the rate limit does not allow this request at any time".to_owned(),
    }
}

fn retry_after(refusal: &Refusal) -> Option<HeaderValue> {
    let Refusal::Limited(Limited { retry_after: Some(wait), .. }) = refusal else { return None };
    Some(HeaderValue::from(fields::retry_after_s(*wait)))
}
