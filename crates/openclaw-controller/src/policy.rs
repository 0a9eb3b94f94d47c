//! The learned policy's serving side: the network, and its forward pass with the same bits on every processor.
//!
//! Everything here is pure and defined once, for training and for serving: a trainer produces a [`Network`] and
//! reads its observations through the same code that a service does, so that nothing is computed in two ways.

mod elementary;
mod forward;
mod kernel;
mod network;

pub use elementary::{exp, ln};
pub use forward::{Forward, Scratch};
pub use kernel::{Path, PathUnavailable};
pub use network::{Dense, LIMITS, Layout, Limits, Network, NetworkError, Normaliser};
