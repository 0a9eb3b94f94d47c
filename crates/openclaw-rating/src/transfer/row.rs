//! One record as one rating, in any format, under the same rules as `POST /ratings`.

use std::io::{self, BufRead, Seek};

use openclaw_protocol::{ItemId, Rating, RatingRules, UserId};
use openclaw_store::NewRating;

use super::format::Format;
use super::record::{Cut, Place, RECORD_BYTES_MAX, Records};

/// The columns of a CSV file, by their names in its header.
const COLUMNS: [&str; 4] = ["userId", "itemId", "score", "timestamp"];

/// A record of a file.
#[derive(Clone, Debug, PartialEq)]
pub enum Row {
    /// A rating.
    Rating(NewRating),
    /// Anything else.
    Bad(BadRow),
}

/// A record that is no rating.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRow {
    /// Its first line, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub reason: String,
}

/// Why a file cannot be read as a whole.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The system refused.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// The first line of a CSV file is no header.
    #[error(
        "{0}; the first line must name the columns userId, itemId, score and, where there is one, timestamp"
    )]
    Header(String),
}

/// Reads ratings record by record; empty lines are passed over.
#[derive(Debug)]
pub struct RowReader<R> {
    records: Records<R>,
    format: Format,
    rules: RatingRules,
    /// When the reading began, in ms since the epoch: fills a missing timestamp and bounds a given one.
    arrival_ms: u64,
    /// The place of each of [`COLUMNS`], once the header was read.
    columns: Option<[Option<usize>; 4]>,
}

impl<R: BufRead> RowReader<R> {
    /// Reads `reader`, at whose beginning it must be.
    pub fn new(reader: R, format: Format, rules: RatingRules, arrival_ms: u64) -> Self {
        let records = Records::new(reader, format == Format::Csv);
        Self { records, format, rules, arrival_ms, columns: None }
    }

    /// The next rating, or why there is none in the next record; `None` at the end.
    ///
    /// # Errors
    /// [`ReadError`], after which there is nothing more to read.
    pub fn next_row(&mut self) -> Result<Option<Row>, ReadError> {
        self.read_header()?;
        loop {
            let line = self.records.place().lines + 1;
            let bad = |reason: String| Row::Bad(BadRow { line, reason });
            match self.records.cut()? {
                Cut::End => return Ok(None),
                Cut::TooLong => {
                    let hint =
                        if self.format == Format::Csv { "; is a quotation mark not closed?" } else { "" };
                    return Ok(Some(bad(format!("is longer than {RECORD_BYTES_MAX} bytes{hint}"))));
                }
                Cut::Record if self.text().is_ok_and(|text| text.trim().is_empty()) => {}
                Cut::Record => return Ok(Some(self.rating().map_or_else(bad, Row::Rating))),
            }
        }
    }

    /// How far was read: behind the last record.
    pub(super) fn place(&self) -> Place {
        self.records.place()
    }

    fn text(&self) -> Result<&str, String> {
        let text = str::from_utf8(self.records.record()).map_err(|_| "is not UTF-8".to_owned())?;
        // Some editors put a byte order mark before a file's first character.
        let mark = (self.records.place().lines == 1).then(|| text.strip_prefix('\u{feff}')).flatten();
        Ok(mark.unwrap_or(text))
    }

    fn read_header(&mut self) -> Result<(), ReadError> {
        if self.format != Format::Csv || self.columns.is_some() {
            return Ok(());
        }
        let columns = match self.records.cut()? {
            // An empty file has no ratings, which is no mistake.
            Cut::End => [None; 4],
            Cut::TooLong => {
                return Err(ReadError::Header("its first line is too long for a header".to_owned()));
            }
            Cut::Record => self.text().and_then(header).map_err(ReadError::Header)?,
        };
        self.columns = Some(columns);
        Ok(())
    }

    fn rating(&self) -> Result<NewRating, String> {
        let text = self.text()?;
        match self.format {
            Format::NdJson => {
                let rating = Rating::parse(text, self.arrival_ms, &self.rules);
                let Rating { user_id, item_id, score, timestamp, .. } =
                    rating.map_err(|problem| problem.detail)?;
                Ok(NewRating {
                    user_id: user_id.into(),
                    item_id: item_id.into(),
                    score,
                    timestamp_ms: timestamp,
                })
            }
            Format::Csv => self.csv_rating(text),
            Format::MovieTweetings => {
                let fields: Vec<_> = text.split("::").collect();
                let [user, item, score, seconds] = fields[..] else {
                    return Err(format!("has {} fields instead of 4, separated by ::", fields.len()));
                };
                let wrong = || format!("the time {seconds:?} is not a whole number of seconds since 1970");
                let seconds: u64 = seconds.trim_end().parse().map_err(|_| wrong())?;
                self.checked(user, item, score, Some(seconds.checked_mul(1000).ok_or_else(wrong)?))
            }
        }
    }

    fn csv_rating(&self, text: &str) -> Result<NewRating, String> {
        let fields = fields(text)?;
        let columns = self.columns.unwrap_or_default();
        let field = |column: usize| -> Result<&str, String> {
            let missing = || format!("has {} fields; {} is missing", fields.len(), COLUMNS[column]);
            columns[column].and_then(|place| fields.get(place)).map(String::as_str).ok_or_else(missing)
        };
        let (user, item, score) = (field(0)?, field(1)?, field(2)?);
        let timestamp = match columns[3].map(|_| field(3)).transpose()? {
            None | Some("") => None,
            Some(text) => Some(text.parse().map_err(|_| {
                format!("the timestamp {text:?} is not a whole number of milliseconds since 1970")
            })?),
        };
        self.checked(user, item, score, timestamp)
    }

    /// What JSON's parser checks, for the other formats.
    fn checked(
        &self,
        user: &str,
        item: &str,
        score: &str,
        timestamp: Option<u64>,
    ) -> Result<NewRating, String> {
        let user_id = UserId::new(user).map_err(|error| format!("the user id {error}"))?.into();
        let item_id = ItemId::new(item).map_err(|error| format!("the item id {error}"))?.into();
        let score: f64 = score.parse().map_err(|_| format!("the score {score:?} is not a number"))?;
        self.rules.scores.check(score)?;
        let timestamp_ms = timestamp.unwrap_or(self.arrival_ms);
        if timestamp_ms > self.arrival_ms.saturating_add(self.rules.future_tolerance_ms) {
            return Err(format!("the timestamp {timestamp_ms} ms lies in the future"));
        }
        Ok(NewRating { user_id, item_id, score, timestamp_ms })
    }
}

impl<R: BufRead + Seek> RowReader<R> {
    /// Goes on behind `place`, as if all before it had been read.
    pub(super) fn skip_to(&mut self, place: Place) -> Result<(), ReadError> {
        self.read_header()?;
        Ok(self.records.skip_to(place)?)
    }
}

/// Where each column is.
fn header(text: &str) -> Result<[Option<usize>; 4], String> {
    let names = fields(text)?;
    let columns = COLUMNS.map(|column| names.iter().position(|name| name.trim() == column));
    match COLUMNS.iter().zip(columns).find(|(name, place)| **name != "timestamp" && place.is_none()) {
        Some((name, _)) => Err(format!("column {name} is missing from the header {text:?}")),
        None => Ok(columns),
    }
}

/// The fields of a CSV record (RFC 4180, section 2).
fn fields(record: &str) -> Result<Vec<String>, String> {
    let mut fields = Vec::new();
    let mut rest = record;
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_field(quoted)?,
            None => {
                let (field, after) = rest.split_at(rest.find(',').unwrap_or(rest.len()));
                if field.contains('"') {
                    return Err(
                        "has a quotation mark inside a field without quotation marks around it".to_owned()
                    );
                }
                (field.to_owned(), after)
            }
        };
        fields.push(field);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None if after.is_empty() => return Ok(fields),
            None => return Err("has text behind a closing quotation mark".to_owned()),
        }
    }
}

/// A field behind its opening quotation mark, and what follows the closing one.
fn quoted_field(text: &str) -> Result<(String, &str), String> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let end = rest.find('"').ok_or("has a quotation mark that is not closed")?;
        field.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(doubled) => {
                field.push('"');
                rest = doubled;
            }
            None => return Ok((field, rest)),
        }
    }
}

#[cfg(test)]
mod tests;
