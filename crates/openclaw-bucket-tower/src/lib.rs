//! Rate limits for tower services, with limits that change live, per key.
//!
//! [`LimitLayer`] asks an [`openclaw_bucket::KeyedBuckets`] about every request before the service behind it
//! sees it. Allowed requests go through, and their responses say what is left; refused ones are answered
//! with 429, `Retry-After`, `RateLimit` and `RateLimit-Policy` (structured fields, as in
//! draft-ietf-httpapi-ratelimit-headers). Nothing awaits and nothing locks: a decision is a few dozen nanoseconds.
//!
//! ```
//! use std::sync::Arc;
//! use openclaw_bucket::{BucketParams, HashSeed, KeyedBuckets, Settings};
//! use openclaw_bucket_tower::{Header, LimitLayer};
//!
//! // 20 at once and 5 per second for every user, for at most a million users.
//! let defaults = BucketParams::new(20.0, 5.0)?;
//! let buckets = Arc::new(KeyedBuckets::new(Settings::new(defaults, 1_000_000, HashSeed::random())));
//! let limit = LimitLayer::new(Arc::clone(&buckets), Header::new("x-user-id")?).build();
//!
//! let app: axum::Router = axum::Router::new()
//!     .route("/", axum::routing::get(|| async { "hello" }))
//!     .layer(limit);
//!
//! // Whenever you like, from any thread, felt by the next request:
//! buckets.set_params("user-42", BucketParams::new(100.0, 50.0)?, openclaw_bucket_tower::now_ns()).ok();
//! # drop(app);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Whose bucket
//! A [`KeyExtractor`] names the key: [`Header`], [`PeerAddress`], `JwtClaim` (feature `jwt`), or any closure through
//! [`key_fn`]. Requests without a key share one bucket, unless [`Builder::unkeyed`] says otherwise.
//!
//! # Trying it out first
//! [`Builder::shadow`] decides and reports to [`Builder::on_decision`], but admits everything and adds no fields.
//!
//! # Costs and priorities
//! [`Builder::cost`] gives each request its price in tokens, for instance by route. [`Builder::reserve`] says which
//! fraction of its bucket a request must leave to more important ones.
//!
//! # gRPC
//! `build_with(Grpc)` answers as gRPC clients expect (`RESOURCE_EXHAUSTED`, HTTP 200), for
//! `tonic::transport::Server::builder().layer(...)`. When to come back is in the status's metadata:
//! `grpc-retry-pushback-ms`, which gRPC's own retry policies heed, and `retry-after`. The key may come from metadata, which are
//! headers.
//!
//! # Coming from `tower_governor`
//! | `tower_governor` | here |
//! |---|---|
//! | `GovernorConfigBuilder::default().per_second(n)`: one token every *n* seconds | [`BucketParams::new`](openclaw_bucket::BucketParams::new)`(burst, tokens_per_second)` |
//! | `.burst_size(b)` | the first argument there |
//! | one quota for all keys, fixed | `set_params`, `set_defaults`, at any time |
//! | `PeerIpKeyExtractor` | [`PeerAddress`] (an IPv6 client is its /64 network) |
//! | `impl KeyExtractor` | [`key_fn`], or [`KeyExtractor`] |
//! | `.use_headers()` (`x-ratelimit-*`) | always, as `RateLimit` and `RateLimit-Policy` |
//! | `retain_recent()` on a timer | not needed; memory is bounded, [`forget_idle`](openclaw_bucket::KeyedBuckets::forget_idle) is there |

mod clock;
#[cfg(feature = "jwt")]
mod jwt;
mod key;
mod layer;
mod respond;
mod service;

pub use clock::now_ns;
#[cfg(feature = "jwt")]
pub use jwt::JwtClaim;
pub use key::{Header, KeyExtractor, KeyFn, PeerAddress, RequestHead, key_fn};
pub use layer::{Builder, LimitLayer, Unkeyed};
pub use respond::{Grpc, Problem, Refusal, Respond};
pub use service::{Limit, LimitFuture};
