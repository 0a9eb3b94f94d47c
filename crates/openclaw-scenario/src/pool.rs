//! A first-in-first-out queue before a number of workers, as a function of time.
//!
//! The stand-in backend runs it in real time and simulators in theirs. It computes with exact instants: a
//! job that waited starts when its worker became free, not when somebody looked. A caller that looks a
//! millisecond late (a timer's grain) therefore loses no capacity; only the news arrives late. With tasks
//! and a semaphore, 20 ms jobs behind 1 ms timers would lose about 4 % of the capacity.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};

use crate::capacity::CapacityTimeline;

/// Names a job in its pool; later jobs have higher numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(u64);

/// The queue is full; the token comes back.
#[derive(Debug, PartialEq, Eq)]
pub struct PoolFull<T>(pub T);

/// A job that was worked off.
#[derive(Debug, PartialEq)]
pub struct Finished<T> {
    /// What was submitted with it.
    pub token: T,
    /// When it was done.
    pub at_s: f64,
    /// From the start of its work to the end, without the wait before.
    pub work_s: f64,
}

/// Workers behind one bounded queue. `T` is what a caller wants back with a finished job.
#[derive(Debug)]
pub struct ServicePool<T> {
    timeline: CapacityTimeline,
    queue_max: usize,
    queue: VecDeque<Job<T>>,
    running: BinaryHeap<Running<T>>,
    finished: VecDeque<Finished<T>>,
    clock_s: f64,
    next_id: u64,
    served: u64,
}

#[derive(Debug)]
struct Job<T> {
    id: JobId,
    work_s: f64,
    token: T,
}

#[derive(Debug)]
struct Running<T> {
    finish_s: f64,
    start_s: f64,
    job: Job<T>,
}

impl<T> ServicePool<T> {
    /// An idle pool at time 0.
    #[must_use]
    pub fn new(timeline: CapacityTimeline, queue_max: u32) -> Self {
        Self {
            timeline,
            queue_max: queue_max as usize,
            queue: VecDeque::new(),
            running: BinaryHeap::new(),
            finished: VecDeque::new(),
            clock_s: 0.0,
            next_id: 0,
            served: 0,
        }
    }

    /// Hands in a job of `work_s` seconds at undisturbed speed. Time never runs backwards here: an earlier
    /// `now_s` counts as the latest one seen.
    ///
    /// # Errors
    /// Gives the token back when all workers are busy and the queue is full.
    pub fn submit(&mut self, now_s: f64, work_s: f64, token: T) -> Result<JobId, PoolFull<T>> {
        self.advance(now_s);
        let id = JobId(self.next_id);
        let job = Job { id, work_s, token };
        if self.has_free_worker() {
            self.start(job);
        } else if self.queue.len() < self.queue_max {
            self.queue.push_back(job);
        } else {
            return Err(PoolFull(job.token));
        }
        self.next_id += 1;
        Ok(id)
    }

    /// Takes a job out of the queue because its client has left. A job in work goes on, and its result will
    /// be found by nobody: then, and for unknown jobs, the answer is `None`.
    pub fn leave(&mut self, now_s: f64, id: JobId) -> Option<T> {
        self.advance(now_s);
        let place = self.queue.binary_search_by_key(&id, |job| job.id).ok()?;
        self.queue.remove(place).map(|job| job.token)
    }

    /// Lets time pass: ends and starts jobs at the instants at which they are due.
    pub fn advance(&mut self, now_s: f64) {
        while let Some(event_s) = self.next_event_s().filter(|event_s| *event_s <= now_s) {
            self.clock_s = self.clock_s.max(event_s);
            self.end_due();
            self.start_waiting();
        }
        self.clock_s = self.clock_s.max(now_s);
    }

    /// The next finished job, oldest first.
    pub fn pop_finished(&mut self) -> Option<Finished<T>> {
        self.finished.pop_front()
    }

    /// When [`advance`](Self::advance) next has something to do.
    #[must_use]
    pub fn next_event_s(&self) -> Option<f64> {
        let ends_s = self.running.peek().map_or(f64::INFINITY, |running| running.finish_s);
        // More workers help only those who wait.
        let workers_s = if self.queue.is_empty() {
            f64::INFINITY
        } else {
            self.timeline.next_worker_change_s(self.clock_s)
        };
        Some(ends_s.min(workers_s)).filter(|event_s| event_s.is_finite())
    }

    /// Jobs in work.
    #[must_use]
    pub fn busy(&self) -> usize {
        self.running.len()
    }

    /// Jobs that wait.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Jobs worked off so far.
    #[must_use]
    pub fn served(&self) -> u64 {
        self.served
    }

    /// The capacity that this pool follows.
    #[must_use]
    pub fn timeline(&self) -> &CapacityTimeline {
        &self.timeline
    }

    fn has_free_worker(&self) -> bool {
        self.running.len() < self.timeline.workers_at(self.clock_s) as usize
    }

    fn start(&mut self, job: Job<T>) {
        let start_s = self.clock_s;
        let finish_s = self.timeline.finish_s(start_s, job.work_s / self.timeline.speed_at(start_s));
        self.running.push(Running { finish_s, start_s, job });
    }

    fn start_waiting(&mut self) {
        while self.has_free_worker() {
            let Some(job) = self.queue.pop_front() else { return };
            self.start(job);
        }
    }

    fn end_due(&mut self) {
        while self.running.peek().is_some_and(|running| running.finish_s <= self.clock_s) {
            let Some(Running { finish_s, start_s, job }) = self.running.pop() else { return };
            self.served += 1;
            self.finished.push_back(Finished {
                token: job.token,
                at_s: finish_s,
                work_s: finish_s - start_s,
            });
        }
    }
}

// The heap yields its greatest element, so the order is turned round: earliest end first, then the older
// job.
impl<T> Ord for Running<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        other.finish_s.total_cmp(&self.finish_s).then_with(|| other.job.id.cmp(&self.job.id))
    }
}

impl<T> PartialOrd for Running<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Running<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T> Eq for Running<T> {}

#[cfg(test)]
mod tests;
