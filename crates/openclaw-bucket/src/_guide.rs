//! # Guide
//!
//! ## What a change does to what a key has
//! The level is settled at the old refill rate up to the moment of the change, then capped by the new capacity.
//! Nothing is minted, nothing but the excess over the new capacity is lost, and the next decision is made
//! with the new parameters.
//!
//! ```
//! use openclaw_bucket::{BucketParams, HashSeed, KeyedBuckets, Settings};
//! const SECOND: u64 = 1_000_000_000;
//!
//! let slow = BucketParams::new(10.0, 1.0)?;
//! let buckets = KeyedBuckets::new(Settings::new(slow, 1000, HashSeed::new([1, 2])));
//! assert!(buckets.try_acquire("k", 10.0, 0).is_allowed());
//!
//! // Four seconds at one token per second: 4 tokens. The new rate counts from here.
//! buckets.set_params("k", BucketParams::new(100.0, 50.0)?, 4 * SECOND)?;
//! assert_eq!(buckets.peek("k", 4 * SECOND).unwrap().level, 4.0);
//! assert_eq!(buckets.peek("k", 5 * SECOND).unwrap().level, 54.0);
//!
//! // A lowered capacity cuts what was saved; putting the key back to the defaults does the same.
//! buckets.clear_params("k", 5 * SECOND);
//! assert_eq!(buckets.peek("k", 5 * SECOND).unwrap().level, 10.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! ## Keys without parameters of their own
//! They stand at the defaults, which [`set_defaults`](crate::KeyedBuckets::set_defaults) changes for all of them at
//! once, seen or unseen, in constant time. An unseen key stands exactly where a key stands that has been idle
//! from the beginning; so raising the defaults does not hand a full bucket to everybody who happens to be
//! new, and forgetting an idle key changes nothing. For the same reason a key that is put back to the
//! defaults keeps at most what that idle key holds.
//!
//! Whoever can make up keys can make up as many fresh buckets. [`set_newcomers`](crate::KeyedBuckets::set_newcomers) puts one
//! bucket on top of all keys at the defaults, and a made-up key then gains nothing:
//!
//! ```
//! # use openclaw_bucket::{BucketParams, HashSeed, KeyedBuckets, Settings};
//! let buckets = KeyedBuckets::new(Settings::new(BucketParams::new(5.0, 1.0)?, 1000, HashSeed::new([1, 2])));
//! buckets.set_newcomers(Some(BucketParams::new(20.0, 10.0)?), 0);
//! let allowed = (0..1000).filter(|i| buckets.try_acquire(&format!("made-up-{i}"), 1.0, 0).is_allowed()).count();
//! assert_eq!(allowed, 20);
//! # Ok::<(), openclaw_bucket::InvalidParams>(())
//! ```
//!
//! ## What is bounded
//! * **Keys**: at most `keys_max`. A key is forgotten only when its bucket is full and at the defaults: nothing else
//!   could be made anew without minting tokens or lifting a lowered limit. A full table looks for such keys
//!   by itself; if there are none, unseen keys share one overflow bucket ([`Standing::Overflow`](crate::Standing::Overflow)), and
//!   the known ones keep theirs. [`forget_idle`](crate::KeyedBuckets::forget_idle) makes room ahead of time.
//! * **Memory**: 51.2 bytes for each of `keys_max`, reserved at once and resident as it is used. With
//!   [`Pages::Huge`](crate::Pages::Huge), the default, that is soon after the first keys come; choose
//!   [`Pages::Ordinary`](crate::Pages::Ordinary) for a table with far more room than keys.
//! * **Mistaken identity**: a key is known by a 64-bit keyed hash. Any two keys of up to 256 bytes collide with
//!   probability 2^-64 over the choice of the seed; with a secret seed nobody can choose keys that do.
//! * **The guard**: 32 KiB, whatever keys come.
//!
//! ## Numbers
//! Capacities up to [`CAPACITY_MAX`](crate::CAPACITY_MAX), refill rates up to [`REFILL_RATE_MAX`](crate::REFILL_RATE_MAX), zero
//! included. Tokens are counted in units of 2^-20: whole tokens are exact, costs are rounded up to a unit and
//! capacities down. Over any interval a key is admitted at most the capacity at its start and what is
//! refilled in it, where the refilled amount is a whole number of units: time is cut at units, which can bring a
//! token forward by less than a millionth of a token's time, never more, however long the interval.
//!
//! A cost of zero is always allowed. A cost above the capacity, a negative one, or NaN is always limited, with
//! `retry_after: None`.
//!
//! ## Time
//! `now_ns` may start anywhere, and differ between threads by what a clock read takes. If it goes back, nothing
//! is minted: a bucket gives what it had at that time less what was taken since, and nothing more until the
//! clock has caught up. A clock set back by more than the time of 2^33 tokens (99 days at 1,000 per second)
//! cannot be told from a long idle time, and buckets read as full. Idle times of any length are safe: every
//! table knows when its positions must be written anew, and does that in the first call after, which then takes as long as
//! [`forget_idle`](crate::KeyedBuckets::forget_idle). At 1,000 tokens per second that is once a year, at a million every nine
//! hours; whoever calls `forget_idle` more often never meets it.
//!
//! ## Threads
//! Everything takes `&self`. Decisions on known keys take no lock and never wait, not even for a thread that was
//! suspended in the middle of changing that key. A key's first decision and each change of its parameters take
//! a short lock shared with a 64th of the table.
//!
//! ## Capping what runs at once
//! A bucket limits how much begins; [`InFlightGuard`](crate::InFlightGuard) limits how much is under way, which is what protects a
//! service whose requests become slow.
//!
//! ```
//! use std::sync::Arc;
//! use openclaw_bucket::{HashSeed, InFlightGuard};
//!
//! let guard = Arc::new(InFlightGuard::with_seed(100, HashSeed::random()));
//! match guard.try_enter("user-1") {
//!     Ok(in_flight) => drop(in_flight), // when the request is done, or has panicked
//!     Err(full) => eprintln!("{full}"),
//! }
//! ```
//!
//! ## Coming from `governor`
//! | `governor` | here |
//! |---|---|
//! | `Quota::per_second(n).allow_burst(b)` | `BucketParams::new(b, n)`; both may be fractions |
//! | `Quota::per_minute(n)` | `BucketParams::new(n, n / 60.0)` |
//! | `RateLimiter::direct(quota)` | [`Bucket::new`](crate::Bucket::new) |
//! | `RateLimiter::keyed(quota)` | [`KeyedBuckets::new`](crate::KeyedBuckets::new) |
//! | `limiter.check_key(&key)` | [`try_acquire`](crate::KeyedBuckets::try_acquire)`(key, 1.0, now_ns)` |
//! | `limiter.check_key_n(&key, n)` | `try_acquire(key, n, now_ns)` |
//! | `NotUntil::wait_time_from(now)` | [`Limited::retry_after`](crate::Limited::retry_after) |
//! | `InsufficientCapacity` | `retry_after: None` |
//! | `StateInformationMiddleware` | [`Allowed`](crate::Allowed): always there, computed only if used |
//! | `retain_recent()` | not needed; memory is bounded |
//! | `FakeRelativeClock` | pass any number |
//! | a new limiter to change the quota | [`set_params`](crate::KeyedBuckets::set_params), [`set_defaults`](crate::KeyedBuckets::set_defaults) |
//!
//! A clock, where `governor` brings its own:
//!
//! ```
//! use std::time::Instant;
//!
//! let origin = Instant::now();
//! let now_ns = || origin.elapsed().as_nanos() as u64;
//! assert!(now_ns() <= now_ns());
//! ```
