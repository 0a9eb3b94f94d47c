//! What to send, and what must come back: status, problem type, and a part of the detail without which nobody
//! could tell what to change.

use crate::support::http::{JSON, NDJSON};

/// The brief's four fields.
pub(crate) const GOOD: &str = r#"{"userId":"u","itemId":"i","score":5,"timestamp":1710841234567}"#;

pub(crate) type Expected = (u16, &'static str, &'static str);

pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) method: &'static str,
    pub(crate) content_type: &'static str,
    pub(crate) body: Vec<u8>,
    pub(crate) expected: Expected,
}

impl Case {
    pub(crate) fn new(name: &'static str, body: impl Into<Vec<u8>>, expected: Expected) -> Self {
        Self { name, method: "POST", content_type: JSON, body: body.into(), expected }
    }

    pub(crate) fn of_type(self, content_type: &'static str) -> Self {
        Self { content_type, ..self }
    }
}

/// [`GOOD`] with another value in one field.
fn with(field: &str, value: &str) -> String {
    let good = match field {
        "userId" => r#""userId":"u""#,
        "itemId" => r#""itemId":"i""#,
        "score" => r#""score":5"#,
        "timestamp" => r#""timestamp":1710841234567"#,
        _ => panic!("{field} is none of the four fields"),
    };
    GOOD.replace(good, &format!(r#""{field}":{value}"#))
}

/// Bad whatever the route.
fn everywhere() -> Vec<Case> {
    const MALFORMED: &str = "malformed-body";
    vec![
        Case::new("nothing", "", (400, MALFORMED, "EOF")),
        Case::new("half an object", &GOOD[..30], (400, MALFORMED, "EOF")),
        Case::new("prose", "five stars", (400, MALFORMED, "expected")),
        Case::new("not UTF-8", b"{\"userId\":\"\xff\xfe\"}", (400, MALFORMED, "byte 11")),
        Case::new(
            "deeply nested objects",
            r#"{"userId":"#.to_owned() + &r#"{"a":"#.repeat(100_000),
            (400, "invalid-field", "userId"),
        ),
        Case::new("a table", GOOD, (415, "unsupported-media-type", "text/csv")).of_type("text/csv"),
        Case::new("another charset", GOOD, (415, "unsupported-media-type", "latin1"))
            .of_type("application/json; charset=latin1"),
    ]
}

/// Bad fields of a single rating or event.
fn fields() -> Vec<Case> {
    const FIELD: &str = "invalid-field";
    const MALFORMED: &str = "malformed-body";
    let long = format!("\"{}\"", "x".repeat(10_240));
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    vec![
        Case::new("NaN", with("score", "NaN"), (400, MALFORMED, "column")),
        Case::new("infinity", with("score", "Infinity"), (400, MALFORMED, "column")),
        Case::new("a number too large for any", with("score", "1e999"), (400, MALFORMED, "out of range")),
        Case::new("a large score", with("score", "1e308"), (400, FIELD, "it must lie in 0 to 10")),
        Case::new("a score just too high", with("score", "10.01"), (400, FIELD, "score is 10.01")),
        Case::new("a negative score", with("score", "-0.5"), (400, FIELD, "score is -0.5")),
        Case::new("a score in words", with("score", r#""five""#), (400, FIELD, "five")),
        Case::new("a nested score", with("score", &deep), (400, FIELD, "invalid type")),
        Case::new("a negative time", with("timestamp", "-1"), (400, FIELD, "-1")),
        Case::new("a time with a fraction", with("timestamp", "1.5"), (400, FIELD, "1.5")),
        Case::new("a time beyond all numbers", with("timestamp", "1e300"), (400, FIELD, "1e")),
        Case::new("an empty user", with("userId", r#""""#), (400, FIELD, "userId must not be empty")),
        Case::new("an empty item", with("itemId", r#""""#), (400, FIELD, "itemId must not be empty")),
        Case::new("a user of 10 kB", with("userId", &long), (400, FIELD, "userId has 10240 bytes")),
        Case::new("an item of 10 kB", with("itemId", &long), (400, FIELD, "itemId has 10240 bytes")),
        Case::new("a number for a user", with("userId", "7"), (400, FIELD, "userId")),
        Case::new("no item", r#"{"userId":"u","score":5,"timestamp":1}"#, (400, FIELD, "itemId")),
        Case::new("half a pair of surrogates", with("userId", r#""\ud800""#), (400, MALFORMED, "column")),
    ]
}

pub(crate) fn rating_cases() -> Vec<Case> {
    let bodies = [
        Case::new("deeply nested", "[".repeat(100_000), (400, "malformed-body", "EOF")),
        Case::new("an empty batch", "[]", (400, "malformed-body", "the batch is empty")),
        Case::new("an empty batch in lines", "\n\n", (400, "malformed-body", "the batch is empty"))
            .of_type(NDJSON),
        Case::new(
            "a time in the far future",
            with("timestamp", "18446744073709551615"),
            (400, "invalid-field", "later than this service's clock"),
        ),
        Case::new(
            "a time in the next century",
            with("timestamp", "4102444800000"),
            (400, "invalid-field", "later than this service's clock"),
        ),
        Case::new(
            "an invented device",
            r#"{"userId":"u","itemId":"i","score":5,"context":{"deviceType":"toaster"}}"#,
            (400, "invalid-field", "toaster"),
        ),
        Case::new("more than 1 MiB", vec![b' '; (1 << 20) + 1], (413, "body-too-large", "1048576 bytes")),
        Case::new(
            "more than 10,000 ratings",
            format!("[{}1]", "1,".repeat(10_000)),
            (413, "body-too-large", "at most 10000"),
        ),
        Case { method: "PUT", ..Case::new("put", GOOD, (405, "method-not-allowed", "PUT")) },
    ];
    everywhere().into_iter().chain(fields()).chain(bodies).collect()
}

pub(crate) fn event_cases() -> Vec<Case> {
    let event = |more: &str| GOOD.replace('}', &format!(",{more}}}"));
    let bodies = [
        Case::new("deeply nested", "[".repeat(100_000), (400, "invalid-field", "an array")),
        Case::new(
            "a negative latency",
            event(r#""latencyMs":-3"#),
            (400, "invalid-field", "latencyMs is -3"),
        ),
        Case::new("an invented outcome", event(r#""outcome":"lost""#), (400, "invalid-field", "lost")),
        Case::new("no names", r#"["u","i",5,1710841234567]"#, (400, "invalid-field", "named fields")),
        Case::new("no time", r#"{"userId":"u","itemId":"i","score":5}"#, (400, "invalid-field", "timestamp")),
        Case::new("lines", GOOD, (415, "unsupported-media-type", "x-ndjson")).of_type(NDJSON),
        Case::new("more than 8 MiB", vec![b' '; (8 << 20) + 1], (413, "body-too-large", "8388608 bytes")),
    ];
    everywhere().into_iter().chain(fields()).chain(bodies).collect()
}

pub(crate) fn events_cases() -> Vec<Case> {
    vec![
        Case::new("nothing", "", (400, "malformed-body", "EOF")),
        Case::new("an empty batch", "[]", (400, "malformed-body", "the batch is empty")),
        Case::new("no collector", r#"{"seq":1,"events":[]}"#, (400, "invalid-field", "collector")),
        Case::new(
            "a nameless collector",
            r#"{"collector":{"id":"","service":"s","epoch":1},"seq":1}"#,
            (400, "invalid-field", "collector.id"),
        ),
        Case::new("not UTF-8", b"[\"\xff\"]", (400, "malformed-body", "byte 2")),
        Case::new("deeply nested", "[".repeat(100_000), (400, "malformed-body", "EOF")),
        Case::new("a table", GOOD, (415, "unsupported-media-type", "text/csv")).of_type("text/csv"),
    ]
}

/// Paths and queries that name nothing, or nothing possible.
pub(crate) fn path_cases() -> Vec<(&'static str, &'static str, Expected)> {
    vec![
        ("rating", "/nowhere", (404, "not-found", "/nowhere")),
        ("rating", "/items/unrated", (404, "not-found", "no ratings")),
        ("rating", "/items/%FF%FE", (400, "invalid-field", "UTF-8")),
        ("rating", "/users/u/ratings?limit=0", (400, "invalid-field", "limit is 0")),
        ("rating", "/users/u/ratings?limit=many", (400, "invalid-field", "limit")),
        ("rating", "/users/u/ratings?cursor=bogus", (400, "invalid-field", "cursor")),
        ("rating", "/items/i/ratings?limit=-1", (400, "invalid-field", "limit")),
        ("edge", "/nowhere", (404, "not-found", "/nowhere")),
        ("edge", "/api/v1/event", (405, "method-not-allowed", "GET")),
        ("edge", "/api/v1/users/%FF/policy", (400, "invalid-field", "UTF-8")),
        ("admin", "/nowhere", (404, "not-found", "/nowhere")),
    ]
}
