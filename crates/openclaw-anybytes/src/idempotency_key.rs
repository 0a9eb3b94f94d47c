//! Idempotency keys: what is read is within its bounds, and the same whether it comes bare or in quotation marks.

use openclaw_rating::{IDEMPOTENCY_KEY_BYTES_MAX, IdempotencyKey};

/// Checks a value of the field `Idempotency-Key`.
///
/// # Panics
/// Where the promise does not hold.
pub fn check(bytes: &[u8]) {
    let Ok(key) = IdempotencyKey::parse(bytes) else { return };
    let text = key.as_str();
    assert!((1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&text.len()));
    assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
    let quoted = format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    assert_eq!(IdempotencyKey::parse(quoted.as_bytes()), Ok(key));
}
