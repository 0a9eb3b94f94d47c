//! `POST /api/v1/event`: an event that is taken is inside its bounds and reads the same once written again.

use openclaw_protocol::{ScoreRange, parse_event};

/// Checks a body.
///
/// # Panics
/// Where the promise does not hold.
pub fn check(body: &[u8]) {
    let scores = ScoreRange::default();
    let Ok(event) = parse_event(body, scores) else { return };
    assert_eq!(event.check(scores), Ok(()));
    let written = serde_json::to_vec(&event).expect("what was read can be written");
    assert_eq!(parse_event(&written, scores), Ok(event));
}
