//! Rows into the words of this crate. What the tables hold and nothing can be is damage, and said so.

use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::error::ReadError;
use crate::layout::Mark;
use crate::rating::{Micros, Rating};
use crate::tally::Tally;

/// An id from its column.
pub(super) fn id(row: &PgRow, column: &str) -> Result<String, ReadError> {
    let bytes: Vec<u8> = row.try_get(column)?;
    String::from_utf8(bytes).map_err(|_| ReadError::Corrupted(format!("an id in column {column}")))
}

/// Score and time of a rating. Times are kept as the signed number of the same bits.
pub(super) fn mark(row: &PgRow) -> Result<Mark, ReadError> {
    let score = Micros(row.try_get("score_micros")?);
    let timestamp_ms = row.try_get::<i64, _>("timestamp_ms")?.cast_unsigned();
    Ok(Mark { score, timestamp_ms })
}

/// A rating with its exact score.
pub(super) fn rating(row: &PgRow) -> Result<(Rating, Micros), ReadError> {
    let Mark { score, timestamp_ms } = mark(row)?;
    let (user_id, item_id) = (id(row, "user_id")?, id(row, "item_id")?);
    Ok((Rating { user_id, item_id, score: score.to_score(), timestamp_ms }, score))
}

/// An item's tally.
pub(super) fn tally(row: &PgRow) -> Result<Tally, ReadError> {
    let (ratings, sum_micros): (i64, i64) = (row.try_get("ratings")?, row.try_get("sum_micros")?);
    let bins: Vec<i64> = row.try_get("histogram")?;
    let bins = bins.into_iter().map(u64::try_from).collect::<Result<Vec<_>, _>>();
    let tally = bins.ok().map(|histogram| Tally { sum_micros: i128::from(sum_micros), histogram });
    let whole = tally.filter(|tally| u64::try_from(ratings).is_ok_and(|ratings| ratings == tally.count()));
    whole.ok_or_else(|| ReadError::Corrupted("the histogram of an item".to_owned()))
}

/// Count and sum of all ratings, which every statement that judges an item reads in the same moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) ratings: i64,
    pub(super) sum_micros: i128,
}

impl Totals {
    /// From the columns `all_ratings` and `all_sum_micros`, the latter as text: it may be more than a bigint.
    pub(super) fn from_row(row: &PgRow) -> Result<Self, ReadError> {
        let sum: String = row.try_get("all_sum_micros")?;
        let sum_micros =
            sum.parse().map_err(|_| ReadError::Corrupted("the sum of all ratings".to_owned()))?;
        Ok(Self { ratings: row.try_get("all_ratings")?, sum_micros })
    }

    /// The mean of all ratings, if there are any.
    pub(super) fn mean(&self) -> Option<f64> {
        let ratings = u64::try_from(self.ratings).ok().filter(|ratings| *ratings > 0)?;
        Some(crate::tally::mean(ratings, self.sum_micros))
    }
}
