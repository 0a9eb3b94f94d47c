//! Bodies within and beyond their bounds.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::response::IntoResponse;
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{Empty, Full};
use proptest::prelude::*;

use super::{content_type, read_body};

const TIMEOUT: Duration = Duration::from_secs(10);
const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";

/// A body that comes in pieces, and then ends, breaks off or stays open.
struct Pieces {
    pieces: VecDeque<&'static [u8]>,
    end: End,
}

#[derive(Clone, Copy, PartialEq)]
enum End {
    Trailers,
    BreaksOff,
    Never,
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match (self.pieces.pop_front(), self.end) {
            (Some(piece), _) => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(piece))))),
            (None, End::BreaksOff) => Poll::Ready(Some(Err("connection reset"))),
            (None, End::Never) => Poll::Pending,
            (None, End::Trailers) => Poll::Ready(None),
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

fn pieces(pieces: &[&'static [u8]], end: End) -> Pieces {
    Pieces { pieces: pieces.iter().copied().collect(), end }
}

async fn refusal<B: Body<Data = Bytes>>(body: B, bytes_max: usize) -> (u16, String)
where
    B::Error: std::fmt::Display,
{
    let problem = read_body(body, bytes_max, TIMEOUT).await.unwrap_err().into_problem();
    (problem.status, problem.detail)
}

#[tokio::test]
async fn a_body_in_one_piece_is_not_copied() {
    let sent = Bytes::from_static(b"0123456789");
    let read = read_body(Full::new(sent.clone()), 10, TIMEOUT).await.unwrap();
    assert_eq!(read.as_ptr(), sent.as_ptr());
}

#[tokio::test]
async fn pieces_are_joined_and_no_body_is_an_empty_one() {
    let joined = read_body(pieces(&[b"01", b"", b"234"], End::Trailers), 5, TIMEOUT).await.unwrap();
    assert_eq!(joined, "01234");
    assert_eq!(read_body(Empty::<Bytes>::new(), 0, TIMEOUT).await.unwrap(), "");
}

#[tokio::test]
async fn one_byte_too_many_is_refused_however_it_comes() {
    let expected = (413, "the body is longer than the 4 bytes that this service reads; split it".to_owned());
    assert_eq!(refusal(Full::new(Bytes::from_static(b"01234")), 4).await, expected);
    assert_eq!(refusal(pieces(&[b"01234"], End::Never), 4).await, expected);
    assert_eq!(refusal(pieces(&[b"01", b"234"], End::Never), 4).await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_ends_is_given_up() {
    assert_eq!(
        refusal(pieces(&[b"01"], End::Never), 100).await,
        (408, "the body was not there within 10s; send it faster or in smaller requests".to_owned())
    );
}

#[tokio::test]
async fn a_body_that_breaks_off_is_malformed() {
    assert_eq!(
        refusal(pieces(&[b"01"], End::BreaksOff), 100).await,
        (400, "the body broke off before its end: connection reset".to_owned())
    );
}

fn typed(value: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(value))])
}

#[test]
fn accepted_types_are_recognised_with_their_parameters() {
    for (sent, expected) in [
        ("application/json", JSON),
        ("Application/JSON; charset=UTF-8", JSON),
        ("application/json;charset=\"utf-8\"; profile=x", JSON),
        ("application/x-ndjson", NDJSON),
    ] {
        assert_eq!(content_type(&typed(sent), &[JSON, NDJSON]).unwrap(), Some(expected), "{sent}");
    }
    assert_eq!(content_type(&HeaderMap::new(), &[JSON]).unwrap(), None);
}

#[test]
fn other_types_are_refused_with_those_that_are_read() {
    let reply = content_type(&typed("text/plain"), &[JSON, NDJSON]).unwrap_err();
    assert_eq!(
        reply.problem().detail,
        "bodies of type \"text/plain\" are not read here; set Content-Type to one of: application/json, \
         application/x-ndjson"
    );
    let response = reply.into_response();
    assert_eq!(response.status(), 415);
    assert_eq!(response.headers()[ACCEPT], "application/json, application/x-ndjson");
    let latin = content_type(&typed("application/json; charset=latin1"), &[JSON]).unwrap_err();
    assert_eq!(
        latin.problem().detail,
        "charset \"latin1\" is not read here, only utf-8; set Content-Type to one of: application/json"
    );
}

proptest! {
    #[test]
    fn what_is_read_is_what_was_sent_or_a_refusal(
        sizes in proptest::collection::vec(0_usize..50, 0..8),
        bytes_max in 0_usize..200,
    ) {
        const SOURCE: [u8; 50] = [7; 50];
        let total: usize = sizes.iter().sum();
        let sent: Vec<&'static [u8]> = sizes.iter().map(|size| &SOURCE[..*size]).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let read = runtime.block_on(read_body(pieces(&sent, End::Trailers), bytes_max, TIMEOUT));
        match read {
            Ok(read) => prop_assert!(read.len() == total && total <= bytes_max),
            Err(reply) => prop_assert!(reply.problem().status == 413 && total > bytes_max),
        }
    }

    #[test]
    fn no_content_type_panics(value in proptest::collection::vec(any::<u8>(), 0..80)) {
        if let Ok(value) = HeaderValue::from_bytes(&value) {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, value)]);
            let _: Result<_, _> = content_type(&headers, &[JSON]).map(drop);
        }
    }
}
