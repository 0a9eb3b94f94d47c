//! Policies trained, and controllers compared side by side, honestly.
//!
//! [`train`] learns a policy in the simulator, [`evaluate`] plays every controller on every scenario, [`tune`] gives
//! every controller the same chance beforehand, [`report`] shows who did best and how sure that is. [`real`] judges the same
//! courses played through real processes.

pub mod evaluate;
mod jobs;
pub mod real;
pub mod report;
pub mod train;
pub mod tune;
