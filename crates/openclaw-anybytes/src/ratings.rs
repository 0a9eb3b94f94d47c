//! `POST /ratings`: what comes out is valid whatever goes in, and one rating is judged alike alone and in a batch.

use openclaw_protocol::{BodyForm, ID_BYTES_MAX, RatingRules, parse_ratings};

const ITEMS_MAX: usize = 64;
const ARRIVAL_MS: u64 = 1_700_000_000_000;

/// Checks a body; whether it is NDJSON is the last bit of the first byte.
///
/// # Panics
/// Where the promise does not hold.
pub fn check(input: &[u8]) {
    let Some((first, body)) = input.split_first() else { return };
    let lines = first & 1 == 1;
    let form = if lines { BodyForm::NdJson } else { BodyForm::Json };
    let rules = RatingRules::default();
    let Ok((items, single)) = parse_ratings(body, form, ITEMS_MAX, ARRIVAL_MS, &rules) else { return };
    assert!((1..=ITEMS_MAX).contains(&items.len()));
    for rating in items.iter().flatten() {
        assert!((1..=ID_BYTES_MAX).contains(&rating.user_id.len()));
        assert!((1..=ID_BYTES_MAX).contains(&rating.item_id.len()));
        assert!(rating.score >= rules.scores.min && rating.score <= rules.scores.max);
        assert!(rating.timestamp <= ARRIVAL_MS + rules.future_tolerance_ms);
        assert_eq!(rules.vocabulary.check(&rating.context), Ok(()));
    }
    if let (true, [Ok(rating)]) = (single, &items[..]) {
        let batch = [b"[", body, b"]"].concat();
        let again = parse_ratings(&batch, BodyForm::Json, ITEMS_MAX, ARRIVAL_MS, &rules);
        assert_eq!(again, Ok((vec![Ok(rating.clone())], false)));
    }
}
