//! Every format, its good lines and its bad ones.

use std::io::Cursor;

use super::*;

const NOW_MS: u64 = 1_700_000_000_000;

fn read(format: Format, text: &[u8]) -> Vec<Row> {
    let mut reader = RowReader::new(Cursor::new(text), format, RatingRules::default(), NOW_MS);
    std::iter::from_fn(|| reader.next_row().unwrap()).collect()
}

fn rating(user: &str, item: &str, score: f64, timestamp_ms: u64) -> Row {
    Row::Rating(NewRating { user_id: user.into(), item_id: item.into(), score, timestamp_ms })
}

#[track_caller]
fn assert_bad(row: &Row, line: u64, part: &str) {
    match row {
        Row::Bad(bad) if bad.line == line && bad.reason.contains(part) => {}
        other => panic!("{other:?} instead of line {line} with {part:?}"),
    }
}

#[test]
fn csv_is_read_by_its_header_and_with_its_quotation_marks() {
    let text = "\u{feff}timestamp,note,\"itemId\",userId,score\r\n5,x,film,ann,8.5\r\n,,\"a, \"\"b\"\"\nc\",bob,1\n\n";
    let rows = read(Format::Csv, text.as_bytes());
    assert_eq!(rows, [rating("ann", "film", 8.5, 5), rating("bob", "a, \"b\"\nc", 1.0, NOW_MS)]);
    assert_eq!(read(Format::Csv, b"userId,itemId,score\nann,film,8\n"), [rating("ann", "film", 8.0, NOW_MS)]);
    assert_eq!(read(Format::Csv, b""), []);
}

#[test]
fn bad_csv_lines_say_why_and_the_good_ones_stay() {
    let text = "userId,itemId,score,timestamp\nann,film\nann,film,eight,1\nann,film,11,1\n,film,1,1\nann,film,1,soon\n\
                \"ann\"x,film,1,1\nan\"n,film,1,1\nann,film,NaN,1\nann,film,8,99999999999999\nann,film,8,1\n";
    let rows = read(Format::Csv, text.as_bytes());
    let reasons = [
        "score is missing",
        "\"eight\" is not a number",
        "must lie in 0 to 10",
        "the user id must not be empty",
        "\"soon\" is not a whole number of milliseconds",
        "text behind a closing quotation mark",
        "inside a field",
        "must lie in 0 to 10",
        "lies in the future",
    ];
    assert_eq!(rows.len(), reasons.len() + 1);
    for (index, (row, reason)) in rows.iter().zip(reasons).enumerate() {
        assert_bad(row, index as u64 + 2, reason);
    }
    assert_eq!(rows[9], rating("ann", "film", 8.0, 1));
}

#[test]
fn a_csv_file_without_its_columns_is_refused() {
    for (text, part) in
        [("ann,film,8\n", "column userId is missing"), ("userId,itemId\n", "column score is missing")]
    {
        let mut reader = RowReader::new(text.as_bytes(), Format::Csv, RatingRules::default(), NOW_MS);
        let refused = reader.next_row().unwrap_err().to_string();
        assert!(refused.contains(part), "{refused}");
    }
}

#[test]
fn ndjson_is_what_posts_take() {
    let text = "{\"userId\":\"ann\",\"itemId\":\"film\",\"score\":8,\"timestamp\":5}\n\n[1]\nnull\n\
                {\"userId\":\"ann\",\"itemId\":\"film\",\"score\":8,\"context\":{\"deviceType\":\"mobile\"}}";
    let rows = read(Format::NdJson, text.as_bytes());
    assert_eq!((&rows[0], &rows[3]), (&rating("ann", "film", 8.0, 5), &rating("ann", "film", 8.0, NOW_MS)));
    assert_bad(&rows[1], 3, "an array");
    assert_bad(&rows[2], 4, "null");
}

#[test]
fn movietweetings_count_seconds() {
    let text = b"1::0114508::8::1381006850\r\n1::0114508::8\n2::x::5::-1\n3::y::5::18446744073709551615\n\xff::a::1::1\n";
    let rows = read(Format::MovieTweetings, text);
    assert_eq!(rows[0], rating("1", "0114508", 8.0, 1_381_006_850_000));
    assert_bad(&rows[1], 2, "3 fields instead of 4");
    assert_bad(&rows[2], 3, "\"-1\" is not a whole number of seconds");
    assert_bad(&rows[3], 4, "is not a whole number of seconds");
    assert_bad(&rows[4], 5, "not UTF-8");
}

#[test]
fn reading_goes_on_behind_a_place_with_the_header_known() {
    let text = b"score,userId,itemId\n1,ann,a\n2,ann,b\n3,ann,c\n";
    let open = || RowReader::new(Cursor::new(text), Format::Csv, RatingRules::default(), NOW_MS);
    let mut first = open();
    first.next_row().unwrap();
    let place = first.place();
    let mut second = open();
    second.skip_to(place).unwrap();
    assert_eq!(second.next_row().unwrap(), Some(rating("ann", "b", 2.0, NOW_MS)));
    assert_eq!(second.place().lines, 3);
}
