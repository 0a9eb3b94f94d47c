//! A token bucket per key, whose limits may change at any moment.
mod bucket;
mod cell;
mod decision;
mod defaults;
pub mod fields;
mod guard;
mod keyed;
mod numbers;
mod params;
mod settings;
mod sync;
mod table;
mod units;
mod word;

pub use bucket::Bucket;
pub use decision::{Allowed, Decision, Limited, RefusedBy, Snapshot, Standing};
pub use guard::{GuardFull, InFlight, InFlightGuard};
pub use keyed::{KeyedBuckets, TableFull};
pub use params::{BucketParams, CAPACITY_MAX, InvalidParams, REFILL_RATE_MAX};
pub use settings::{HashSeed, Settings};
