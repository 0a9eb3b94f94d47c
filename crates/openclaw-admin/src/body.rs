//! Request bodies, read within bounds: so many bytes, so much time, and of a kind that the route reads.
//!
//! axum's extractors bound the size but not the time, and answer in plain text.

use std::fmt::Display;
use std::pin::pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use http_body::Body;
use http_body_util::BodyExt;
use openclaw_protocol::ProblemKind;

use crate::reply::ProblemReply;

/// Capacity reserved at once for a body whose length was announced; the rest is taken as it arrives, so
/// that an announcement alone costs no memory.
const RESERVED_BYTES_MAX: u64 = 64 * 1024;

/// Reads a whole body of at most `bytes_max` bytes that arrives within `timeout`.
///
/// A body in one piece, the usual case, is handed on without a copy.
///
/// # Errors
/// 413 where the body is longer (at once where `Content-Length` says so), 408 where it is not there in time,
/// 400 where the connection breaks off or its framing is wrong.
pub async fn read_body<B>(body: B, bytes_max: usize, timeout: Duration) -> Result<Bytes, ProblemReply>
where
    B: Body<Data = Bytes>,
    B::Error: Display,
{
    let announced = body.size_hint().lower();
    if announced > bytes_max as u64 {
        return Err(too_large(bytes_max));
    }
    tokio::time::timeout(timeout, collect(body, announced, bytes_max)).await.unwrap_or_else(|_elapsed| {
        Err(ProblemReply::new(
            ProblemKind::BodyTimeout,
            format!("the body was not there within {timeout:?}; send it faster or in smaller requests"),
        ))
    })
}

async fn collect<B>(body: B, announced: u64, bytes_max: usize) -> Result<Bytes, ProblemReply>
where
    B: Body<Data = Bytes>,
    B::Error: Display,
{
    let mut body = pin!(body);
    let Some(first) = next_data(&mut body).await? else {
        return Ok(Bytes::new());
    };
    if first.len() > bytes_max {
        return Err(too_large(bytes_max));
    }
    if body.is_end_stream() {
        return Ok(first);
    }
    let reserved = usize::try_from(announced.min(RESERVED_BYTES_MAX)).unwrap_or(0);
    let mut whole = BytesMut::with_capacity(reserved.max(first.len()));
    whole.extend_from_slice(&first);
    while let Some(data) = next_data(&mut body).await? {
        if whole.len() + data.len() > bytes_max {
            return Err(too_large(bytes_max));
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}

/// The next piece of data, past any trailers.
async fn next_data<B>(body: &mut std::pin::Pin<&mut B>) -> Result<Option<Bytes>, ProblemReply>
where
    B: Body<Data = Bytes>,
    B::Error: Display,
{
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
            Err(error) => {
                return Err(ProblemReply::new(
                    ProblemKind::MalformedBody,
                    format!("the body broke off before its end: {error}"),
                ));
            }
        }
    }
    Ok(None)
}

fn too_large(bytes_max: usize) -> ProblemReply {
    ProblemReply::new(
        ProblemKind::BodyTooLarge,
        format!("the body is longer than the {bytes_max} bytes that this service reads; split it"),
    )
}

/// Which of the `accepted` media types the request's `Content-Type` names; `None` where it names none at
/// all, which the route may take as its default.
///
/// Parameters are ignored, except a charset other than UTF-8: its text would be misread.
///
/// # Errors
/// 415 with the `accepted` types in the detail and in `Accept` (RFC 9110, section 15.5.16).
pub fn content_type(
    headers: &HeaderMap,
    accepted: &[&'static str],
) -> Result<Option<&'static str>, ProblemReply> {
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return Ok(None);
    };
    let sent = String::from_utf8_lossy(value.as_bytes());
    let mut parts = sent.split(';');
    let essence = parts.next().unwrap_or_default().trim();
    let Some(found) = accepted.iter().find(|known| known.eq_ignore_ascii_case(essence)) else {
        return Err(unsupported(&format!("bodies of type {} are not read here", shown(essence)), accepted));
    };
    for (name, value) in parts.filter_map(|parameter| parameter.trim().split_once('=')) {
        let charset = value.trim_matches('"');
        if name.eq_ignore_ascii_case("charset") && !is_utf8(charset) {
            return Err(unsupported(
                &format!("charset {} is not read here, only utf-8", shown(charset)),
                accepted,
            ));
        }
    }
    Ok(Some(found))
}

fn is_utf8(charset: &str) -> bool {
    ["utf-8", "utf8", "us-ascii"].iter().any(|known| known.eq_ignore_ascii_case(charset))
}

/// What a client sent, as its own answer may repeat it: quoted and bounded.
fn shown(text: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 60;
    format!("{:?}", text.chars().take(SHOWN_CHARS_MAX).collect::<String>())
}

fn unsupported(what: &str, accepted: &[&'static str]) -> ProblemReply {
    let list = accepted.join(", ");
    let reply = ProblemReply::new(
        ProblemKind::UnsupportedMediaType,
        format!("{what}; set Content-Type to one of: {list}"),
    );
    match HeaderValue::from_str(&list) {
        Ok(value) => reply.header(ACCEPT, value),
        Err(_) => reply,
    }
}

#[cfg(test)]
mod tests;
