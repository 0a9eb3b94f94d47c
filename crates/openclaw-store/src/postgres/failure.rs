//! What a failed statement means: try the commit again, blame a batch, or take the database for out of reach.

use std::borrow::Cow;

use crate::error::ReadError;

/// What to do about a failed commit.
#[derive(Debug)]
pub(super) enum Failure {
    /// Another transaction was in the way; nothing was written, and trying again is the cure.
    Conflict(String),
    /// The batch is at fault, or what is kept about it; nothing was written.
    Batch(String),
    /// The database is out of reach or takes no writes.
    Database(String),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        let words = explain(&error);
        match sqlstate(&error).as_deref() {
            // Serialization failure, deadlock.
            Some("40001" | "40P01") => Self::Conflict(words),
            // What the values say, and what they violate.
            Some(code) if code.starts_with("22") || code.starts_with("23") => Self::Batch(words),
            _ => Self::Database(words),
        }
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        Self::Batch(error.to_string())
    }
}

impl From<sqlx::Error> for ReadError {
    fn from(error: sqlx::Error) -> Self {
        let words = explain(&error);
        match (&error, sqlstate(&error)) {
            // A query that the database understands and refuses is no outage: out-of-range values, missing tables.
            (_, Some(code)) if code.starts_with("22") || code.starts_with("42") => Self::Engine(words),
            (sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_), _) => Self::Corrupted(words),
            _ => Self::Unavailable { reason: words.into() },
        }
    }
}

/// One sentence for operators. Neither the driver's errors nor the server's messages hold the URL.
pub(super) fn explain(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => match error.code() {
            Some(code) => format!("the database refused: {} (SQLSTATE {code})", error.message()),
            None => format!("the database refused: {}", error.message()),
        },
        sqlx::Error::Io(error) => format!("the connection to the database failed ({error})"),
        sqlx::Error::PoolTimedOut => "no connection to the database was to be had in time".to_owned(),
        other => format!("the database connection failed ({other})"),
    }
}

fn sqlstate(error: &sqlx::Error) -> Option<Cow<'_, str>> {
    error.as_database_error()?.code()
}

/// Whether another process created the same thing at the same moment.
pub(super) fn made_by_another(error: &sqlx::Error) -> bool {
    // Unique violation in the catalogue, duplicate table, duplicate object.
    matches!(sqlstate(error).as_deref(), Some("23505" | "42P07" | "42710" | "40001" | "40P01"))
}
