//! The embedded backend: a folder on this machine, an engine in it, and how it comes back after a failed write.
//!
//! After a failure the engine trusts nothing and takes no more writes. The writer then proves every so often that
//! the disk takes bytes again, and reopens the engine, which goes back to what was synced. Readers go on with the
//! old engine until that moment.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;

use crate::cursor::List;
use crate::deletion::Deletion;
use crate::engine::Engine;
use crate::error::{OpenError, ReadError};
use crate::folder::Folder;
use crate::layout::Mark;
use crate::queue::PutJob;
use crate::settings::StoreSettings;
use crate::shared::{Health, Shared};
use crate::staging::{Change, Kept, Staging};
use crate::tally::Tally;
use crate::writer::{CommitError, Commits, Committed, Deleted};

/// Nothing but a write can find out that a disk fails, so the idle writer sleeps long.
const CHECK_INTERVAL: Duration = Duration::from_secs(3600);

/// A store's folder and its engine.
#[derive(Debug)]
pub(crate) struct Embedded {
    folder: Folder,
    settings: StoreSettings,
    /// `None` while it is being reopened and after closing.
    engine: RwLock<Option<Engine>>,
}

impl Embedded {
    /// Opens the store in this folder, creating it where there is none. Returns how many ratings it holds, too.
    pub(crate) fn open(folder: &Path, settings: &StoreSettings) -> Result<(Self, u64), OpenError> {
        let folder = Folder::acquire(folder)?;
        folder.prepare(settings)?;
        let engine = folder.open_engine(settings)?;
        let damaged = |error: ReadError| folder.corrupted(error.to_string());
        let made_for = engine.scale().map_err(damaged)?;
        if made_for != settings.scale {
            return Err(OpenError::ScaleChanged {
                place: format!("folder {}", folder.path().display()),
                made_for: made_for.to_string(),
                asked: settings.scale.to_string(),
            });
        }
        let ratings = engine.totals().count();
        let settings = settings.clone();
        Ok((Self { folder, settings, engine: RwLock::new(Some(engine)) }, ratings))
    }

    /// Reads on a thread that may wait for the disk.
    pub(crate) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        shared: &Arc<Shared>,
        read: impl FnOnce(&Engine) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let (embedded, shared) = (Arc::clone(self), Arc::clone(shared));
        let task = tokio::task::spawn_blocking(move || match &*embedded.engine.read() {
            Some(engine) => read(engine),
            None => Err(shared.unreadable()),
        });
        task.await.unwrap_or_else(|error| Err(ReadError::Engine(format!("the read did not finish: {error}"))))
    }

    /// Closes the engine and lets go of the folder.
    pub(crate) fn close(&self, before: &Health) {
        drop(self.engine.write().take());
        self.folder.release(*before == Health::Ready);
    }
}

impl Commits for Arc<Embedded> {
    fn commit(&mut self, jobs: &[PutJob]) -> Result<Committed, CommitError> {
        let engine = self.engine.read();
        let engine = engine.as_ref().ok_or_else(closed)?;
        let mut staging = Staging::of(jobs, engine, &self.settings.scale)?;
        let mut totals = engine.totals();
        totals.apply(&staging.totals);
        let ratings_total = totals.count();
        if !staging.by_user.is_empty() {
            let mut commit = engine.commit(2 * staging.by_user.len());
            for Change { user_id, item_id, mark, .. } in &staging.by_user {
                commit.put_mark(List::OfUser, user_id, item_id, *mark);
            }
            for Change { user_id, item_id, mark, .. } in staging.changes_by_item() {
                commit.put_mark(List::OfItem, user_id, item_id, *mark);
            }
            commit.finish(std::mem::take(&mut staging.tallies), totals)?;
        }
        let Staging { puts, stored, superseded, .. } = staging;
        Ok(Committed { puts, stored, superseded, current: ratings_total })
    }

    fn delete_some(&mut self, user_id: &str, ratings_max: usize) -> Result<Deleted, CommitError> {
        let engine = self.engine.read();
        let engine = engine.as_ref().ok_or_else(closed)?;
        let marks = engine.marks_of_user(user_id, ratings_max)?;
        let deletion = Deletion::stage(engine, &self.settings.scale, &marks)?;
        let mut totals = engine.totals();
        totals.apply(&deletion.totals);
        let ratings_total = totals.count();
        if !marks.is_empty() {
            let mut commit = engine.commit(2 * marks.len());
            for (item_id, _) in &marks {
                commit.remove_mark(user_id, item_id);
            }
            commit.finish(deletion.tallies, totals)?;
        }
        let more = marks.len() == ratings_max;
        Ok(Deleted { ratings: marks.len(), more, current: ratings_total })
    }

    fn recover(&mut self) -> Result<(), String> {
        self.folder.probe().map_err(|error| explain_io(&error))?;
        // Waits for the readers of the moment, which are short, and keeps new ones waiting until reopened.
        let mut engine = self.engine.write();
        *engine = None;
        *engine = Some(self.folder.open_engine(&self.settings).map_err(|error| error.to_string())?);
        Ok(())
    }

    fn check_interval(&self) -> Duration {
        CHECK_INTERVAL
    }

    fn check(&mut self) -> Result<(), String> {
        Ok(())
    }

    fn place(&self) -> String {
        self.folder.path().display().to_string()
    }
}

impl Kept for Engine {
    fn marks(&self, pairs: &[(&str, &str)]) -> Result<Vec<Option<Mark>>, ReadError> {
        pairs.iter().map(|(user_id, item_id)| self.mark_before(user_id, item_id)).collect()
    }

    fn tally(&self, item_id: &str) -> Result<Option<Tally>, ReadError> {
        self.take_tally(item_id)
    }
}

impl From<ReadError> for CommitError {
    fn from(error: ReadError) -> Self {
        Self::Batch(error.to_string())
    }
}

impl From<fjall::Error> for CommitError {
    fn from(error: fjall::Error) -> Self {
        Self::Backend(explain(&error))
    }
}

fn closed() -> CommitError {
    CommitError::Backend("the engine is closed".to_owned())
}

/// One sentence for what the engine reports as a debug dump.
fn explain(error: &fjall::Error) -> String {
    match error {
        fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error)) => explain_io(error),
        fjall::Error::Poisoned => {
            "the storage engine met a write error in the background and takes no more writes".to_owned()
        }
        other => other.to_string(),
    }
}

fn explain_io(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            format!("the disk is full ({error}); free space and writing resumes by itself")
        }
        _ => format!("writing to the disk failed ({error})"),
    }
}
