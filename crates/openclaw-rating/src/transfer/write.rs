//! Writes ratings in any format, such that reading them gives the same ratings.

use std::io::{self, Write};

use openclaw_store::Rating;
use serde_json::json;

use super::format::Format;

/// A rating that a format cannot hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the rating of {item_id:?} by {user_id:?} cannot be written as movietweetings, whose fields end at ::; choose csv or ndjson"
)]
pub struct Unwritable {
    /// Whose.
    pub user_id: String,
    /// Of what.
    pub item_id: String,
}

/// Writes ratings one by one. MovieTweetings counts seconds: there a timestamp loses its milliseconds.
#[derive(Debug)]
pub struct RatingWriter<W> {
    out: W,
    format: Format,
    begun: bool,
}

impl<W: Write> RatingWriter<W> {
    /// A writer into `out`, which should be buffered.
    pub fn new(out: W, format: Format) -> Self {
        Self { out, format, begun: false }
    }

    /// Writes a rating; before the first one whatever the format begins with.
    ///
    /// # Errors
    /// What the system refused, or [`Unwritable`] inside an [`io::Error`] of kind `InvalidData`.
    pub fn write(&mut self, rating: &Rating) -> io::Result<()> {
        self.begin()?;
        let Rating { user_id, item_id, score, timestamp_ms } = rating;
        match self.format {
            Format::Csv => {
                let (user_id, item_id) = (csv_field(user_id), csv_field(item_id));
                writeln!(self.out, "{user_id},{item_id},{score},{timestamp_ms}")
            }
            Format::NdJson => {
                let line =
                    json!({"userId": user_id, "itemId": item_id, "score": score, "timestamp": timestamp_ms});
                writeln!(self.out, "{line}")
            }
            Format::MovieTweetings if is_plain(user_id) && is_plain(item_id) => {
                writeln!(self.out, "{user_id}::{item_id}::{score}::{}", timestamp_ms / 1000)
            }
            Format::MovieTweetings => {
                let unwritable = Unwritable { user_id: user_id.clone(), item_id: item_id.clone() };
                Err(io::Error::new(io::ErrorKind::InvalidData, unwritable))
            }
        }
    }

    /// Ends the file, which has its header also without any rating, and hands back what it was written into.
    ///
    /// # Errors
    /// What the system refused.
    pub fn finish(mut self) -> io::Result<W> {
        self.begin()?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn begin(&mut self) -> io::Result<()> {
        if self.format == Format::Csv && !self.begun {
            writeln!(self.out, "userId,itemId,score,timestamp")?;
        }
        self.begun = true;
        Ok(())
    }
}

/// A field as RFC 4180 has it, in quotation marks where it needs them.
fn csv_field(text: &str) -> String {
    if text.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// Whether an id survives between two `::`. A byte order mark would be taken for the file's.
fn is_plain(id: &str) -> bool {
    let is_cut = id.contains("::") || id.starts_with(':') || id.ends_with(':');
    !is_cut && !id.contains(['\n', '\r']) && !id.starts_with('\u{feff}')
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use openclaw_protocol::RatingRules;
    use openclaw_store::NewRating;
    use proptest::prelude::*;

    use super::super::row::{Row, RowReader};
    use super::*;

    /// The ids that give parsers trouble, more often than chance would.
    fn id() -> impl Strategy<Value = String> {
        prop_oneof![
            "[a-z0-9]{1,8}",
            "[\"',:;\n\r\t \\\\{}\u{feff}a-b]{1,6}",
            proptest::string::string_regex("\\PC{1,40}").unwrap(),
        ]
    }

    fn ratings() -> impl Strategy<Value = Vec<Rating>> {
        let rating = (id(), id(), 0..=10_000_000u32, 0..2_000_000_000_000u64);
        let rating = rating.prop_map(|(user_id, item_id, micros, timestamp_ms)| Rating {
            user_id,
            item_id,
            score: f64::from(micros) / 1e6,
            timestamp_ms,
        });
        proptest::collection::vec(rating, 0..20)
    }

    fn round_trip(format: Format, ratings: &[Rating]) -> Vec<Rating> {
        let mut writer = RatingWriter::new(Vec::new(), format);
        ratings.iter().for_each(|rating| writer.write(rating).unwrap());
        let written = writer.finish().unwrap();
        let mut reader =
            RowReader::new(Cursor::new(written), format, RatingRules::default(), 3_000_000_000_000);
        let read = std::iter::from_fn(|| reader.next_row().unwrap());
        read.map(|row| match row {
            Row::Rating(NewRating { user_id, item_id, score, timestamp_ms }) => {
                Rating { user_id: user_id.to_string(), item_id: item_id.to_string(), score, timestamp_ms }
            }
            Row::Bad(bad) => panic!("{bad:?}"),
        })
        .collect()
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_alike(ratings in ratings()) {
            prop_assert_eq!(&round_trip(Format::Csv, &ratings), &ratings);
            prop_assert_eq!(&round_trip(Format::NdJson, &ratings), &ratings);
            let plain = ratings.into_iter().filter(|rating| is_plain(&rating.user_id) && is_plain(&rating.item_id));
            let plain: Vec<_> = plain.map(|mut rating| {
                rating.timestamp_ms -= rating.timestamp_ms % 1000;
                rating
            }).collect();
            prop_assert_eq!(&round_trip(Format::MovieTweetings, &plain), &plain);
        }
    }

    #[test]
    fn ids_that_movietweetings_cannot_hold_are_refused_by_name() {
        for user_id in ["a::b", "a:", ":a", "a\nb"] {
            let rating =
                Rating { user_id: user_id.to_owned(), item_id: "i".to_owned(), score: 1.0, timestamp_ms: 1 };
            let refused = RatingWriter::new(Vec::new(), Format::MovieTweetings).write(&rating).unwrap_err();
            assert!(refused.to_string().contains(&format!("{user_id:?}")), "{refused}");
        }
    }

    #[test]
    fn a_file_without_ratings_has_its_header() {
        let written = RatingWriter::new(Vec::new(), Format::Csv).finish().unwrap();
        assert_eq!(written, b"userId,itemId,score,timestamp\n");
    }
}
