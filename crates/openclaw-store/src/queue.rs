//! The bounded line of batches before the writer, from which it takes everything at once.
//!
//! A channel lost: the bound must count ratings rather than batches, and the writer wants all that waits
//! in one lock, so that one sync serves every caller.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use crate::error::PutError;
use crate::layout::Mark;
use crate::rating::Put;

/// A checked rating on its way to the disk.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) user_id: Arc<str>,
    pub(crate) item_id: Arc<str>,
    pub(crate) mark: Mark,
}

/// What the writer is to do, and whoever waits for it.
#[derive(Debug)]
pub(crate) enum Job {
    /// Store a batch.
    Put(PutJob),
    /// Delete all ratings of a user.
    Delete(DeleteJob),
}

/// A batch and whoever waits for it.
#[derive(Debug)]
pub(crate) struct PutJob {
    pub(crate) ratings: Vec<Incoming>,
    pub(crate) reply: oneshot::Sender<Result<Vec<Put>, PutError>>,
}

/// A user who wants to be forgotten.
#[derive(Debug)]
pub(crate) struct DeleteJob {
    pub(crate) user_id: String,
    pub(crate) reply: oneshot::Sender<Result<u64, PutError>>,
}

impl Job {
    /// How much of the queue's room it takes: a deletion as much as one rating, as it stands for work too.
    fn ratings(&self) -> usize {
        match self {
            Self::Put(put) => put.ratings.len(),
            Self::Delete(_) => 1,
        }
    }
}

/// What the writer got from the queue.
#[derive(Debug)]
pub(crate) enum Taken {
    /// Batches, in the order of their arrival; never none.
    Jobs(Vec<Job>),
    /// Nothing arrived in time.
    Nothing,
    /// The queue is closed and empty.
    Closed,
}

#[derive(Debug, Default)]
struct Line {
    jobs: VecDeque<Job>,
    ratings: usize,
    closed: bool,
}

/// Batches that wait for the writer.
#[derive(Debug)]
pub(crate) struct Queue {
    line: Mutex<Line>,
    arrived: Condvar,
    ratings_max: usize,
}

impl Queue {
    /// A queue for at most this many ratings.
    pub(crate) fn new(ratings_max: usize) -> Self {
        Self { line: Mutex::default(), arrived: Condvar::new(), ratings_max }
    }

    /// Adds a batch, or says at once why not.
    pub(crate) fn push(&self, job: Job) -> Result<(), PutError> {
        let ratings = job.ratings();
        let mut line = self.line.lock();
        if line.closed {
            return Err(PutError::Closed);
        }
        if ratings > self.ratings_max {
            return Err(PutError::BatchTooLarge { ratings, ratings_max: self.ratings_max });
        }
        if line.ratings + ratings > self.ratings_max {
            return Err(PutError::QueueFull { ratings_waiting: line.ratings });
        }
        line.ratings += ratings;
        line.jobs.push_back(job);
        drop(line);
        self.arrived.notify_one();
        Ok(())
    }

    /// Waits for batches and takes as many as fit into one commit, at least one.
    pub(crate) fn take(&self, commit_ratings_max: usize, timeout: Duration) -> Taken {
        let mut line = self.line.lock();
        if line.jobs.is_empty() && !line.closed {
            self.arrived.wait_for(&mut line, timeout);
        }
        let mut jobs = Vec::new();
        let mut taken = 0;
        while let Some(next) = line.jobs.front() {
            if !jobs.is_empty() && taken + next.ratings() > commit_ratings_max {
                break;
            }
            taken += next.ratings();
            jobs.extend(line.jobs.pop_front());
        }
        line.ratings -= taken;
        match (jobs.is_empty(), line.closed) {
            (false, _) => Taken::Jobs(jobs),
            (true, true) => Taken::Closed,
            (true, false) => Taken::Nothing,
        }
    }

    /// Takes no more batches; those that wait are still handed out.
    pub(crate) fn close(&self) {
        self.line.lock().closed = true;
        self.arrived.notify_all();
    }

    /// Takes no more batches and lets go of those that wait; their callers hear of it.
    pub(crate) fn abandon(&self) {
        let abandoned = {
            let mut line = self.line.lock();
            line.closed = true;
            line.ratings = 0;
            std::mem::take(&mut line.jobs)
        };
        drop(abandoned);
    }

    /// How many ratings wait.
    pub(crate) fn ratings_waiting(&self) -> usize {
        self.line.lock().ratings
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::oneshot;

    use super::{Incoming, Job, PutJob, Queue, Taken};
    use crate::error::PutError;
    use crate::layout::Mark;
    use crate::rating::Micros;

    fn job(ratings: usize) -> Job {
        let incoming = || Incoming {
            user_id: "u".into(),
            item_id: "i".into(),
            mark: Mark { score: Micros(0), timestamp_ms: 0 },
        };
        let ratings = std::iter::repeat_with(incoming).take(ratings).collect();
        Job::Put(PutJob { ratings, reply: oneshot::channel().0 })
    }

    fn sizes(taken: Taken) -> Vec<usize> {
        match taken {
            Taken::Jobs(jobs) => jobs.iter().map(Job::ratings).collect(),
            Taken::Nothing | Taken::Closed => Vec::new(),
        }
    }

    #[test]
    fn everything_that_waits_is_taken_at_once_up_to_the_commit_bound() {
        let queue = Queue::new(10);
        for ratings in [2, 3, 4] {
            queue.push(job(ratings)).unwrap();
        }
        assert_eq!(sizes(queue.take(5, Duration::ZERO)), [2, 3]);
        assert_eq!(sizes(queue.take(1, Duration::ZERO)), [4], "one batch is never split");
        assert_eq!(queue.ratings_waiting(), 0);
    }

    #[test]
    fn full_queue_refuses_at_once_and_says_how_much_waits() {
        let queue = Queue::new(4);
        queue.push(job(3)).unwrap();
        assert_eq!(queue.push(job(2)).unwrap_err(), PutError::QueueFull { ratings_waiting: 3 });
        assert_eq!(queue.push(job(5)).unwrap_err(), PutError::BatchTooLarge { ratings: 5, ratings_max: 4 });
        queue.push(job(1)).unwrap();
    }

    #[test]
    fn closed_queue_hands_out_the_rest_then_ends() {
        let queue = Queue::new(4);
        queue.push(job(1)).unwrap();
        queue.close();
        assert_eq!(queue.push(job(1)).unwrap_err(), PutError::Closed);
        assert_eq!(sizes(queue.take(9, Duration::ZERO)), [1]);
        assert!(matches!(queue.take(9, Duration::ZERO), Taken::Closed));
    }

    #[test]
    fn abandoned_callers_hear_of_it() {
        let queue = Queue::new(4);
        let (reply, mut answer) = oneshot::channel();
        queue.push(Job::Put(PutJob { ratings: Vec::new(), reply })).unwrap();
        queue.abandon();
        assert!(matches!(answer.try_recv(), Err(oneshot::error::TryRecvError::Closed)));
    }
}
