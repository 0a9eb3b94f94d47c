//! A metered request on its way: however the way ends, it is counted.
//!
//! A client that leaves makes hyper drop the request's future, or the answer's body, wherever it is. As in the
//! rating service, what must be counted hangs on a drop, and until told otherwise the client left, which counts as
//! a timeout.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;
use openclaw_bucket::InFlight;
use openclaw_collector::{Admission, Finished};
use openclaw_protocol::{Context, ItemId, Outcome, UserId};

use crate::client_body::Upload;
use crate::metering::Meters;

/// A request that guard and bucket let in.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) admission: Arc<Admission>,
    pub(crate) meters: Arc<Meters>,
    pub(crate) started: Instant,
    pub(crate) arrival_ms: u64,
    pub(crate) user: UserId,
    pub(crate) item: ItemId,
    pub(crate) score: f64,
    pub(crate) context: Context,
    pub(crate) upload: Option<Arc<Upload>>,
    pub(crate) outcome: Outcome,
    /// Time that the service says it worked.
    pub(crate) work: Option<Duration>,
    /// Leaves the guard with this struct.
    pub(crate) _in_flight: InFlight,
}

impl Exchange {
    /// Ends the request.
    pub(crate) fn end(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if self.outcome == Outcome::Timeout && self.upload.as_ref().is_some_and(|upload| upload.is_waiting())
        {
            // A client that leaves its own upload says nothing of how slow the service is.
            self.outcome = Outcome::Failed;
        }
        // What the service waited for its client is not the service's time.
        let waited = self.upload.as_ref().map_or(Duration::ZERO, |upload| upload.waited());
        let latency = self.started.elapsed().saturating_sub(waited);
        self.admission.request_done(latency, self.outcome == Outcome::Accepted);
        self.meters.finished(self.outcome, latency);
        self.admission.finished(Finished {
            user_id: self.user.clone(),
            item_id: self.item.clone(),
            score: self.score,
            timestamp_ms: self.arrival_ms,
            context: std::mem::take(&mut self.context),
            latency,
            outcome: self.outcome,
            work: self.work,
            dependency_ms: None,
        });
    }
}

/// How work with this status ended, as far as the loop is concerned.
///
/// A client's mistake (4xx) was handled like any request. 429 and 5xx say that the work was not done, 504 that it
/// took too long.
pub(crate) fn outcome(status: StatusCode) -> Outcome {
    match status {
        StatusCode::GATEWAY_TIMEOUT => Outcome::Timeout,
        StatusCode::TOO_MANY_REQUESTS => Outcome::Failed,
        status if status.is_server_error() => Outcome::Failed,
        _ => Outcome::Accepted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clients_mistake_is_served_and_a_services_failure_is_not() {
        for (status, expected) in [
            (200, Outcome::Accepted),
            (101, Outcome::Accepted),
            (304, Outcome::Accepted),
            (404, Outcome::Accepted),
            (429, Outcome::Failed),
            (500, Outcome::Failed),
            (503, Outcome::Failed),
            (504, Outcome::Timeout),
        ] {
            assert_eq!(outcome(StatusCode::from_u16(status).unwrap()), expected, "{status}");
        }
    }
}
