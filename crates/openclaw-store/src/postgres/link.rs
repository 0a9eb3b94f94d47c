//! The writer's own connection: one transaction per commit, begun again where another was in the way, and replaced
//! where it broke.
//!
//! It lives on the writer's thread with a runtime of its own, so that a service whose runtime is busy or ending still
//! has its ratings written.

use std::time::Duration;

use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use super::address::Address;
use super::commit;
use super::failure::{Failure, explain};
use super::schema;
use crate::error::OpenError;
use crate::queue::PutJob;
use crate::rating::ScoreScale;
use crate::writer::{CommitError, Commits, Committed, Deleted};

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long one commit may take before its connection is given up: far beyond any that works, but not for ever
/// where a network swallows packets.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(30);

/// How often to ask an idle connection whether it still works, so that an outage is known before the next rating.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// How often one commit is tried where others are in its way.
const ATTEMPTS_MAX: u32 = 12;

/// The pause after the first conflict; it doubles up to 32-fold.
const CONFLICT_PAUSE: Duration = Duration::from_millis(2);

/// In how many rows the totals lie; with fewer replicas than that, they rarely wait for each other.
const TOTALS_SLOTS: i32 = 64;

/// A writer that vanishes amid a transaction must not keep its items locked.
const SESSION: &str = "SET idle_in_transaction_session_timeout = '60s'";

/// The writer's link to the database.
pub(crate) struct Link {
    runtime: Runtime,
    address: Address,
    scale: ScoreScale,
    open: Option<Open>,
}

/// A connection, and the row of the totals that it adds to.
struct Open {
    connection: PgConnection,
    slot: i16,
}

impl Link {
    /// Connects and makes sure that the tables are there. Blocks; call it where that is allowed.
    pub(super) fn open(address: Address, scale: ScoreScale) -> Result<Self, OpenError> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
                OpenError::Database {
                    place: address.place.clone(),
                    problem: format!("no runtime for its connection: {error}"),
                }
            })?;
        let mut link = Self { runtime, address, scale, open: None };
        link.open = Some(link.connect()?);
        Ok(link)
    }

    fn connect(&self) -> Result<Open, OpenError> {
        let Address { options, place } = &self.address;
        let failed = |problem| OpenError::Database { place: place.clone(), problem };
        self.runtime.block_on(async {
            let connection = timeout(CONNECT_TIMEOUT, options.connect()).await;
            let mut connection = connection
                .map_err(|_| failed(format!("no connection within {} s", CONNECT_TIMEOUT.as_secs())))?
                .map_err(|error| failed(explain(&error)))?;
            let prepared =
                timeout(COMMIT_TIMEOUT, schema::prepare(&mut connection, place, &self.scale)).await;
            prepared.map_err(|_| failed("its tables could not be made ready in time".to_owned()))??;
            let slot = settle(&mut connection, place).await.map_err(|error| failed(explain(&error)))?;
            let slot =
                slot.ok_or_else(|| failed("it takes only reads: a standby, or made read-only".into()))?;
            Ok(Open { connection, slot })
        })
    }

    /// Runs a transaction to its commit, again and again where others are in its way.
    fn transact<T>(
        &mut self,
        mut work: impl AsyncFnMut(&mut PgConnection, i16) -> Result<T, Failure>,
    ) -> Result<T, CommitError> {
        let mut pause = CONFLICT_PAUSE;
        let mut fresh = self.open.is_none();
        for attempt in 1.. {
            let mut open = match self.open.take() {
                Some(open) => open,
                None => self.connect().map_err(|error| CommitError::Backend(error.to_string()))?,
            };
            let once = async { timeout(COMMIT_TIMEOUT, once(&mut open, &mut work)).await };
            let outcome = self.runtime.block_on(once);
            match outcome {
                Ok(Ok(done)) => {
                    self.open = Some(open);
                    return Ok(done);
                }
                Ok(Err(Undone::NotBegun(error))) => {
                    if fresh {
                        return Err(CommitError::Backend(explain(&error)));
                    }
                    // The connection broke while it was idle; nothing was sent, so a new one may take it.
                    fresh = true;
                }
                Ok(Err(Undone::Failed(Failure::Conflict(words)))) => {
                    self.open = Some(open);
                    if attempt == ATTEMPTS_MAX {
                        return Err(CommitError::Batch(words));
                    }
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(CONFLICT_PAUSE * 32);
                }
                Ok(Err(Undone::Failed(Failure::Batch(words)))) => {
                    self.open = Some(open);
                    return Err(CommitError::Batch(words));
                }
                Ok(Err(Undone::Failed(Failure::Database(words)))) => return Err(CommitError::Backend(words)),
                Err(_) => {
                    let words = format!("the database did not answer within {} s", COMMIT_TIMEOUT.as_secs());
                    return Err(CommitError::Backend(words));
                }
            }
        }
        Err(CommitError::Backend("no attempt was made".to_owned()))
    }
}

/// Why one attempt did not commit.
enum Undone {
    /// The connection did not even take the beginning.
    NotBegun(sqlx::Error),
    Failed(Failure),
}

impl From<Failure> for Undone {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

async fn once<T>(
    open: &mut Open,
    work: &mut impl AsyncFnMut(&mut PgConnection, i16) -> Result<T, Failure>,
) -> Result<T, Undone> {
    let Open { connection, slot } = open;
    let mut transaction = connection.begin().await.map_err(Undone::NotBegun)?;
    // Dropped on the way out, a transaction is rolled back before the connection does anything else.
    let done = work(&mut transaction, *slot).await?;
    transaction.commit().await.map_err(Failure::from)?;
    Ok(done)
}

/// Makes a connection the writer's, and picks its row of the totals; `None` where nothing can be written.
async fn settle(connection: &mut PgConnection, place: &str) -> Result<Option<i16>, sqlx::Error> {
    let read_only = "SELECT coalesce(current_setting('transaction_read_only', true), 'off') = 'on'";
    if sqlx::query_scalar(read_only).fetch_one(&mut *connection).await? {
        return Ok(None);
    }
    sqlx::raw_sql(SESSION).execute(&mut *connection).await?;
    let durable = "SELECT coalesce(current_setting('synchronous_commit', true), 'on')";
    let durable: String = sqlx::query_scalar(durable).fetch_one(&mut *connection).await?;
    if durable == "off" {
        // An acknowledgement means durable here, whatever other users of the database settle for.
        tracing::info!(store = %place, "synchronous_commit is off in this database; it is on for ratings");
        sqlx::raw_sql("SET synchronous_commit = on").execute(&mut *connection).await?;
    }
    let process: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(connection).await?;
    Ok(Some(i16::try_from(process.rem_euclid(TOTALS_SLOTS)).unwrap_or(0)))
}

impl Commits for Link {
    fn commit(&mut self, jobs: &[PutJob]) -> Result<Committed, CommitError> {
        let scale = self.scale;
        self.transact(async |connection, slot| commit::put(connection, jobs, scale, slot).await)
    }

    fn delete_some(&mut self, user_id: &str, ratings_max: usize) -> Result<Deleted, CommitError> {
        let scale = self.scale;
        self.transact(async |connection, slot| {
            commit::delete_some(connection, user_id, ratings_max, scale, slot).await
        })
    }

    fn recover(&mut self) -> Result<(), String> {
        self.open = Some(self.connect().map_err(|error| error.to_string())?);
        Ok(())
    }

    fn check_interval(&self) -> Duration {
        CHECK_INTERVAL
    }

    fn check(&mut self) -> Result<(), String> {
        if let Some(open) = &mut self.open {
            let ping = async { timeout(CONNECT_TIMEOUT, open.connection.ping()).await };
            if matches!(self.runtime.block_on(ping), Ok(Ok(()))) {
                return Ok(());
            }
        }
        // A restart of the database is over by now; only an outage is worth refusing ratings.
        self.open = None;
        self.recover()
    }

    fn place(&self) -> String {
        self.address.place.clone()
    }
}
