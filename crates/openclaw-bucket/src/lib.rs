//! A token bucket per key, whose limits may change at any moment.
mod decision;
pub mod fields;
mod guard;
mod keyed;
mod params;
mod settings;

pub use decision::{Allowed, Decision, Limited, RefusedBy, Snapshot, Standing};
pub use guard::{GuardFull, InFlight, InFlightGuard};
pub use keyed::{KeyedBuckets, TableFull};
pub use params::{BucketParams, CAPACITY_MAX, InvalidParams, REFILL_RATE_MAX};
pub use settings::{HashSeed, Settings};
