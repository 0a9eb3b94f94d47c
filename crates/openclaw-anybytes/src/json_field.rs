//! The search for a key in a body's beginning: pieces change nothing, and what is found in a sound document is what a
//! parser finds.

use openclaw_sidecar::{FieldPath, FieldScan, Found};
use serde_json::Value;

/// Checks a body; the first byte is the length of its pieces.
///
/// # Panics
/// Where the promise does not hold.
pub fn check(input: &[u8]) {
    let Some((&piece, body)) = input.split_first() else { return };
    let path = FieldPath::new("a.b").expect("a path");
    let scan = |piece: usize| {
        let mut scan = FieldScan::new(&path);
        body.chunks(piece).map(|bytes| scan.feed(bytes).clone()).last().unwrap_or(Found::NotYet)
    };
    let found = scan(usize::from(piece).max(1));
    assert_eq!(found, scan(usize::MAX));
    // A parser takes the last of two fields of a name, so only a document with one of each can be compared.
    let once = |name: &[u8]| body.windows(name.len()).filter(|window| *window == name).count() <= 1;
    if let (Found::Value(text), Ok(document)) = (found, serde_json::from_slice::<Value>(body))
        && once(b"\"a\"")
        && once(b"\"b\"")
        && !body.contains(&b'\\')
        && document.is_object()
    {
        match &document["a"]["b"] {
            Value::String(value) => assert_eq!(*value, text),
            Value::Number(value) => {
                let read: serde_json::Number = serde_json::from_str(&text).expect("a number");
                assert_eq!(*value, read);
            }
            other => panic!("{text:?} was found where a parser finds {other}"),
        }
    }
}
