//! The one thread that writes: it takes every batch that waits, makes one commit with one sync of them,
//! and only then answers each caller.
//!
//! One writer makes read-modify-write of the statistics trivially correct, and group commit makes it
//! fast: while one sync runs, the next group gathers. Locks per item with a sync per caller lost: a disk
//! does a few hundred to a few thousand syncs a second, whoever asks.
//!
//! After a failure the engine trusts nothing and takes no more writes. The writer then refuses ratings
//! with the reason, proves every so often that the disk takes bytes again, and reopens the engine, which
//! goes back to what was synced. Readers go on with the old engine until that moment.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::deletion::delete_some;
use crate::error::{PutError, ReadError};
use crate::metering;
use crate::queue::{DeleteJob, Job, PutJob, Taken};
use crate::rating::Put;
use crate::staging::{CommitError, Staging};
use crate::store::{Health, Shared};

/// How long the idle writer sleeps before it looks around.
const IDLE: Duration = Duration::from_secs(3600);

/// Runs until the queue is closed and empty.
pub(crate) fn run(shared: &Shared) {
    let _gone = SayGone(shared);
    loop {
        let refusing = shared.refusing();
        let timeout = if refusing.is_some() { shared.settings.retry_interval } else { IDLE };
        let taken = shared.queue.take(shared.settings.commit_ratings_max, timeout);
        metering::waiting(shared.queue.ratings_waiting());
        match (taken, refusing) {
            (Taken::Closed, _) => return,
            (Taken::Jobs(jobs), None) => work_through(shared, jobs),
            (Taken::Jobs(jobs), Some(reason)) => refuse(jobs, &PutError::Refusing { reason }),
            (Taken::Nothing, None) => {}
            (Taken::Nothing, Some(_)) => try_again(shared),
        }
    }
}

/// Tells callers and readers if the writer ends in any way but closing.
struct SayGone<'a>(&'a Shared);

impl Drop for SayGone<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.start_refusing("the writer stopped unexpectedly; restart the service".into());
        }
        self.0.queue.abandon();
    }
}

/// Why a group was not committed.
enum GroupError {
    /// Something could not be read, before anything was written.
    Read(ReadError),
    /// Writing or syncing failed; the engine takes no more writes.
    Write(String),
}

impl From<CommitError> for GroupError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Read(error) => Self::Read(error),
            CommitError::Write(error) => Self::Write(explain(&error)),
        }
    }
}

/// Batches next to each other share a commit; a deletion stands by itself, after all that came before it.
fn work_through(shared: &Shared, jobs: Vec<Job>) {
    let mut group = Vec::with_capacity(jobs.len());
    for job in jobs {
        match job {
            Job::Put(put) => group.push(put),
            Job::Delete(deletion) => {
                commit(shared, std::mem::take(&mut group));
                delete(shared, deletion);
            }
        }
    }
    commit(shared, group);
}

fn commit(shared: &Shared, jobs: Vec<PutJob>) {
    if jobs.is_empty() {
        return;
    }
    if let Some(reason) = shared.refusing() {
        return refuse_puts(jobs, &PutError::Refusing { reason });
    }
    let started = Instant::now();
    match guarded(|| commit_group(shared, &jobs, started)) {
        Ok(results) => {
            for (job, result) in jobs.into_iter().zip(results) {
                // A caller that went away does not need the answer; its ratings are stored all the same.
                let _ = job.reply.send(Ok(result));
            }
        }
        // One damaged record must not take its neighbours in the group down with it.
        Err(GroupError::Read(_)) if jobs.len() > 1 => {
            for job in jobs {
                commit(shared, vec![job]);
            }
        }
        Err(error) => refuse_puts(jobs, &failed(shared, error)),
    }
}

fn commit_group(shared: &Shared, jobs: &[PutJob], started: Instant) -> Result<Vec<Vec<Put>>, GroupError> {
    let engine = shared.engine.read();
    let Some(engine) = engine.as_ref() else { return Err(closed()) };
    let mut staging = Staging::new(engine, shared.settings.scale).map_err(GroupError::Read)?;
    let mut results = Vec::with_capacity(jobs.len());
    for job in jobs {
        let puts: Result<Vec<_>, _> = job.ratings.iter().map(|rating| staging.put(rating)).collect();
        results.push(puts.map_err(GroupError::Read)?);
    }
    let (stored, superseded) = (staging.stored, staging.superseded);
    let current = staging.commit()?;
    metering::committed(stored, superseded, started.elapsed(), current);
    Ok(results)
}

fn delete(shared: &Shared, DeleteJob { user_id, reply }: DeleteJob) {
    let answer = match shared.refusing() {
        Some(reason) => Err(PutError::Refusing { reason }),
        None => guarded(|| delete_all(shared, &user_id)).map_err(|error| failed(shared, error)),
    };
    let _ = reply.send(answer);
}

/// Deletes commit by commit; whoever reads in between finds a part of them gone.
fn delete_all(shared: &Shared, user_id: &str) -> Result<u64, GroupError> {
    let mut deleted = 0;
    loop {
        let engine = shared.engine.read();
        let Some(engine) = engine.as_ref() else { return Err(closed()) };
        let ratings_max = shared.settings.commit_ratings_max;
        let (some, current) = delete_some(engine, &shared.settings.scale, user_id, ratings_max)?;
        metering::deleted(some as u64, current);
        deleted += some as u64;
        if some < ratings_max {
            return Ok(deleted);
        }
    }
}

/// The engine asserts what it expects of its files; that must not end the writer.
fn guarded<T>(work: impl FnOnce() -> Result<T, GroupError>) -> Result<T, GroupError> {
    let panicked = |_| Err(GroupError::Write("the storage engine panicked".to_owned()));
    std::panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(panicked)
}

fn closed() -> GroupError {
    GroupError::Write("the engine is closed".into())
}

/// What to answer; where writing failed, nothing is taken from here on.
fn failed(shared: &Shared, error: GroupError) -> PutError {
    match error {
        GroupError::Read(error) => PutError::Failed { reason: error.to_string().into() },
        GroupError::Write(reason) => {
            let reason: Arc<str> = reason.into();
            tracing::error!(%reason, folder = %shared.folder.path().display(), "ratings are refused until the folder can be written again");
            metering::commit_failed();
            shared.start_refusing(Arc::clone(&reason));
            PutError::Failed { reason }
        }
    }
}

fn refuse(jobs: Vec<Job>, error: &PutError) {
    for job in jobs {
        match job {
            Job::Put(put) => refuse_puts(vec![put], error),
            Job::Delete(DeleteJob { reply, .. }) => {
                let _ = reply.send(Err(error.clone()));
            }
        }
    }
}

fn refuse_puts(jobs: Vec<PutJob>, error: &PutError) {
    let reason = if matches!(error, PutError::Failed { .. }) { "failed" } else { "refusing" };
    for job in jobs {
        metering::refused(reason, job.ratings.len());
        let _ = job.reply.send(Err(error.clone()));
    }
}

/// Reopens the engine once the folder takes bytes again.
fn try_again(shared: &Shared) {
    if let Err(error) = shared.folder.probe() {
        shared.start_refusing(explain_io(&error).into());
        return;
    }
    // Waits for the readers of the moment, which are short, and keeps new ones waiting until reopened.
    let mut engine = shared.engine.write();
    *engine = None;
    match shared.folder.open_engine(&shared.settings) {
        Ok(reopened) => {
            *engine = Some(reopened);
            drop(engine);
            tracing::info!(folder = %shared.folder.path().display(), "ratings are stored again");
            shared.set_health(Health::Ready);
        }
        Err(error) => {
            drop(engine);
            tracing::error!(%error, "the store could not be reopened");
            shared.start_refusing(error.to_string().into());
        }
    }
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
