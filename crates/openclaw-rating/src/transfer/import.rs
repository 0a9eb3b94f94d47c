//! Files into the store: one thread reads and parses the next batches while the store syncs the one before.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use openclaw_protocol::RatingRules;
use openclaw_store::{NewRating, Put, PutError, Store};
use serde::Serialize;
use tokio::sync::mpsc;

use super::format::Format;
use super::mark::{Counts, Mark, MarkError};
use super::record::Place;
use super::row::{BadRow, ReadError, Row, RowReader};

/// Bytes read from a file at once.
const READ_BYTES: usize = 64 * 1024;
/// Parsed batches that may wait for the store.
const BATCHES_WAITING_MAX: usize = 2;

/// What is imported.
#[derive(Clone, Debug)]
pub struct Source {
    /// The file; standard input where there is none.
    pub path: Option<PathBuf>,
    /// How it holds ratings.
    pub format: Format,
}

impl Source {
    /// What to call it.
    #[must_use]
    pub fn name(&self) -> String {
        self.path.as_deref().map_or_else(|| "standard input".to_owned(), |path| path.display().to_string())
    }
}

/// How to import.
#[derive(Clone, Debug)]
pub struct ImportSettings {
    /// What a rating must satisfy.
    pub rules: RatingRules,
    /// When the import began, in ms since the epoch: the timestamp of ratings that have none.
    pub arrival_ms: u64,
    /// Ratings in one batch, and so in one sync, at most.
    pub batch_max: usize,
}

/// How far an import has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advance {
    /// Bytes of the file that are done with.
    pub bytes: u64,
    /// Its ratings that are stored.
    pub ratings: u64,
    /// Its records that are no ratings.
    pub bad: u64,
}

/// Who is told what an import does.
pub trait Observer {
    /// A record is no rating.
    fn bad_row(&mut self, source: &Source, row: &BadRow);

    /// A batch is stored. `Break` ends the import; it can be resumed.
    fn advanced(&mut self, advance: &Advance) -> ControlFlow<()>;

    /// The place cannot be recorded, so that the import could not be resumed.
    fn unrecorded(&mut self, source: &Source, reason: &io::Error);
}

/// What became of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Which file.
    pub file: String,
    /// Its format.
    pub format: &'static str,
    /// Lines read, those of an interrupted import included.
    pub lines: u64,
    /// Ratings that are durable.
    pub ratings: u64,
    /// Those of them that are not current, because a newer one stands.
    pub superseded: u64,
    /// Records that are no ratings.
    pub bad: u64,
    /// The line after which this import went on where an earlier one was interrupted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resumed_after_line: Option<u64>,
    /// Whether the whole file was read.
    pub complete: bool,
}

/// Why an import ended early.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be read on.
    #[error("{name}: {source}")]
    Read {
        /// Which file.
        name: String,
        /// Why.
        source: ReadError,
    },
    /// The store takes no more.
    #[error("{name}: the ratings up to line {line} could not be stored: {source}")]
    Store {
        /// Which file.
        name: String,
        /// The last line of the batch.
        line: u64,
        /// Why.
        source: PutError,
    },
    /// An interrupted import cannot go on.
    #[error(transparent)]
    Mark(#[from] MarkError),
}

/// A piece of a file, parsed.
#[derive(Debug, Default)]
struct Batch {
    ratings: Vec<NewRating>,
    bad: Vec<BadRow>,
    place: Place,
}

/// Reads the whole file and stores nothing; tells `on_bad` of every record that is no rating.
///
/// # Errors
/// [`ImportError::Read`].
pub fn check(
    path: &Path,
    format: Format,
    settings: &ImportSettings,
    mut on_bad: impl FnMut(&BadRow),
) -> Result<(), ImportError> {
    let failed = |source| ImportError::Read { name: path.display().to_string(), source };
    let mut reader = open(path, format, settings).map_err(failed)?;
    while let Some(row) = reader.next_row().map_err(failed)? {
        if let Row::Bad(bad) = row {
            on_bad(&bad);
        }
    }
    Ok(())
}

/// Puts every rating of `source` into `store`. With `resume` it goes on where an interrupted import of the same file
/// was. Putting a rating again changes nothing, so repeating an import is harmless.
///
/// # Errors
/// [`ImportError`]; what was stored before stays, and can be resumed behind.
pub async fn import(
    store: &Store,
    source: &Source,
    settings: &ImportSettings,
    resume: bool,
    observer: &mut impl Observer,
) -> Result<Summary, ImportError> {
    let mark = match &source.path {
        Some(path) if resume => Mark::read(path)?,
        _ => None,
    };
    let mut counts = mark.as_ref().map_or_else(Counts::default, |mark| mark.counts);
    let mut place = mark.as_ref().map_or_else(Place::default, Mark::place);
    let resumed_after_line = mark.as_ref().map(|mark| mark.place().lines);
    let mut batches = read_batches(source.clone(), settings.clone(), mark.map(|mark| mark.place()));
    let mut recording = true;
    let mut complete = true;
    while let Some(batch) = batches.recv().await {
        let batch =
            batch.map_err(|source_error| ImportError::Read { name: source.name(), source: source_error })?;
        batch.bad.iter().for_each(|row| observer.bad_row(source, row));
        (counts.bad, counts.ratings) =
            (counts.bad + batch.bad.len() as u64, counts.ratings + batch.ratings.len() as u64);
        let puts = store.put(batch.ratings).await;
        let line = batch.place.lines;
        let puts = puts.map_err(|error| ImportError::Store { name: source.name(), line, source: error })?;
        counts.superseded += puts.iter().filter(|put| **put == Put::Superseded).count() as u64;
        place = batch.place;
        if let (Some(path), true) = (&source.path, recording) {
            recording = Mark::write(path, place, counts)
                .inspect_err(|reason| observer.unrecorded(source, reason))
                .is_ok();
        }
        let advance = Advance { bytes: place.bytes, ratings: counts.ratings, bad: counts.bad };
        if observer.advanced(&advance).is_break() {
            complete = false;
            break;
        }
    }
    if let (Some(path), true) = (&source.path, complete)
        && let Err(reason) = Mark::remove(path)
    {
        observer.unrecorded(source, &reason);
    }
    let Counts { ratings, superseded, bad } = counts;
    let (file, format, lines) = (source.name(), source.format.name(), place.lines);
    Ok(Summary { file, format, lines, ratings, superseded, bad, resumed_after_line, complete })
}

/// Reads on a thread of its own until all is read, a failure is handed over, or nobody takes batches any more.
fn read_batches(
    source: Source,
    settings: ImportSettings,
    from: Option<Place>,
) -> mpsc::Receiver<Result<Batch, ReadError>> {
    let (sender, receiver) = mpsc::channel(BATCHES_WAITING_MAX);
    tokio::task::spawn_blocking(move || {
        let read = || match &source.path {
            Some(path) => {
                let mut reader = open(path, source.format, &settings)?;
                from.map_or(Ok(()), |place| reader.skip_to(place))?;
                send_batches(reader, settings.batch_max, &sender)
            }
            None => {
                let reader = io::stdin().lock();
                let reader =
                    RowReader::new(reader, source.format, settings.rules.clone(), settings.arrival_ms);
                send_batches(reader, settings.batch_max, &sender)
            }
        };
        if let Err(error) = read() {
            // Nobody is left to tell.
            let _ = sender.blocking_send(Err(error));
        }
    });
    receiver
}

fn open(
    path: &Path,
    format: Format,
    settings: &ImportSettings,
) -> Result<RowReader<BufReader<File>>, ReadError> {
    let reader = BufReader::with_capacity(READ_BYTES, File::open(path)?);
    Ok(RowReader::new(reader, format, settings.rules.clone(), settings.arrival_ms))
}

fn send_batches<R: BufRead>(
    mut reader: RowReader<R>,
    batch_max: usize,
    sender: &mpsc::Sender<Result<Batch, ReadError>>,
) -> Result<(), ReadError> {
    let mut batch = Batch::default();
    loop {
        let row = reader.next_row()?;
        let at_end = row.is_none();
        match row {
            Some(Row::Rating(rating)) => batch.ratings.push(rating),
            Some(Row::Bad(bad)) => batch.bad.push(bad),
            None => {}
        }
        let is_full = batch.ratings.len() + batch.bad.len() >= batch_max.max(1);
        if is_full || at_end {
            batch.place = reader.place();
            if sender.blocking_send(Ok(std::mem::take(&mut batch))).is_err() || at_end {
                return Ok(());
            }
        }
    }
}
