//! The operator's side that every OpenClaw service shares: how it listens, who may do what, how failures
//! are answered, what it measures, whether it is well, and how it stops.
//!
//! Services bring routes and meanings; this crate knows no rating, no bucket and no policy. It is also the
//! only one that knows the metrics exporter: everything else records through the `metrics` facade.

pub mod access;
pub mod body;
pub mod health;
pub mod listen;
pub mod logging;
pub mod metrics;
pub mod openapi;
pub mod origin;
pub mod reply;
pub mod shutdown;
