//! What a collector says of itself, to people and to programs.

use openclaw_protocol::{DependencyGauge, Totals};
use serde::Serialize;

use crate::breaker::Circuit;

/// Who decides the limits now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ControlledBy {
    /// The edge: its answers hold.
    Edge,
    /// The local little-guard: there is no edge, or its leases have lapsed.
    Local,
}

/// A collector's state.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CollectorStatus {
    /// The collector's id, as the edge sees it.
    pub id: String,
    /// The service it reports for.
    pub service: String,
    /// Who decides now.
    pub controlled_by: ControlledBy,
    /// Version of the policy that the edge last answered with.
    pub policy_version: Option<String>,
    /// Guard time in ms, where there is a guard.
    pub guard_ms: Option<f64>,
    /// Requests that may be in flight, where there is a guard.
    pub guard_cap: Option<u32>,
    /// Requests in flight.
    pub in_flight: u32,
    /// Users whose parameters are leased.
    pub leases: usize,
    /// Users counted.
    pub users_tracked: usize,
    /// Events waiting for delivery.
    pub events_waiting: usize,
    /// Events waiting on disk.
    pub events_spooled: u64,
    /// Their bytes.
    pub spool_bytes: u64,
    /// Whether batches go out to the edge.
    pub circuit: Circuit,
    /// Events dropped since the start.
    pub events_dropped: u64,
    /// Events delivered since the start.
    pub events_delivered: u64,
    /// Events that the edge took out of a batch as invalid, since the start.
    pub events_rejected: u64,
    /// The last delivery's error, until one succeeds.
    pub edge_error: Option<String>,
    /// 95th percentile of the last second, in ms, where anything completed.
    pub p95_ms: Option<f64>,
    /// Fraction of the last second's ratings over the SLO.
    pub late_fraction: Option<f64>,
    /// Calls to every dependency, since the start.
    pub dependencies: Vec<DependencyGauge>,
    /// Counters since the start.
    pub totals: Totals,
}
