//! A token bucket per key, whose limits may change at any moment.
mod bucket;
mod bytes;
mod cell;
mod decision;
mod defaults;
pub mod fields;
mod guard;
mod hash;
mod hot;
mod keyed;
mod memory;
mod numbers;
mod params;
mod settings;
mod sync;
mod table;
mod units;
mod upkeep;
mod word;

pub use bucket::Bucket;
pub use decision::{Allowed, Decision, Limited, RefusedBy, Snapshot, Standing};
pub use guard::{GuardFull, InFlight, InFlightGuard};
pub use hash::HashSeed;
pub use keyed::{KeyedBuckets, TableFull};
pub use memory::Pages;
pub use params::{BucketParams, CAPACITY_MAX, InvalidParams, REFILL_RATE_MAX};
pub use settings::Settings;
