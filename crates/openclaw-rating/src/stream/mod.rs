//! `GET /ratings/stream`: the accepted ratings as server-sent events.
//!
//! Server-sent events and no WebSocket: they pass every proxy, resume by themselves, and a shell's `curl -N` reads
//! them. The feed never waits for a client; one that is too slow is told what it missed.

mod pump;
mod wire;

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue};
use openclaw_admin::openapi::AccessProblems;
use openclaw_admin::reply::ProblemReply;
use openclaw_protocol::{InvalidId, ItemId, Problem, ProblemKind, UserId};
use serde::Deserialize;
use tokio::sync::{Semaphore, watch};
use utoipa::IntoParams;

use crate::feed::{AcceptedRating, Position, Start, Wanted};
use crate::metering::Subscribed;
use crate::service::RatingService;
use crate::settings::StreamSettings;
use pump::Pump;
pub(crate) use wire::GapBody;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Tells nginx, and who follows its custom, not to hold back what arrives in small pieces.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
/// How long a client without a place should wait.
const FULL_WAIT: Duration = Duration::from_secs(5);

/// What all streams of one service share; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Streams {
    seats: Arc<Semaphore>,
    seats_max: usize,
    heartbeat: Duration,
    ending: watch::Sender<bool>,
}

impl Streams {
    pub(crate) fn new(settings: &StreamSettings) -> Self {
        Self {
            seats: Arc::new(Semaphore::new(settings.subscribers_max)),
            seats_max: settings.subscribers_max,
            heartbeat: settings.heartbeat,
            ending: watch::Sender::new(false),
        }
    }

    /// Ends every stream; clients return with `Last-Event-ID` when there is a service again.
    pub(crate) fn end(&self) {
        self.ending.send_replace(true);
    }
}

/// Which ratings.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct StreamQuery {
    /// Only this user's ratings.
    user_id: Option<String>,
    /// Only ratings of this item.
    item_id: Option<String>,
}

impl StreamQuery {
    fn wanted(&self) -> Result<Wanted, ProblemReply> {
        fn id<T>(
            name: &str,
            text: Option<&str>,
            read: fn(&str) -> Result<T, InvalidId>,
        ) -> Result<Option<T>, ProblemReply> {
            let refused = |error| ProblemReply::new(ProblemKind::InvalidField, format!("{name} {error}"));
            text.map(read).transpose().map_err(refused)
        }
        Ok(Wanted {
            user_id: id("userId", self.user_id.as_deref(), UserId::new)?,
            item_id: id("itemId", self.item_id.as_deref(), ItemId::new)?,
        })
    }
}

/// The accepted ratings as they come, as server-sent events.
///
/// Events are `rating`, whose data is the rating, and `gap`, where ratings were missed: the client was too slow, was away
/// for too long, or the service was started anew. Superseded ratings are among them: of two ratings of one user and item
/// the one with the newer timestamp is current. Every event has an id; a client that returns with the last one in
/// `Last-Event-ID` misses nothing that is still held (`rating.streamEventsMax`, `rating.streamBytesMax`). Comments keep
/// the connection alive. The stream ends when the service stops.
#[utoipa::path(
    get,
    path = "/ratings/stream",
    tag = "ratings",
    security(("bearer" = ["reader"]), ()),
    params(
        StreamQuery,
        ("Last-Event-ID" = Option<String>, Header,
            description = "The id of the last event read; without it the stream begins with the next rating")
    ),
    responses(
        (status = 200, description = "Events `rating` and `gap`, without end",
            content((AcceptedRating = "text/event-stream", example = json!(
                "event: rating\nid: 5d2f8a1be0c47396-42\ndata: {\"userId\":\"user-123\",\"itemId\":\"item-456\",\
                 \"score\":4.7,\"timestamp\":1710841234567}\n\n")))),
        (status = 400, description = "An id has not 1 to 256 bytes, or `Last-Event-ID` is none of this stream \
                                      (`invalid-field`)",
            body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "As many streams are open as there may be (`temporary-reduced-capacity`), or the \
                                      service stops (`shutting-down`)",
            body = Problem, content_type = "application/problem+json",
            headers(("Retry-After" = u64, description = "Seconds until a place may be free"))),
        AccessProblems
    )
)]
pub(crate) async fn stream(
    State(service): State<RatingService>,
    query: Result<Query<StreamQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, ProblemReply> {
    let Query(query) = query?;
    let (start, wanted) = (start(&headers)?, query.wanted()?);
    let streams = &service.streams;
    if *streams.ending.borrow() {
        return Err(ProblemReply::new(
            ProblemKind::ShuttingDown,
            "the service stops; return when it is back",
        ));
    }
    let seat = Arc::clone(&streams.seats).try_acquire_owned().map_err(|_| full(streams.seats_max))?;
    let subscription = service.feed.subscribe(start, wanted).map_err(|ahead| {
        ProblemReply::new(
            ProblemKind::InvalidField,
            format!("Last-Event-ID: {ahead}; leave it out to begin anew"),
        )
    })?;
    let pump = Pump {
        subscription,
        heartbeat: streams.heartbeat,
        ending: streams.ending.subscribe(),
        _seat: seat,
        _counted: Subscribed::new(),
    };
    let mut response = Response::new(pump.start());
    let fields = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-store"), (ACCEL_BUFFERING, "no")];
    response.headers_mut().extend(fields.map(|(name, value)| (name, HeaderValue::from_static(value))));
    Ok(response)
}

/// Where the client left off.
fn start(headers: &HeaderMap) -> Result<Start, ProblemReply> {
    // Browsers send the field empty where they have no id yet.
    let Some(value) = headers.get(LAST_EVENT_ID).filter(|value| !value.is_empty()) else {
        return Ok(Start::Now);
    };
    let position = value.to_str().ok().and_then(|text| Position::from_str(text).ok());
    let refused = || {
        let detail = "Last-Event-ID is no id of this stream; send the last event's as it was, or leave it out to begin anew";
        ProblemReply::new(ProblemKind::InvalidField, detail)
    };
    position.map(Start::After).ok_or_else(refused)
}

fn full(seats_max: usize) -> ProblemReply {
    metrics::counter!(crate::metering::STREAMS_REFUSED).increment(1);
    let detail =
        format!("{seats_max} streams are open, as many as there may be (rating.streamSubscribersMax)");
    let problem = Problem::new(ProblemKind::TemporaryReducedCapacity, detail).with_status(503);
    ProblemReply::from(problem).retry_after(FULL_WAIT)
}
