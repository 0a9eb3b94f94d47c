//! The rating service: takes ratings, acknowledges them once they are durable, and answers questions about
//! them.
//!
//! A request passes, in this order: its body is read and parsed within bounds; the in-flight guard lets it in,
//! once; every rating takes one token of its user's bucket; the backend, where one is configured, does its
//! work; the store syncs the ratings to disk; the reply goes out, and an event to the collector.

mod admitted;
mod backend;
mod batch_reply;
mod deletion;
pub mod feed;
mod idempotency;
mod ingest;
mod limits;
mod metering;
mod queries;
mod service;
mod settings;
mod stream;
mod taking;
mod top_lists;
pub mod transfer;

pub use backend::{BACKEND, Backend, InvalidBackend};
pub use idempotency::{IDEMPOTENCY_KEY_BYTES_MAX, IdempotencyKey, InvalidKey};
pub use metering::describe_metrics;
pub use service::{RatingService, RatingStatus, openapi_json, router};
pub use settings::{IdempotencySettings, RatingSettings, StreamSettings};
