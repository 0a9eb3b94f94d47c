//! The names. A line here is all that a new proof or benchmark needs besides its own test or bench target.
//!
//! Full counts are settings called `OPENCLAW_PROVE_…`; what the environment already sets is left as it is, so
//! `OPENCLAW_PROVE_LOSSES=1000 cargo xtask prove store-loss` asks for more.
//!
//! A test holds every line to a target that exists, and tidy holds the documents to these names.

use super::Recipe;

/// Run with `cargo xtask prove NAME`.
pub(crate) const PROOFS: &[Recipe] = &[Recipe {
    name: "store-loss",
    about: "100 losses of power or process amid writing; no acknowledged rating may be missing",
    settings: &[("OPENCLAW_PROVE_LOSSES", "100")],
    package: "openclaw-store",
    target: "power_loss",
}];

/// Run with `cargo xtask bench NAME [--json FILE]`.
pub(crate) const BENCHES: &[Recipe] = &[Recipe {
    name: "event",
    about: "the edge's event path beside a bare axum route that parses the same JSON",
    settings: &[],
    package: "openclaw-edge",
    target: "event",
}];
