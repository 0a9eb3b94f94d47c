//! The tables, and how a database comes to have them: versions in order, each in one transaction with its number.
//!
//! | table | holds |
//! |---|---|
//! | `openclaw_store` | `format`: the version of these tables; `scale`: what the embedded store keeps under that name |
//! | `openclaw_ratings` | one row per current rating |
//! | `openclaw_items` | one row per item that ever had a rating; its lock serialises all changes of the item |
//! | `openclaw_totals` | what all ratings add up to, in parts |
//!
//! Ids are `bytea`: text columns refuse NUL and sort by the database's locale. Totals lie in several rows, of which
//! every writer adds to its own: one row would be locked by every commit of every replica until its sync. The driver's
//! own migrations lost: they need advisory locks, which not every database of this wire protocol has.

use sqlx::{Connection, PgConnection};

use super::failure::{explain, made_by_another};
use crate::error::OpenError;
use crate::layout::{decode_scale, encode_scale};
use crate::rating::ScoreScale;

/// Each brings the tables from the version of its position to the next.
const MIGRATIONS: [&str; 1] = ["CREATE TABLE openclaw_ratings (
        user_id bytea NOT NULL,
        item_id bytea NOT NULL,
        score_micros bigint NOT NULL,
        timestamp_ms bigint NOT NULL,
        PRIMARY KEY (user_id, item_id)
    );
    CREATE INDEX openclaw_ratings_by_item ON openclaw_ratings (item_id, user_id);
    CREATE TABLE openclaw_items (
        item_id bytea PRIMARY KEY,
        ratings bigint NOT NULL,
        sum_micros bigint NOT NULL,
        histogram bigint[] NOT NULL
    );
    CREATE INDEX openclaw_items_by_count ON openclaw_items (ratings DESC, item_id);
    CREATE INDEX openclaw_items_by_sum ON openclaw_items (ratings, sum_micros DESC, item_id);
    CREATE TABLE openclaw_totals (
        slot smallint PRIMARY KEY,
        ratings bigint NOT NULL,
        sum_micros bigint NOT NULL
    );"];

/// How often to begin again where another process creates the tables at the same moment.
const ATTEMPTS_MAX: usize = 20;

/// Makes sure that the tables are there, in this version, for this scale.
pub(super) async fn prepare(
    connection: &mut PgConnection,
    place: &str,
    scale: &ScoreScale,
) -> Result<(), OpenError> {
    let mut attempt = 1;
    loop {
        match migrate(connection, place, scale).await {
            Err(Unprepared::Sql(error)) if made_by_another(&error) && attempt < ATTEMPTS_MAX => attempt += 1,
            Err(Unprepared::Sql(error)) => {
                return Err(OpenError::Database { place: place.to_owned(), problem: explain(&error) });
            }
            Err(Unprepared::Refused(error)) => return Err(error),
            Ok(()) => return Ok(()),
        }
    }
}

enum Unprepared {
    Sql(sqlx::Error),
    Refused(OpenError),
}

impl From<sqlx::Error> for Unprepared {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

async fn migrate(connection: &mut PgConnection, place: &str, scale: &ScoreScale) -> Result<(), Unprepared> {
    // A store that is ready is only read, so that a replica's start needs no right to create tables.
    if let (Some(found), Some(made_for)) = read(connection).await? {
        check_version(found, place).map_err(Unprepared::Refused)?;
        if found == MIGRATIONS.len() {
            return check_scale(&made_for, place, scale).map_err(Unprepared::Refused);
        }
    }
    let mut transaction = connection.begin().await?;
    let create = "CREATE TABLE IF NOT EXISTS openclaw_store (key text PRIMARY KEY, value bytea NOT NULL)";
    sqlx::raw_sql(create).execute(&mut *transaction).await?;
    let first = "INSERT INTO openclaw_store VALUES ('format', '0'), ('scale', $1) ON CONFLICT DO NOTHING";
    sqlx::query(first).bind(encode_scale(scale)).execute(&mut *transaction).await?;
    // Whoever comes second waits here for the first.
    let lock = "SELECT value FROM openclaw_store WHERE key = 'format' FOR UPDATE";
    let value: Vec<u8> = sqlx::query_scalar(lock).fetch_one(&mut *transaction).await?;
    let found = parse_version(&value).unwrap_or(usize::MAX);
    check_version(found, place).map_err(Unprepared::Refused)?;
    for migration in MIGRATIONS.iter().skip(found) {
        sqlx::raw_sql(*migration).execute(&mut *transaction).await?;
    }
    let done = "UPDATE openclaw_store SET value = $1 WHERE key = 'format'";
    sqlx::query(done).bind(MIGRATIONS.len().to_string().into_bytes()).execute(&mut *transaction).await?;
    transaction.commit().await?;
    if found < MIGRATIONS.len() {
        tracing::info!(store = %place, from = found, to = MIGRATIONS.len(), "the store's tables were made ready");
    }
    match read(connection).await? {
        (_, Some(made_for)) => check_scale(&made_for, place, scale).map_err(Unprepared::Refused),
        (_, None) => Err(Unprepared::Refused(damaged(place, "its score scale is missing"))),
    }
}

/// The version and the scale, where there are any.
async fn read(connection: &mut PgConnection) -> Result<(Option<usize>, Option<Vec<u8>>), sqlx::Error> {
    let there = "SELECT to_regclass('openclaw_store') IS NOT NULL";
    if !sqlx::query_scalar(there).fetch_one(&mut *connection).await? {
        return Ok((None, None));
    }
    let rows: Vec<(String, Vec<u8>)> =
        sqlx::query_as("SELECT key, value FROM openclaw_store").fetch_all(connection).await?;
    let value = |key| rows.iter().find(|(found, _)| found == key).map(|(_, value)| value.clone());
    let version = value("format").map(|value| parse_version(&value).unwrap_or(usize::MAX));
    Ok((version, value("scale")))
}

fn parse_version(value: &[u8]) -> Option<usize> {
    str::from_utf8(value).ok()?.parse().ok()
}

fn check_version(found: usize, place: &str) -> Result<(), OpenError> {
    match found {
        found if found <= MIGRATIONS.len() => Ok(()),
        usize::MAX => Err(damaged(place, "the version of its tables cannot be read")),
        found => Err(OpenError::NewerTables { place: place.to_owned(), found, supported: MIGRATIONS.len() }),
    }
}

fn check_scale(made_for: &[u8], place: &str, asked: &ScoreScale) -> Result<(), OpenError> {
    let made_for = decode_scale(made_for).ok_or_else(|| damaged(place, "its score scale"))?;
    if made_for == *asked {
        return Ok(());
    }
    Err(OpenError::ScaleChanged {
        place: place.to_owned(),
        made_for: made_for.to_string(),
        asked: asked.to_string(),
    })
}

fn damaged(place: &str, what: &str) -> OpenError {
    OpenError::Database { place: place.to_owned(), problem: format!("the store in it is damaged: {what}") }
}
