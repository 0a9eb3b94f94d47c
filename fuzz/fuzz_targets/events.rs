//! `POST /api/v1/events` in its three forms: every event is taken or rejected, once, with its place; an envelope
//! reads the same once written again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use openclaw_protocol::{BodyForm, EventBatch, ScoreRange, parse_events};

const ITEMS_MAX: usize = 64;

fuzz_target!(|input: (bool, &[u8])| {
    let (lines, body) = input;
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
});
