//! Controllers compared side by side, honestly.
//!
//! [`evaluate`] plays every controller on every scenario in the simulator, [`tune`] gives every controller the same
//! chance beforehand, [`report`] shows who did best and how sure that is.

pub mod evaluate;
mod jobs;
pub mod report;
pub mod tune;
