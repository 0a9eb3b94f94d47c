//! One piece of work from admission to its end, for services that want no more of the loop than that.
//!
//! The parts of it are there one by one in [`Admission`], for services with batches or bodies that stream. What a
//! service easily gets wrong with them is the work that is broken off, as by a client that leaves: it must still be told
//! of, else it is in flight for ever. Here it is told of on drop.

use std::sync::Arc;
use std::time::{Duration, Instant};

use openclaw_bucket::{Decision, GuardFull, InFlight, Limited};
use openclaw_protocol::{Context, ItemId, Outcome, UserId};

use crate::admission::{Admission, Finished};
use crate::clock::Clock;
use crate::refusal;

/// Why work may not begin.
#[derive(Clone, Copy, Debug)]
pub enum Refused {
    /// Too much is in flight: 503.
    Guard(GuardFull, Duration),
    /// The user's bucket is empty: 429.
    Bucket(Limited),
}

impl Refused {
    /// The HTTP status that says it.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Guard(..) => 503,
            Self::Bucket(_) => 429,
        }
    }

    /// When it may be tried again: the value of `Retry-After`, rounded up to seconds.
    #[must_use]
    pub fn retry_after(&self) -> Duration {
        match self {
            Self::Guard(_, guard_time) => *guard_time,
            Self::Bucket(limited) => refusal::retry_after(limited),
        }
    }
}

/// Work that was admitted. Dropped without [`end`](Work::end), it counts as broken off by its client.
#[derive(Debug)]
#[must_use = "dropping it at once tells that the client left"]
pub struct Work {
    admission: Arc<Admission>,
    user: UserId,
    item: ItemId,
    context: Context,
    score: f64,
    began: Instant,
    outcome: Outcome,
    /// Leaves the guard when the work ends.
    _in_flight: InFlight,
}

impl Work {
    /// Tells how the work ended.
    pub fn end(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }

    /// Sets the score of the work's event; without it 0.
    pub fn with_score(mut self, score: f64) -> Self {
        self.score = score;
        self
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let latency = self.began.elapsed();
        self.admission.request_done(latency, self.outcome == Outcome::Accepted);
        self.admission.finished(Finished {
            user_id: self.user.clone(),
            item_id: self.item.clone(),
            score: self.score,
            timestamp_ms: Clock::unix_ms(),
            context: std::mem::take(&mut self.context),
            latency,
            outcome: self.outcome,
            work: None,
            dependency_ms: None,
        });
    }
}

impl Admission {
    /// Asks the guard and then `user`'s bucket, and begins the work where both admit it. `item` is what the work is on,
    /// in its event.
    ///
    /// # Errors
    /// [`Refused`], which is counted already.
    pub fn begin(self: &Arc<Self>, user: UserId, item: ItemId, context: Context) -> Result<Work, Refused> {
        let began = Instant::now();
        let in_flight = self.enter(&user, &context).map_err(|full| {
            self.refused(std::iter::once((&user, &context)));
            Refused::Guard(full, self.guard_time())
        })?;
        if let Decision::Limited(limited) = self.take(&user, &context) {
            // It leaves the guard untold of: no work was done, so it says nothing of how fast work leaves.
            return Err(Refused::Bucket(limited));
        }
        let (admission, outcome) = (Arc::clone(self), Outcome::Timeout);
        Ok(Work { admission, user, item, context, score: 0.0, began, outcome, _in_flight: in_flight })
    }
}

#[cfg(test)]
mod tests {
    use openclaw_protocol::BucketPolicy;

    use super::*;
    use crate::settings::CollectorSettings;

    fn admission(tokens: f64) -> Arc<Admission> {
        let defaults = BucketPolicy { bucket_size: tokens, refill_rate: 0.05 };
        Arc::new(Admission::new(&CollectorSettings { defaults, ..CollectorSettings::default() }))
    }

    fn begin(admission: &Arc<Admission>) -> Result<Work, Refused> {
        admission.begin(UserId::new("u").unwrap(), ItemId::new("i").unwrap(), Context::default())
    }

    #[test]
    fn work_that_ends_and_work_that_is_broken_off_are_both_told_of() {
        let admission = admission(10.0);
        begin(&admission).unwrap().with_score(7.0).end(Outcome::Accepted);
        drop(begin(&admission).unwrap());
        let events = admission.drain_events();
        assert_eq!(
            events.iter().map(|event| event.outcome).collect::<Vec<_>>(),
            [Some(Outcome::Accepted), Some(Outcome::Timeout)]
        );
        assert_eq!((events[0].score, admission.requests_in_flight()), (7.0, 0));
        let totals = admission.counters.totals();
        assert_eq!((totals.attempts, totals.completed, totals.failed), (2, 1, 1));
    }

    #[test]
    fn an_empty_bucket_and_a_full_guard_refuse_and_leave_nothing_in_flight() {
        let admission = admission(2.0);
        let held: Vec<_> = (0..2).map(|_| begin(&admission).unwrap()).collect();
        let refused = begin(&admission).unwrap_err();
        assert_eq!((refused.status(), admission.requests_in_flight()), (429, 2));
        assert!(refused.retry_after() > Duration::from_secs(1), "{refused:?}");
        drop(held);
        assert_eq!(admission.counters.totals().throttled, 1);
        let done = admission.local_guard.requests_done.load(std::sync::atomic::Ordering::Relaxed);
        assert_eq!(done, 2, "a refusal is no work done: it would raise the cap of what may be in flight");
    }
}
