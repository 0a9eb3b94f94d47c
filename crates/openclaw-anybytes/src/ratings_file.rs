//! Files of ratings for the load generator: valid ratings, then the end or one error that names its line.

use std::io::Cursor;

use openclaw_harness::Ratings;

/// Checks a file.
///
/// # Panics
/// Where the promise does not hold.
pub fn check(bytes: &[u8]) {
    let lines = bytes.split(|&byte| byte == b'\n').count();
    let mut ratings = Ratings::new("fuzzed", Cursor::new(bytes.to_vec()));
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
}
