//! Reproducible traffic and capacity: what users send, and what the service behind the limits can take.
//!
//! A [`Scenario`] is read from a JSON file. From its seed follow, without any clock or socket:
//!
//! - [`Population`]: who the users are (shares, bursts, request classes, which of them are abusive),
//! - [`Arrivals`]: every first attempt, in order of time,
//! - [`CapacityTimeline`]: what the workers can do at every instant, pauses and noisy neighbours included,
//! - [`ServiceTimes`] and [`Calls`]: how long each request works, and which dependencies it calls,
//! - [`FeedbackLosses`]: which batches of events never reach the controller.
//!
//! Each of them draws from a ChaCha stream of its own (see [`Stream`]), so that every controller that is
//! compared on a scenario faces the same users and the same disturbances, whatever it lets through.
//! [`families`] samples endless scenarios for training, selection and test.
//! [`ServicePool`] is the queue with workers that both the stand-in backend and simulators run, and
//! [`WaterLevel`] the arithmetic of fair shares that scores are counted with.
//!
//! ```
//! use openclaw_scenario::{Arrivals, Population, demo};
//!
//! let scenario = demo();
//! let users = Population::new(&scenario);
//! let first = Arrivals::new(&scenario, &users).next().expect("the demo has traffic");
//! assert!(first.time_s < 1.0);
//! ```

mod arrivals;
mod calls;
mod capacity;
mod fairness;
pub mod families;
mod feedback;
mod fields;
mod ledger;
mod parse;
mod pool;
mod population;
mod scenario;
mod service_time;
mod shipped;
mod streams;
mod trace;
mod unique;

pub use arrivals::{Arrival, ArrivalSequence, Arrivals, SharedArrivals};
pub use calls::Calls;
pub use capacity::CapacityTimeline;
pub use fairness::{FairDivision, WaterLevel};
pub use feedback::FeedbackLosses;
pub use fields::{Issue, ScenarioErrors};
pub use ledger::{FAIR_WINDOW_S, FairAccount, FairLedger};
pub use pool::{Finished, JobId, PoolFull, ServicePool};
pub use population::{Population, User};
pub use scenario::{
    CapacityChange, CapacityKind, ClientBehaviour, Context, Dependency, Diurnal, Feedback, NoisyNeighbour,
    Pauses, RequestClass, Scenario, ScenarioFile, Service, ServiceTime, Surge, SurgeKind, TraceArrivals,
    UserMix,
};
pub use service_time::ServiceTimes;
pub use shipped::demo;
pub use streams::Stream;
pub use trace::{ArrivalTrace, TraceError};
