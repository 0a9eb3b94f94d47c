//! The open-loop load generator.
//!
//! Attempts are sent at their intended times whatever the answers do, and latency counts from the intended
//! time: a generator that waits for answers before it sends more would slow down with the service and
//! report the good half of an overload ("coordinated omission"). What cannot be sent, because too many
//! requests are outstanding already, is counted as overflowed and failed, never skipped.
//!
//! What counts as what: 200, 201 and 207 are accepted; 429 is throttled by a bucket, 503 by the guard; any
//! other status and every transport error failed; no complete answer within the client timeout, counted
//! from the intended time, is a timeout. A retry is an attempt of its own, intended for the end of its
//! client's wait. Refused clients try again as the scenario says: after 200 ms and
//! 400 ms, or each time after 20 ms if they ignore backoff. `Retry-After` is not consulted, so that all
//! controllers face the same clients.

mod acknowledged;
mod attempt;
mod client;
mod live;
mod plan;
mod recorder;
mod report;
mod run;
mod shares;
mod window;

pub use acknowledged::{AckLog, Acknowledged};
pub use live::Progress;
pub use plan::{Pace, ScenarioTraffic, Stamp, Traffic};
pub use report::{LoadReport, SecondReport, WorkReport};
pub use run::{Load, LoadError, LoadSettings};

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    /// Stored.
    Accepted,
    /// Refused with 429.
    ThrottledByBucket,
    /// Refused with 503.
    ThrottledByGuard,
    /// Any other status or a transport error, with the reason.
    Failed(String),
    /// No complete answer in time.
    Timeout,
    /// Not sent: too many were outstanding.
    Overflowed,
}

impl Outcome {
    fn is_refusal(&self) -> bool {
        matches!(self, Self::ThrottledByBucket | Self::ThrottledByGuard)
    }
}
