//! Files that are imported: what is read is within its bounds, and comes back from a file written of it. The first byte
//! chooses the format.

use std::io::Cursor;

use openclaw_protocol::RatingRules;
use openclaw_rating::transfer::{Format, RatingWriter, Row, RowReader};
use openclaw_store::{NewRating, Rating};

const NOW_MS: u64 = 1_700_000_000_000;

fn read(bytes: &[u8], format: Format) -> Vec<Row> {
    let lines = bytes.split(|&byte| byte == b'\n').count() as u64;
    let mut reader = RowReader::new(Cursor::new(bytes), format, RatingRules::default(), NOW_MS);
    let mut rows = Vec::new();
    while let Ok(Some(row)) = reader.next_row() {
        if let Row::Bad(bad) = &row {
            assert!((1..=lines).contains(&bad.line));
            assert!(!bad.reason.is_empty());
        }
        rows.push(row);
    }
    assert!(rows.len() as u64 <= lines);
    rows
}

fn good(rows: Vec<Row>) -> Vec<Rating> {
    let rating = |row| match row {
        Row::Rating(NewRating { user_id, item_id, score, timestamp_ms }) => {
            Some(Rating { user_id: (*user_id).into(), item_id: (*item_id).into(), score, timestamp_ms })
        }
        Row::Bad(_) => None,
    };
    rows.into_iter().filter_map(rating).collect()
}

/// Checks a file; the first byte chooses the format.
///
/// # Panics
/// Where the promise does not hold.
pub fn check(input: &[u8]) {
    let Some((choice, bytes)) = input.split_first() else { return };
    let format = Format::ALL[usize::from(*choice) % Format::ALL.len()];
    let ratings = good(read(bytes, format));
    for rating in &ratings {
        assert!((0.0..=10.0).contains(&rating.score));
        assert!((1..=256).contains(&rating.user_id.len()) && (1..=256).contains(&rating.item_id.len()));
    }
    let mut writer = RatingWriter::new(Vec::new(), Format::Csv);
    ratings.iter().for_each(|rating| writer.write(rating).expect("memory takes everything"));
    let written = writer.finish().expect("memory takes everything");
    assert_eq!(good(read(&written, Format::Csv)), ratings);
}
