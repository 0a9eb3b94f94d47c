//! The names. A line here is all that a new proof or benchmark needs besides its own test or bench target.
//!
//! A test holds every line to a target that exists, and tidy holds the documents to these names.

use super::Recipe;

/// Run with `cargo xtask prove NAME`.
pub(crate) const PROOFS: &[Recipe] = &[];

/// Run with `cargo xtask bench NAME [--json FILE]`.
pub(crate) const BENCHES: &[Recipe] = &[];
