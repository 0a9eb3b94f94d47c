//! `POST /api/v1/events` in its three forms: every event is taken or rejected, once, with its place; an envelope
//! reads the same once written again.

use openclaw_protocol::{BodyForm, EventBatch, ScoreRange, parse_events};

const ITEMS_MAX: usize = 64;

/// Checks a body; whether it is NDJSON is the last bit of the first byte.
///
/// # Panics
/// Where the promise does not hold.
pub fn check(input: &[u8]) {
    let Some((first, body)) = input.split_first() else { return };
    let lines = first & 1 == 1;
    let form = if lines { BodyForm::NdJson } else { BodyForm::Json };
    let scores = ScoreRange::default();
    let Ok(mut intake) = parse_events(body, form, ITEMS_MAX, scores) else { return };
    let found = intake.events.len() + intake.rejected.len();
    assert!(found <= ITEMS_MAX);
    assert!(intake.rejected.iter().all(|rejected| rejected.index < found));
    assert!(intake.rejected.is_sorted_by(|one, next| one.index < next.index));
    for event in &intake.events {
        assert_eq!(event.check(scores), Ok(()));
    }
    let Some(envelope) = intake.envelope.take() else { return };
    assert!(envelope.events.is_empty() && envelope.users.len() <= ITEMS_MAX);
    for name in [&envelope.collector.id, &envelope.collector.service] {
        assert!((1..=128).contains(&name.len()));
    }
    let whole = EventBatch { events: intake.events.clone(), ..envelope.clone() };
    let written = serde_json::to_vec(&whole).expect("what was read can be written");
    let again =
        parse_events(&written, BodyForm::Json, ITEMS_MAX, scores).expect("what was written can be read");
    assert_eq!((again.envelope, again.events), (Some(envelope), intake.events));
    assert!(again.rejected.is_empty());
}
