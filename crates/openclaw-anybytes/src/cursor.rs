//! The store's cursors come back from clients: one that is accepted is exactly one that the store gave out.

use openclaw_store::Cursor;

/// Checks a cursor.
///
/// # Panics
/// Where the promise does not hold.
pub fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(cursor) = text.parse::<Cursor>() {
        assert_eq!(cursor.to_string(), text);
    }
}
