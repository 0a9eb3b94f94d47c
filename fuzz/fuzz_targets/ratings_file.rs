//! Files of ratings for the load generator: valid ratings, then the end or one error that names its line.
#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use openclaw_harness::Ratings;

fuzz_target!(|bytes: Vec<u8>| {
    let lines = bytes.split(|&byte| byte == b'\n').count();
    let mut ratings = Ratings::new("fuzzed", Cursor::new(bytes));
    let mut read = 0;
    for rating in ratings.by_ref() {
        read += 1;
        match rating {
            Ok(rating) => {
                assert!(rating.score.is_finite());
                assert!((1..=256).contains(&rating.user_id.len()));
                assert!((1..=256).contains(&rating.item_id.len()));
            }
            Err(error) => assert!(error.to_string().starts_with("fuzzed, line ")),
        }
    }
    assert!(read <= lines);
    assert!(ratings.next().is_none(), "the end is the end");
});
