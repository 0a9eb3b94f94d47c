//! The sidecar over real sockets: real clients, real services, and bad ones of both.

#![expect(clippy::unwrap_used, reason = "tests stop at the first surprise, their fixtures too")]

mod enforcement;
mod failures;
mod http2;
mod keys;
mod passing;
mod reload;
mod stage;
mod upgrades;
