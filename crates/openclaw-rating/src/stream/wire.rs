//! Feed events as server-sent events (WHATWG HTML, section 9.2).

use std::fmt::Write;

use serde::Serialize;
use utoipa::ToSchema;

use crate::feed::{FeedEvent, Position};

/// The first bytes of a stream: something for proxies to pass on, and how long clients wait before they return.
pub(super) const OPENING: &str = ": accepted ratings\nretry: 1000\n\n";

/// The data of an event `gap`.
#[derive(Serialize, ToSchema)]
#[schema(as = RatingGap)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GapBody {
    /// `fell-behind`: the ratings missed are no longer held. `new-epoch`: `Last-Event-ID` is of another start or
    /// another instance of the service, so that it is unknown how many of that one's ratings were missed.
    reason: &'static str,
    /// Ratings of this epoch that were missed, whoever gave them: of how many a filter would have picked, nothing is
    /// known.
    missed: u64,
}

/// Appends one event.
pub(super) fn write_event(out: &mut String, event: &FeedEvent) {
    match event {
        FeedEvent::Rating { position, rating } => write_named(out, "rating", *position, rating),
        FeedEvent::Gap { position, missed, new_epoch } => {
            let reason = if *new_epoch { "new-epoch" } else { "fell-behind" };
            write_named(out, "gap", *position, &GapBody { reason, missed: *missed });
        }
    }
}

/// Appends a comment that keeps the connection alive, and the place reached: a reader whose filter picks little would
/// else return to a place long gone. An id without data is noted by clients and dispatches nothing.
pub(super) fn write_heartbeat(out: &mut String, position: Position) {
    push(out, format_args!(": heartbeat\nid: {position}\n\n"));
}

fn write_named(out: &mut String, name: &str, position: Position, data: &impl Serialize) {
    // JSON as serde writes it holds no line end, so one `data` line holds it all. Numbers and texts cannot fail.
    let data = serde_json::to_string(data).unwrap_or_default();
    push(out, format_args!("event: {name}\nid: {position}\ndata: {data}\n\n"));
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a `String` cannot fail.
    let _ = out.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use openclaw_protocol::{ItemId, UserId};

    use super::*;
    use crate::feed::AcceptedRating;

    #[test]
    fn a_rating_is_one_event_whatever_its_ids_hold() {
        let (user_id, item_id) =
            (UserId::new("a\nevent: gap\r\u{2028}").unwrap(), ItemId::new("\"").unwrap());
        let rating = AcceptedRating { user_id, item_id, score: 4.5, timestamp: 7 };
        let mut out = String::new();
        let position = Position { epoch: 0xab, seq: 3 };
        write_event(&mut out, &FeedEvent::Rating { position, rating });
        assert_eq!(
            out,
            "event: rating\nid: 00000000000000ab-3\n\
             data: {\"userId\":\"a\\nevent: gap\\r\u{2028}\",\"itemId\":\"\\\"\",\"score\":4.5,\"timestamp\":7}\n\n"
        );
    }

    #[test]
    fn gaps_say_how_many_or_that_counting_began_anew() {
        let position = Position { epoch: 1, seq: 9 };
        let mut out = String::new();
        write_event(&mut out, &FeedEvent::Gap { position, missed: 4, new_epoch: false });
        write_event(&mut out, &FeedEvent::Gap { position, missed: 0, new_epoch: true });
        assert_eq!(
            out,
            "event: gap\nid: 0000000000000001-9\ndata: {\"reason\":\"fell-behind\",\"missed\":4}\n\n\
             event: gap\nid: 0000000000000001-9\ndata: {\"reason\":\"new-epoch\",\"missed\":0}\n\n"
        );
    }
}
