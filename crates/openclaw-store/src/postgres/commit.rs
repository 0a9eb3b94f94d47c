//! What one transaction does: lock the items, read what is kept, stage as every backend does, write.
//!
//! Whoever changes a rating holds its item's row, so all changes of an item are one after the other, whichever replica
//! makes them, and read-modify-write of its statistics is as right as with one writer. Items are locked in the order
//! of their ids: two transactions never wait for each other in a circle. An upsert that compares timestamps in SQL
//! lost: it cannot tell a batch what it replaced on every database of this wire protocol, and the statistics need that.

use std::collections::{BTreeSet, HashMap};

use sqlx::PgConnection;

use super::failure::Failure;
use super::rows;
use crate::deletion::Deletion;
use crate::error::ReadError;
use crate::layout::{Mark, pair_key};
use crate::queue::PutJob;
use crate::rating::ScoreScale;
use crate::staging::{Change, Kept, Staging};
use crate::tally::{Tally, TallyChange};
use crate::writer::{Committed, Deleted};

/// The rest of a statement that changed ratings: the items they belong to, and the totals. Answers how many
/// ratings there were before.
macro_rules! and_statistics {
    ($change_ratings:literal) => {
        concat!(
            "WITH changed_ratings AS (",
            $change_ratings,
            "), changed_items AS (
                UPDATE openclaw_items AS item
                SET ratings = new.ratings, sum_micros = new.sum_micros, histogram = new.histogram::bigint[]
                FROM unnest($5::bytea[], $6::bigint[], $7::bigint[], $8::text[])
                    AS new (item_id, ratings, sum_micros, histogram)
                WHERE item.item_id = new.item_id
            ), changed_totals AS (
                INSERT INTO openclaw_totals AS total (slot, ratings, sum_micros) VALUES ($9, $10, $11)
                ON CONFLICT (slot) DO UPDATE
                SET ratings = total.ratings + EXCLUDED.ratings, sum_micros = total.sum_micros + EXCLUDED.sum_micros
            )
            SELECT coalesce(sum(ratings), 0)::bigint FROM openclaw_totals"
        )
    };
}

const PUT: &str = and_statistics!(
    "INSERT INTO openclaw_ratings (user_id, item_id, score_micros, timestamp_ms)
    SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::bigint[], $4::bigint[])
    ON CONFLICT (user_id, item_id) DO UPDATE
    SET score_micros = EXCLUDED.score_micros, timestamp_ms = EXCLUDED.timestamp_ms"
);

const DELETE: &str = and_statistics!(
    "DELETE FROM openclaw_ratings AS rating USING unnest($1::bytea[], $2::bytea[], $3::bigint[], $4::bigint[])
        AS old (user_id, item_id, score_micros, timestamp_ms)
    WHERE rating.user_id = old.user_id AND rating.item_id = old.item_id"
);

const NEW_ITEMS: &str = "INSERT INTO openclaw_items (item_id, ratings, sum_micros, histogram)
    SELECT new.item_id, 0, 0, $2 FROM unnest($1::bytea[]) AS new (item_id) ORDER BY new.item_id
    ON CONFLICT DO NOTHING";

const LOCK_ITEMS: &str = "SELECT item_id, ratings, sum_micros, histogram FROM openclaw_items
    WHERE item_id = ANY($1) ORDER BY item_id FOR UPDATE";

const MARKS: &str = "SELECT rating.user_id, rating.item_id, rating.score_micros, rating.timestamp_ms
    FROM unnest($1::bytea[], $2::bytea[]) AS asked (user_id, item_id)
    JOIN openclaw_ratings AS rating ON rating.user_id = asked.user_id AND rating.item_id = asked.item_id";

const ITEMS_OF_USER: &str =
    "SELECT item_id FROM openclaw_ratings WHERE user_id = $1 ORDER BY item_id LIMIT $2";

const RATINGS_TOTAL: &str = "SELECT coalesce(sum(ratings), 0)::bigint FROM openclaw_totals";

/// What is kept about the pairs and items of one transaction.
struct Locked {
    marks: HashMap<Vec<u8>, Mark>,
    tallies: HashMap<String, Tally>,
}

impl Kept for Locked {
    fn marks(&self, pairs: &[(&str, &str)]) -> Result<Vec<Option<Mark>>, ReadError> {
        let mark = |&(user_id, item_id): &(&str, &str)| self.marks.get(&pair_key(user_id, item_id)).copied();
        Ok(pairs.iter().map(mark).collect())
    }

    fn tally(&self, item_id: &str) -> Result<Option<Tally>, ReadError> {
        match self.tallies.get(item_id) {
            Some(tally) => Ok(Some(tally.clone())),
            None => Err(ReadError::Corrupted(format!("item {item_id:?} vanished while it was locked"))),
        }
    }
}

/// Ratings to write or to take away, column by column.
#[derive(Default)]
struct Columns<'a> {
    user_ids: Vec<&'a [u8]>,
    item_ids: Vec<&'a [u8]>,
    scores: Vec<i64>,
    timestamps: Vec<i64>,
}

impl<'a> Columns<'a> {
    fn push(&mut self, user_id: &'a str, item_id: &'a str, mark: Mark) {
        self.user_ids.push(user_id.as_bytes());
        self.item_ids.push(item_id.as_bytes());
        self.scores.push(mark.score.0);
        self.timestamps.push(mark.timestamp_ms.cast_signed());
    }
}

/// Stores batches within a transaction that the caller commits.
pub(super) async fn put(
    connection: &mut PgConnection,
    jobs: &[PutJob],
    scale: ScoreScale,
    slot: i16,
) -> Result<Committed, Failure> {
    let ratings = || jobs.iter().flat_map(|job| &job.ratings);
    let items: BTreeSet<&[u8]> = ratings().map(|rating| rating.item_id.as_bytes()).collect();
    let items: Vec<&[u8]> = items.into_iter().collect();
    let tallies = lock_items(connection, &items, Some(&scale)).await?;
    let pairs: BTreeSet<(&[u8], &[u8])> =
        ratings().map(|rating| (rating.user_id.as_bytes(), rating.item_id.as_bytes())).collect();
    let marks = marks(connection, pairs).await?;
    let locked = Locked { marks, tallies };
    let staging = Staging::of(jobs, &locked, &scale)?;
    let mut columns = Columns::default();
    for Change { user_id, item_id, mark, .. } in &staging.by_user {
        columns.push(user_id, item_id, *mark);
    }
    let changed = staging.tallies.iter().map(|(item_id, tally)| (*item_id, tally));
    let current = write(connection, PUT, columns, changed, &staging.totals, slot).await?;
    let Staging { puts, stored, superseded, .. } = staging;
    Ok(Committed { puts, stored, superseded, current })
}

/// Deletes up to so many of a user's ratings within a transaction that the caller commits.
pub(super) async fn delete_some(
    connection: &mut PgConnection,
    user_id: &str,
    ratings_max: usize,
    scale: ScoreScale,
    slot: i16,
) -> Result<Deleted, Failure> {
    let limit = i64::try_from(ratings_max).unwrap_or(i64::MAX);
    let items: Vec<Vec<u8>> = sqlx::query_scalar(ITEMS_OF_USER)
        .bind(user_id.as_bytes())
        .bind(limit)
        .fetch_all(&mut *connection)
        .await?;
    if items.is_empty() {
        let current: i64 = sqlx::query_scalar(RATINGS_TOTAL).fetch_one(&mut *connection).await?;
        return Ok(Deleted { ratings: 0, more: false, current: current.cast_unsigned() });
    }
    let items: Vec<&[u8]> = items.iter().map(Vec::as_slice).collect();
    let tallies = lock_items(connection, &items, None).await?;
    // Read again under the locks: another replica may have changed or deleted some meanwhile.
    let pairs = items.iter().map(|item_id| (user_id.as_bytes(), *item_id));
    let marks = marks(connection, pairs).await?;
    let of_item = |item_id: &String| Some((item_id.clone(), *marks.get(&pair_key(user_id, item_id))?));
    let marks: Vec<(String, Mark)> = tallies.keys().filter_map(of_item).collect();
    let locked = Locked { marks: HashMap::new(), tallies };
    let deletion = Deletion::stage(&locked, &scale, &marks)?;
    let mut columns = Columns::default();
    for (item_id, mark) in &marks {
        columns.push(user_id, item_id, *mark);
    }
    let changed = deletion.tallies.iter().map(|(item_id, tally)| (*item_id, tally));
    let current = write(connection, DELETE, columns, changed, &deletion.totals, slot).await?;
    Ok(Deleted { ratings: marks.len(), more: items.len() == ratings_max, current })
}

/// Locks items in the order of their ids, creating those that are new where a scale is given. Returns their tallies.
async fn lock_items(
    connection: &mut PgConnection,
    items: &[&[u8]],
    create: Option<&ScoreScale>,
) -> Result<HashMap<String, Tally>, Failure> {
    if let Some(scale) = create {
        let empty = vec![0i64; scale.bins()];
        sqlx::query(NEW_ITEMS).bind(items).bind(empty).execute(&mut *connection).await?;
    }
    let rows = sqlx::query(LOCK_ITEMS).bind(items).fetch_all(connection).await?;
    let tallies = rows.iter().map(|row| Ok((rows::id(row, "item_id")?, rows::tally(row)?)));
    Ok(tallies.collect::<Result<_, ReadError>>()?)
}

/// The current ratings among these pairs.
async fn marks<'a>(
    connection: &mut PgConnection,
    pairs: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
) -> Result<HashMap<Vec<u8>, Mark>, Failure> {
    let (users, items): (Vec<&[u8]>, Vec<&[u8]>) = pairs.into_iter().unzip();
    let rows = sqlx::query(MARKS).bind(users).bind(items).fetch_all(connection).await?;
    let marks = rows.iter().map(|row| {
        let key = pair_key(&rows::id(row, "user_id")?, &rows::id(row, "item_id")?);
        Ok((key, rows::mark(row)?))
    });
    Ok(marks.collect::<Result<_, ReadError>>()?)
}

/// Writes ratings, statistics and totals in one statement. Returns how many ratings there are then.
async fn write<'a>(
    connection: &mut PgConnection,
    statement: &'static str,
    columns: Columns<'_>,
    changed: impl Iterator<Item = (&'a str, &'a Tally)>,
    totals: &TallyChange,
    slot: i16,
) -> Result<u64, Failure> {
    let (mut ids, mut counts, mut sums, mut histograms) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (item_id, tally) in changed {
        ids.push(item_id.as_bytes());
        counts.push(tally.count().cast_signed());
        sums.push(bigint(tally.sum_micros, item_id)?);
        histograms.push(array_literal(&tally.histogram));
    }
    let before: i64 = sqlx::query_scalar(statement)
        .bind(columns.user_ids)
        .bind(columns.item_ids)
        .bind(columns.scores)
        .bind(columns.timestamps)
        .bind(ids)
        .bind(counts)
        .bind(sums)
        .bind(histograms)
        .bind(slot)
        .bind(totals.ratings())
        .bind(bigint(totals.sum_micros, "of all ratings")?)
        .fetch_one(connection)
        .await?;
    Ok((before + totals.ratings()).cast_unsigned())
}

fn bigint(sum_micros: i128, of: &str) -> Result<i64, Failure> {
    i64::try_from(sum_micros)
        .map_err(|_| Failure::Batch(format!("the sum of scores of {of} is beyond what a bigint holds")))
}

/// `unnest` takes arrays of arrays apart altogether, so histograms travel as text.
fn array_literal(bins: &[u64]) -> String {
    let bins: Vec<String> = bins.iter().map(u64::to_string).collect();
    format!("{{{}}}", bins.join(","))
}
