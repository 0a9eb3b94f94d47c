//! Ids of the ratings' stream come back from clients: one that is accepted is exactly one that the stream gave out.
#![no_main]

use libfuzzer_sys::fuzz_target;
use openclaw_rating::feed::Position;

fuzz_target!(|text: &str| {
    if let Ok(position) = text.parse::<Position>() {
        assert_eq!(position.to_string(), text);
    }
});
