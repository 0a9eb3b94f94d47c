//! Idempotency keys: what is read is within its bounds, and the same whether it comes bare or in quotation marks.
#![no_main]

use libfuzzer_sys::fuzz_target;
use openclaw_rating::{IDEMPOTENCY_KEY_BYTES_MAX, IdempotencyKey};

fuzz_target!(|bytes: &[u8]| {
    let Ok(key) = IdempotencyKey::parse(bytes) else { return };
    let text = key.as_str();
    assert!((1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&text.len()));
    assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
    let quoted = format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    assert_eq!(IdempotencyKey::parse(quoted.as_bytes()), Ok(key));
});
