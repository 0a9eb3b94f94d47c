//! The scan beside a whole parser, whole and in pieces.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn scan_in_pieces(path: &str, body: &[u8], piece: usize) -> Found {
    let path = FieldPath::new(path).unwrap();
    let mut scan = FieldScan::new(&path);
    for bytes in body.chunks(piece) {
        if *scan.feed(bytes) != Found::NotYet {
            break;
        }
    }
    scan.found.clone()
}

fn scan(path: &str, body: &str) -> Found {
    let whole = scan_in_pieces(path, body.as_bytes(), usize::MAX);
    for piece in [1, 2, 3, 7] {
        assert_eq!(scan_in_pieces(path, body.as_bytes(), piece), whole, "{body} in pieces of {piece}");
    }
    whole
}

fn value(text: &str) -> Found {
    Found::Value(text.to_owned())
}

#[test]
fn a_field_is_found_wherever_it_stands() {
    assert_eq!(scan("userId", r#"{"userId":"ann","score":8}"#), value("ann"));
    assert_eq!(
        scan("userId", r#"{"score":8,"tags":["userId",{"userId":"no"}],"userId":"ann"}"#),
        value("ann")
    );
    assert_eq!(scan("userId", " \n{ \"a\" : {\"userId\":1} , \"userId\" :\t42 }"), value("42"));
    assert_eq!(scan("user.id", r#"{"id":1,"user":{"name":"x","id":"ann"}}"#), value("ann"));
}

#[test]
fn what_follows_the_field_is_not_waited_for() {
    assert_eq!(scan("userId", r#"{"userId":"ann","rest":"#), value("ann"));
    assert_eq!(scan("userId", r#"{"userId":42"#), Found::NotYet, "a number may go on");
}

#[test]
fn of_an_array_and_of_lines_the_first_object_counts() {
    assert_eq!(scan("userId", r#"[{"userId":"ann"},{"userId":"ben"}]"#), value("ann"));
    assert_eq!(scan("userId", "{\"userId\":\"ann\"}\n{\"userId\":\"ben\"}"), value("ann"));
}

#[test]
fn escapes_in_names_and_values_are_read() {
    assert_eq!(scan("userId", r#"{"user\u0049d":"a\"n\\n\u00e9"}"#), value("a\"n\\né"));
    assert_eq!(scan("userId", r#"{"x":"\\","userId":"ann"}"#), value("ann"));
}

#[test]
fn a_field_that_is_no_text_and_no_number_is_none() {
    for body in [
        r#"{"userId":null}"#,
        r#"{"userId":{"a":1}}"#,
        r#"{"userId":["a"]}"#,
        r#"{"userId":tru}"#,
        r#"{"other":1}"#,
        "[]",
        "null",
        "42 ",
        r#""userId""#,
        "userId=ann",
        r#"{"userId":"\u12"}"#,
    ] {
        assert_eq!(scan("userId", body), Found::Never, "{body}");
    }
    assert_eq!(scan("user.id", r#"{"user":"ann"}x"#), Found::Never);
    assert_eq!(scan("user.id", r#"{"user":7,"id":"x"}"#), Found::Never);
}

#[test]
fn of_two_fields_of_a_name_the_first_counts() {
    assert_eq!(scan("userId", r#"{"userId":"ann","userId":"ben"}"#), value("ann"));
}

#[test]
fn a_value_or_name_without_end_is_not_kept() {
    let long = "x".repeat(1 << 20);
    assert_eq!(scan_in_pieces("userId", format!("{{\"userId\":\"{long}").as_bytes(), 1000), Found::Never);
    let body = format!("{{\"{long}\":1,\"userId\":\"ann\"}}");
    assert_eq!(scan_in_pieces("userId", body.as_bytes(), 1000), value("ann"));
}

#[test]
fn paths_are_names_between_dots() {
    for text in ["", ".", "a.", ".a", "a..b", "a.b.c.d.e.f.g.h.i"] {
        assert!(FieldPath::new(text).is_err(), "{text:?}");
    }
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-z\\\\\"{}\\[\\],: ]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-c]{1,2}", inner, 0..4).prop_map(|map| json!(map)),
        ]
    })
}

proptest! {
    #[test]
    fn the_scan_finds_what_a_parser_finds(document in json_value(), pretty in any::<bool>(), piece in 1_usize..9) {
        let body = if pretty { serde_json::to_string_pretty(&document) } else { serde_json::to_string(&document) };
        let body = body.unwrap() + "\n";
        let expected = match document.as_object().and_then(|object| object.get("a")) {
            Some(Value::String(text)) => Found::Value(text.clone()),
            Some(Value::Number(number)) => Found::Value(number.to_string()),
            _ => Found::Never,
        };
        if document.is_object() {
            prop_assert_eq!(scan_in_pieces("a", body.as_bytes(), piece), expected);
        }
    }

    #[test]
    fn no_bytes_panic_and_pieces_change_nothing(body in prop::collection::vec(any::<u8>(), 0..60), piece in 1_usize..9) {
        prop_assert_eq!(scan_in_pieces("a.b", &body, piece), scan_in_pieces("a.b", &body, 100));
    }

    #[test]
    fn nearly_json_does_not_panic_either(body in r#"[\[\]{}",:\\ab1 ]{0,40}"#, piece in 1_usize..9) {
        prop_assert_eq!(scan_in_pieces("a", body.as_bytes(), piece), scan_in_pieces("a", body.as_bytes(), 100));
    }
}
