//! Ids of the ratings' stream come back from clients: one that is accepted is exactly one that the stream gave out.

use openclaw_rating::feed::Position;

/// Checks an id.
///
/// # Panics
/// Where the promise does not hold.
pub fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(position) = text.parse::<Position>() {
        assert_eq!(position.to_string(), text);
    }
}
