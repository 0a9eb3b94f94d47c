//! The store's cursors come back from clients: one that is accepted is exactly one that the store gave out.
#![no_main]

use libfuzzer_sys::fuzz_target;
use openclaw_store::Cursor;

fuzz_target!(|text: &str| {
    if let Ok(cursor) = text.parse::<Cursor>() {
        assert_eq!(cursor.to_string(), text);
    }
});
