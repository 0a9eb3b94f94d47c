//! The service over real sockets: what takes more than one request, or a connection that stays.

#![expect(clippy::unwrap_used, reason = "tests stop at the first surprise, their fixtures too")]

#[path = "http/idempotency.rs"]
mod idempotency;
#[path = "http/lists.rs"]
mod lists;
#[path = "http/server.rs"]
mod server;
#[path = "http/stream.rs"]
mod stream;
