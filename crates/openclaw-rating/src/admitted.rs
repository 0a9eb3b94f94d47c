//! Admitted ratings on their way: however the way ends, it is counted.
//!
//! A client that leaves makes hyper drop the handler's future at its next await. The counters and the event
//! of each rating must not depend on getting past that await, so they hang on a drop.

use std::sync::Arc;
use std::time::Instant;

use openclaw_bucket::InFlight;
use openclaw_collector::{Admission, Finished};
use openclaw_protocol::{Outcome, Rating};

use crate::backend::Worked;
use crate::metering::Meters;

/// A request that the guard let in, with the ratings that their buckets let in.
pub(crate) struct Admitted {
    admission: Arc<Admission>,
    meters: Meters,
    started: Instant,
    ratings: Vec<Rating>,
    outcome: Outcome,
    worked: Worked,
    /// Leaves the guard with this struct.
    _in_flight: InFlight,
}

impl Admitted {
    pub(crate) fn new(
        admission: Arc<Admission>,
        meters: Meters,
        started: Instant,
        in_flight: InFlight,
    ) -> Self {
        // Until told otherwise, the client left.
        Self {
            admission,
            meters,
            started,
            ratings: Vec::new(),
            outcome: Outcome::Timeout,
            worked: Worked::default(),
            _in_flight: in_flight,
        }
    }

    pub(crate) fn add(&mut self, rating: Rating) {
        self.ratings.push(rating);
    }

    pub(crate) fn ratings(&self) -> &[Rating] {
        &self.ratings
    }

    /// Notes what the backend's part took, for the whole request.
    pub(crate) fn worked(&mut self, worked: Worked) {
        self.worked = worked;
    }

    /// Ends the request.
    pub(crate) fn end(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        if self.ratings.is_empty() {
            // Every bucket refused: done in no time, which says nothing of how fast work leaves.
            return;
        }
        let latency = self.started.elapsed();
        self.admission.request_done(latency, self.outcome == Outcome::Accepted);
        let share = u32::try_from(self.ratings.len()).unwrap_or(u32::MAX);
        for rating in self.ratings.drain(..) {
            self.meters.finished(self.outcome, latency);
            self.admission.finished(Finished {
                user_id: rating.user_id,
                item_id: rating.item_id,
                score: rating.score,
                timestamp_ms: rating.timestamp,
                context: rating.context,
                latency,
                outcome: self.outcome,
                work: self.worked.work.map(|work| work / share),
                dependency_ms: self.worked.dependency_ms.clone(),
            });
        }
    }
}
