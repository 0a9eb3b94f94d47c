//! Admitted ratings on their way: however the way ends, it is counted.
//!
//! A client that leaves makes hyper drop the handler's future at its next await. The counters and the event
//! of each rating must not depend on getting past that await, so they hang on a drop. Nor must the feed: what the
//! store was given it stores all the same, so the answer is then awaited elsewhere.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use openclaw_bucket::InFlight;
use openclaw_collector::{Admission, Finished};
use openclaw_protocol::{Outcome, Rating};
use openclaw_store::{NewRating, Put, PutError, Store};

use crate::backend::Worked;
use crate::feed::RatingFeed;
use crate::idempotency::Patience;
use crate::metering::Meters;
use crate::service::RatingService;

/// The store at work.
type Storing = Pin<Box<dyn Future<Output = Result<Vec<Put>, PutError>> + Send>>;

/// A request that the guard let in, with the ratings that their buckets let in.
pub(crate) struct Admitted {
    admission: Arc<Admission>,
    feed: RatingFeed,
    meters: Meters,
    started: Instant,
    patience: Patience,
    ratings: Vec<Rating>,
    outcome: Outcome,
    worked: Worked,
    storing: Option<Storing>,
    /// Leaves the guard with this struct.
    _in_flight: InFlight,
}

impl Admitted {
    pub(crate) fn new(
        service: &RatingService,
        started: Instant,
        in_flight: InFlight,
        patience: Patience,
    ) -> Self {
        Self {
            admission: Arc::clone(&service.admission),
            feed: service.feed.clone(),
            meters: service.meters.clone(),
            started,
            patience,
            ratings: Vec::new(),
            // Until told otherwise, the client left.
            outcome: Outcome::Timeout,
            worked: Worked::default(),
            storing: None,
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

    /// Stores the ratings and publishes those that are durable.
    ///
    /// # Errors
    /// [`PutError`].
    pub(crate) async fn store(&mut self, store: &Store) -> Result<Vec<Put>, PutError> {
        let ratings = self.ratings.iter().map(|rating| NewRating {
            user_id: rating.user_id.clone().into(),
            item_id: rating.item_id.clone().into(),
            score: rating.score,
            timestamp_ms: rating.timestamp,
        });
        let (store, ratings) = (store.clone(), ratings.collect());
        // Held here and not by the caller's future, so that it is there still when that one is dropped.
        let storing = self.storing.insert(Box::pin(async move { store.put(ratings).await }));
        let stored = poll_fn(|context| storing.as_mut().poll(context)).await;
        self.storing = None;
        if stored.is_ok() {
            self.feed.publish(self.ratings.iter());
        }
        stored
    }

    /// Ends the request.
    pub(crate) fn end(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }

    /// Lets the store finish what its client no longer waits for, and publishes it then.
    fn store_without_client(&mut self) {
        let Some(storing) = self.storing.take() else { return };
        // Without a runtime the process is on its way out, and so is the feed.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (feed, ratings) = (self.feed.clone(), self.ratings.clone());
        runtime.spawn(async move {
            if storing.await.is_ok() {
                feed.publish(ratings.iter());
            }
        });
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        if self.ratings.is_empty() {
            // Every bucket refused: done in no time, which says nothing of how fast work leaves.
            return;
        }
        self.store_without_client();
        if self.patience.is_gone() && self.outcome == Outcome::Accepted {
            self.outcome = Outcome::Timeout;
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
