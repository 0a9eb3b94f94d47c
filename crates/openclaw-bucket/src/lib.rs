//! A token bucket per key whose limits change live, without minting tokens; and a fair in-flight guard.
//!
//! ```
//! use openclaw_bucket::{BucketParams, Decision, HashSeed, KeyedBuckets, Settings};
//!
//! // Every key: 10 tokens at once, 5 per second. At most a million keys, 51 bytes each.
//! let defaults = BucketParams::new(10.0, 5.0)?;
//! let buckets = KeyedBuckets::new(Settings::new(defaults, 1_000_000, HashSeed::random()));
//!
//! // Time is an argument: nanoseconds since any origin, as long as it is always the same.
//! let now_ns = 0;
//! match buckets.try_acquire("user-1", 1.0, now_ns) {
//!     Decision::Allowed(allowed) => assert_eq!(allowed.remaining, 9.0),
//!     Decision::Limited(limited) => println!("come back in {:?}", limited.retry_after),
//! }
//!
//! // Another limit for one key, felt by its next request.
//! buckets.set_params("user-1", BucketParams::new(100.0, 50.0)?, now_ns).ok();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Start with [`KeyedBuckets`]; [`Bucket`] is one bucket without a key, [`InFlightGuard`] caps what runs at the
//! same time, and [`fields`] formats HTTP header fields. The [guide](_guide) explains what a change
//! of limits does to what a key has saved, what is bounded and how, and how to come here from `governor`.

pub mod _guide;
mod bucket;
mod bytes;
mod cell;
mod decide;
mod decision;
mod defaults;
pub mod fields;
mod guard;
mod hash;
mod hot;
mod keyed;
mod law;
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
