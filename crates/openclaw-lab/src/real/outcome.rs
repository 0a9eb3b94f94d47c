//! What a comparison in real time comes to: the JSON that it writes, and what the page is made of.

use serde::Serialize;

use super::chance::Chance;
use super::circumstances::{BackendUse, CommitTimes, MachineUse};
use super::side::Side;
use crate::evaluate::Role;

/// One controller on one scenario with one seed, played and simulated.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RealOutcome {
    /// Which controller.
    pub controller: String,
    /// What it is there for.
    #[serde(skip)]
    pub role: Role,
    /// Which scenario.
    pub scenario: String,
    /// The scenario in a sentence.
    #[serde(skip)]
    pub description: String,
    /// Added to the scenario's own seed.
    pub seed: u64,
    /// Through real processes.
    pub real: Side,
    /// In the simulator.
    pub simulated: Side,
    /// JF of the simulator over many draws of service times, of which `simulated` is the scenario's own.
    pub chance: Chance,
    /// The simulated oracle's work within the SLO, in plain requests: what both sides' G divides by.
    pub oracle_good_work: f64,
    /// JF of the played course less the mean of the simulated ones.
    #[serde(rename = "differenceJF")]
    pub difference_jf: f64,
    /// The likely cause of the difference.
    pub cause: String,
    /// What the machine did during the played course.
    pub machine: MachineUse,
    /// What the backend did.
    pub backend: BackendUse,
    /// What the disk did.
    pub commits: Option<CommitTimes>,
    /// 99th percentile of how late the load generator sent.
    pub send_lag_p99_ms: f64,
    /// Attempts that failed, by reason.
    pub failures: std::collections::BTreeMap<String, u64>,
}

/// Where all courses were played.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Machine {
    /// Processors that the process may use.
    pub processors: usize,
    /// Their model, where the system tells it.
    pub model: Option<String>,
    /// System and architecture.
    pub system: String,
}

/// All courses.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RealEvaluation {
    /// Every controller on every scenario with every seed, in that order.
    pub results: Vec<RealOutcome>,
    /// Where they were played.
    pub machine: Machine,
    /// The version that played them.
    pub version: String,
    /// The commit it was built from.
    pub commit: String,
    /// The command that repeats them.
    pub command: String,
    /// The latency goal for the 95th percentile.
    pub slo_ms: f64,
    /// Fraction of the scenarios' workers and demand that was played.
    pub scale: f64,
}

impl RealEvaluation {
    /// Mean used fraction of the machine over all courses, and the mean fraction of seconds over 90 %; `None` where
    /// the system does not tell.
    #[must_use]
    pub fn machine_busy(&self) -> Option<(f64, f64)> {
        let busy: Vec<f64> = self.results.iter().filter_map(|row| row.machine.busy_fraction).collect();
        let over = self.results.iter().map(|row| row.machine.seconds_over_90_percent).sum::<f64>();
        (!busy.is_empty())
            .then(|| (busy.iter().sum::<f64>() / busy.len() as f64, over / self.results.len() as f64))
    }

    /// Everybody's mean JF, real and simulated, the best real one first.
    #[must_use]
    pub fn standings(&self) -> Vec<(&str, f64, f64)> {
        let mut names: Vec<&str> = Vec::new();
        for row in &self.results {
            if !names.contains(&row.controller.as_str()) {
                names.push(&row.controller);
            }
        }
        let mean = |name: &str, of: fn(&RealOutcome) -> f64| {
            let own: Vec<f64> = self.results.iter().filter(|row| row.controller == name).map(of).collect();
            own.iter().sum::<f64>() / own.len().max(1) as f64
        };
        let mut standings: Vec<_> = names
            .into_iter()
            .map(|name| (name, mean(name, |row| row.real.jf), mean(name, |row| row.chance.mean_jf)))
            .collect();
        standings.sort_by(|one, other| other.1.total_cmp(&one.1));
        standings
    }
}
