//! The order and the times of what is sent.
