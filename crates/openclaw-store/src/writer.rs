//! The one thread that writes: it takes every batch that waits, makes one commit with one sync of them,
//! and only then answers each caller.
//!
//! One writer makes read-modify-write of the statistics trivially correct, and group commit makes it
//! fast: while one sync runs, the next group gathers. Locks per item with a sync per caller lost: a disk
//! does a few hundred to a few thousand syncs a second, whoever asks.
//!
//! After a failure the writer refuses ratings with the reason, and tries every so often whether the backend
//! works again. What a commit and a recovery are is the backend's matter: [`Commits`].

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::PutError;
use crate::metering;
use crate::queue::{DeleteJob, Job, PutJob, Taken};
use crate::rating::Put;
use crate::shared::{Health, Shared};

/// Where the writer's commits go. Called from the writer's thread, where waiting is allowed.
pub(crate) trait Commits {
    /// Stores batches in their order, all of them or none, and returns once that is durable.
    fn commit(&mut self, jobs: &[PutJob]) -> Result<Committed, CommitError>;

    /// Deletes up to so many ratings of a user, and returns once that is durable.
    fn delete_some(&mut self, user_id: &str, ratings_max: usize) -> Result<Deleted, CommitError>;

    /// Tries to bring the backend back after a failure.
    fn recover(&mut self) -> Result<(), String>;

    /// How often to call [`Commits::check`] while nothing is to be written.
    fn check_interval(&self) -> Duration;

    /// Whether writing would work, as far as can be told without it.
    fn check(&mut self) -> Result<(), String>;

    /// Where the ratings are, for operators.
    fn place(&self) -> String;
}

/// A commit that is durable.
pub(crate) struct Committed {
    /// What became of each batch's ratings.
    pub(crate) puts: Vec<Vec<Put>>,
    pub(crate) stored: u64,
    pub(crate) superseded: u64,
    /// How many current ratings there are.
    pub(crate) current: u64,
}

/// A part of a deletion that is durable.
pub(crate) struct Deleted {
    /// How many ratings went.
    pub(crate) ratings: usize,
    /// Whether the user may have more.
    pub(crate) more: bool,
    /// How many current ratings of all users there are.
    pub(crate) current: u64,
}

/// Why nothing was committed.
pub(crate) enum CommitError {
    /// Something in a batch, or what is kept about it, is at fault; nothing was written.
    Batch(String),
    /// The backend takes no more writes; whether these were made is unknown.
    Backend(String),
}

/// Runs until the queue is closed and empty.
pub(crate) fn run(shared: &Shared, backend: &mut impl Commits) {
    let _gone = SayGone(shared);
    loop {
        let refusing = shared.refusing();
        let pause =
            if refusing.is_some() { shared.settings.retry_interval } else { backend.check_interval() };
        let taken = shared.queue.take(shared.settings.commit_ratings_max, pause);
        metering::waiting(shared.queue.ratings_waiting());
        match (taken, refusing) {
            (Taken::Closed, _) => return,
            (Taken::Jobs(jobs), None) => work_through(shared, backend, jobs),
            (Taken::Jobs(jobs), Some(reason)) => refuse(jobs, &PutError::Refusing { reason }),
            (Taken::Nothing, None) => {
                if let Err(reason) = backend.check() {
                    start_refusing(shared, backend, reason);
                }
            }
            (Taken::Nothing, Some(before)) => try_again(shared, backend, &before),
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

/// Batches next to each other share a commit; a deletion stands by itself, after all that came before it.
fn work_through(shared: &Shared, backend: &mut impl Commits, jobs: Vec<Job>) {
    let mut group = Vec::with_capacity(jobs.len());
    for job in jobs {
        match job {
            Job::Put(put) => group.push(put),
            Job::Delete(deletion) => {
                commit(shared, backend, std::mem::take(&mut group));
                delete(shared, backend, deletion);
            }
        }
    }
    commit(shared, backend, group);
}

fn commit(shared: &Shared, backend: &mut impl Commits, jobs: Vec<PutJob>) {
    if jobs.is_empty() {
        return;
    }
    if let Some(reason) = shared.refusing() {
        return refuse_puts(jobs, &PutError::Refusing { reason });
    }
    let started = Instant::now();
    match guarded(|| backend.commit(&jobs)) {
        Ok(Committed { puts, stored, superseded, current }) => {
            metering::committed(stored, superseded, started.elapsed(), current);
            for (job, puts) in jobs.into_iter().zip(puts) {
                // A caller that went away does not need the answer; its ratings are stored all the same.
                let _ = job.reply.send(Ok(puts));
            }
        }
        // One damaged record must not take its neighbours in the group down with it.
        Err(CommitError::Batch(_)) if jobs.len() > 1 => {
            for job in jobs {
                commit(shared, backend, vec![job]);
            }
        }
        Err(error) => refuse_puts(jobs, &failed(shared, backend, error)),
    }
}

fn delete(shared: &Shared, backend: &mut impl Commits, DeleteJob { user_id, reply }: DeleteJob) {
    let answer = match shared.refusing() {
        Some(reason) => Err(PutError::Refusing { reason }),
        None => {
            guarded(|| delete_all(shared, backend, &user_id)).map_err(|error| failed(shared, backend, error))
        }
    };
    let _ = reply.send(answer);
}

/// Deletes commit by commit; whoever reads in between finds a part of them gone.
fn delete_all(shared: &Shared, backend: &mut impl Commits, user_id: &str) -> Result<u64, CommitError> {
    let ratings_max = shared.settings.commit_ratings_max;
    let mut deleted = 0;
    loop {
        let Deleted { ratings, more, current } = backend.delete_some(user_id, ratings_max)?;
        metering::deleted(ratings as u64, current);
        deleted += ratings as u64;
        if !more {
            return Ok(deleted);
        }
    }
}

/// An engine asserts what it expects of its files; that must not end the writer.
fn guarded<T>(work: impl FnOnce() -> Result<T, CommitError>) -> Result<T, CommitError> {
    let panicked = |_| Err(CommitError::Backend("the storage engine panicked".to_owned()));
    std::panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(panicked)
}

/// What to answer; where the backend failed, nothing is taken from here on.
fn failed(shared: &Shared, backend: &impl Commits, error: CommitError) -> PutError {
    match error {
        CommitError::Batch(reason) => PutError::Failed { reason: reason.into() },
        CommitError::Backend(reason) => {
            metering::commit_failed();
            PutError::Failed { reason: start_refusing(shared, backend, reason) }
        }
    }
}

fn start_refusing(shared: &Shared, backend: &impl Commits, reason: String) -> Arc<str> {
    let reason: Arc<str> = reason.into();
    tracing::error!(%reason, store = %backend.place(), "ratings are refused until they can be written again");
    shared.start_refusing(Arc::clone(&reason));
    reason
}

fn try_again(shared: &Shared, backend: &mut impl Commits, before: &str) {
    match backend.recover() {
        Ok(()) => {
            tracing::info!(store = %backend.place(), "ratings are stored again");
            shared.set_health(Health::Ready);
        }
        Err(reason) => {
            // Said again only where it is something else: an outage of an hour is not 3,600 errors.
            if reason != before {
                tracing::error!(%reason, store = %backend.place(), "the store does not come back yet");
            }
            shared.start_refusing(reason.into());
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
