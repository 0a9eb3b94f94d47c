//! The way through the stages, in simulated time.
