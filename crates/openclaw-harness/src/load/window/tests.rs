//! How one second is judged.
