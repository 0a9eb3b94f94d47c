//! What can go wrong, one enum per operation, each message a sentence that says what to do.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A setting is impossible.
    #[error("the store settings are impossible: {0}")]
    Settings(String),
    /// Another process holds the folder.
    #[error("the store folder {folder} is in use by {holder}; stop it or choose another folder")]
    Locked {
        /// The folder asked for.
        folder: PathBuf,
        /// Who holds it, as far as it can be told: `process 4711` or `another process`.
        holder: String,
    },
    /// The folder or something in it may not be created or written.
    #[error(
        "the store folder {folder} cannot be written ({source}); give this user write access or choose another folder"
    )]
    NotWritable {
        /// The folder asked for.
        folder: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A file is where the folder, or one that it is in, should be.
    #[error(
        "the store folder {folder} cannot be made because a file of that name is in the way; choose another folder"
    )]
    NotAFolder {
        /// The folder asked for.
        folder: PathBuf,
    },
    /// There is no space for what a store needs to begin with.
    #[error(
        "the disk that holds the store folder {folder} is full ({source}); free some space and start again"
    )]
    DiskFull {
        /// The folder asked for.
        folder: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The folder holds something else.
    #[error(
        "the folder {folder} is not empty and holds no ratings store (found {found}); choose an empty folder"
    )]
    ForeignFolder {
        /// The folder asked for.
        folder: PathBuf,
        /// A file that does not belong to a store.
        found: String,
    },
    /// The store was written by a later version.
    #[error(
        "the store in {folder} has format {found}, this version reads up to {supported}; start the newer version that wrote it"
    )]
    NewerFormat {
        /// The folder asked for.
        folder: PathBuf,
        /// The format found.
        found: u32,
        /// The newest format this version reads.
        supported: u32,
    },
    /// The store was made for another range of scores.
    #[error(
        "the store in {place} was made for scores {made_for}, not {asked}; keep its score range, or export the ratings and import them into a new store"
    )]
    ScaleChanged {
        /// The folder or database.
        place: String,
        /// The scale the store was made for.
        made_for: String,
        /// The scale the settings ask for.
        asked: String,
    },
    /// The URL names no database. It is not repeated: it may hold a password.
    #[error("store.url cannot be used: {problem}")]
    Url {
        /// What is wrong with it.
        problem: String,
    },
    /// The database cannot be reached or used.
    #[error(
        "the store's {place} cannot be used: {problem}; check store.url, and that the database runs and lets this user create tables"
    )]
    Database {
        /// Host, port and database.
        place: String,
        /// What failed.
        problem: String,
    },
    /// The database holds tables of a later version.
    #[error(
        "the store's {place} has tables of version {found}, this version knows up to {supported}; start the newer version that made them"
    )]
    NewerTables {
        /// Host, port and database.
        place: String,
        /// The version found.
        found: usize,
        /// The newest version known.
        supported: usize,
    },
    /// What is on disk cannot be understood.
    #[error("the store in {folder} is damaged ({detail}); restore the folder from a backup")]
    Corrupted {
        /// The folder asked for.
        folder: PathBuf,
        /// What was found.
        detail: String,
    },
    /// The operating system gave no thread for the writer.
    #[error("the store's writer could not be started ({0}); raise the limit on threads")]
    Thread(io::Error),
    /// The operating system refused something else.
    #[error("{doing} {path} failed: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

/// Why ratings were not acknowledged, or not deleted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PutError {
    /// A rating would damage the store; nothing of its batch was stored.
    #[error("rating {index} of the batch cannot be stored: {problem}")]
    Invalid {
        /// Its position in the batch, from 0.
        index: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// An id no rating can have.
    #[error("{0}")]
    InvalidId(String),
    /// The batch can never be taken.
    #[error("a batch holds at most {ratings_max} ratings, not {ratings}; split it")]
    BatchTooLarge {
        /// How many ratings it holds.
        ratings: usize,
        /// How many it may hold.
        ratings_max: usize,
    },
    /// Too many ratings are waiting; nothing of the batch was stored.
    #[error("{ratings_waiting} ratings are waiting to be written; try again shortly")]
    QueueFull {
        /// How many ratings are waiting.
        ratings_waiting: usize,
    },
    /// The store is not writing at present; nothing of the batch was stored.
    #[error("ratings cannot be stored at present: {reason}")]
    Refusing {
        /// What keeps it from writing.
        reason: Arc<str>,
    },
    /// Writing failed. Whether the batch will be there later is unknown; putting it again is harmless. Of a
    /// deletion, a part may be done; deleting again is harmless.
    #[error("writing ratings failed: {reason}")]
    Failed {
        /// What failed.
        reason: Arc<str>,
    },
    /// The store was closed; nothing of the batch was stored.
    #[error("the store is closed")]
    Closed,
}

/// Why something could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// An id no rating can have.
    #[error("{0}")]
    InvalidId(String),
    /// The cursor belongs to another list.
    #[error("this cursor belongs to {0}; start again without a cursor")]
    CursorOfAnotherList(&'static str),
    /// A record could not be understood.
    #[error("a stored record is damaged: {0}")]
    Corrupted(String),
    /// The storage engine failed.
    #[error("reading ratings failed: {0}")]
    Engine(String),
    /// The store is coming back from a write failure and cannot be read for the moment.
    #[error("ratings cannot be read at present: {reason}")]
    Unavailable {
        /// What keeps it from reading.
        reason: Arc<str>,
    },
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}
