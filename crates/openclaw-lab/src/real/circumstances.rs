//! Under which circumstances a course was played: what the machine, the backend and the disk did meanwhile.

use serde::Serialize;

/// A machine that is busier than this has no time left for what it measures.
pub(super) const BUSY: f64 = 0.9;

/// How busy the machine was, and by whom.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MachineUse {
    /// Mean fraction of all processors' time that was used, by anybody; `None` where the system does not tell.
    pub busy_fraction: Option<f64>,
    /// Fraction of the seconds in which it was over 90 %.
    pub seconds_over_90_percent: f64,
    /// What the processes of the course used, in processors.
    pub processes: Vec<ProcessUse>,
}

/// What one process used.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProcessUse {
    /// `services`, `backend` or `load`.
    pub name: String,
    /// Processors it kept busy in the mean: 1 is one of them all the time.
    pub processors: f64,
}

/// What the backend did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BackendUse {
    /// Requests it worked on to their end.
    pub served: u64,
    /// What it delivered of what its workers could, over the seconds in which requests waited all along; `None` where
    /// there were none, or requests of several costs, which it does not count apart.
    pub delivered_fraction: Option<f64>,
    /// How far its clock, which the first request starts, was behind the load generator's.
    pub clock_lag_ms: f64,
}

/// What a commit to disk took, sync included. Every acknowledgement waits for one, and the simulator knows none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CommitTimes {
    /// Commits.
    pub count: u64,
    /// Mean time of one.
    pub mean_ms: f64,
}

impl MachineUse {
    /// From the machine's used fraction in each second.
    #[must_use]
    pub fn from_seconds(busy: &[f64], processes: Vec<ProcessUse>) -> Self {
        let over = busy.iter().filter(|fraction| **fraction > BUSY).count();
        Self {
            busy_fraction: (!busy.is_empty()).then(|| busy.iter().sum::<f64>() / busy.len() as f64),
            seconds_over_90_percent: over as f64 / busy.len().max(1) as f64,
            processes,
        }
    }
}
