//! Puts the control loop before a service.
//!
//! A service asks [`Admission`] before it works and tells it how the work ended; both take well under a
//! microsecond and never wait. Behind it, a cycle every 100 ms counts, feeds a local control loop, and hands
//! events to a delivery task that posts them to the edge and applies the answers as leases. When the leases
//! lapse, the local loop decides until the edge is back.
//!
//! [`Collector::builder`] starts one, [`Admission::begin`] is all that a plain service needs on its requests' path.
//! What cannot be delivered waits in memory, and on disk where there is a [spool](SpoolSettings); both are bounded.

mod admission;
mod breaker;
mod builder;
mod clock;
#[cfg(test)]
mod conformance;
mod counters;
mod cycle;
mod delivery;
mod hints;
mod http_client;
mod leases;
mod local_guard;
mod metering;
mod outbox;
pub mod refusal;
mod settings;
mod spool;
mod status;
mod tls_fault;
mod trust;
mod work;

pub use admission::{Admission, Call, Finished};
pub use breaker::{Circuit, RetrySettings};
pub use builder::{BuildError, CollectorBuilder};
pub use clock::Clock;
pub use cycle::{Collector, StartError};
pub use delivery::DeliveryError;
pub use hints::Hints;
pub use http_client::{HttpClient, HttpError};
pub use metering::describe_metrics;
pub use settings::{CollectorSettings, EdgeTarget, InvalidEndpoint};
pub use spool::{SpoolError, SpoolSettings};
pub use status::{CollectorStatus, ControlledBy};
pub use tls_fault::explained as tls_fault_explained;
pub use trust::{InvalidTrust, Trust};
pub use work::{Refused, Work};
