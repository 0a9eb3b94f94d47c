//! The collector's envelope (`POST /api/v1/events`).
//!
//! Counters are cumulative since the collector's epoch, so that a lost batch loses no counts: the next one
//! carries them again. Without this, a fifth of the batches lost costs a third of the fair goodput
//! (measured by the prototypes that the controller's specification reports).

use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::event::RatingEvent;
use crate::ids::UserId;
use crate::problem::Problem;

/// Who sends a batch.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CollectorInfo {
    /// Unique among the collectors of one service; 1 to 128 bytes.
    pub id: String,
    /// The service whose capacity is shared; 1 to 128 bytes.
    pub service: String,
    /// When the counters began, ms since the epoch; a new epoch starts them at zero.
    pub epoch: u64,
}

/// Counters of a whole collector since its epoch, in ratings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Totals {
    /// Ratings offered.
    pub attempts: u64,
    /// Ratings admitted.
    pub accepted: u64,
    /// Ratings refused by the bucket or the guard.
    pub throttled: u64,
    /// Ratings acknowledged.
    pub completed: u64,
    /// Ratings admitted that then failed, or whose client left.
    pub failed: u64,
}

/// Counters of one user since the collector's epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct UserCounts {
    /// Whose.
    pub user_id: UserId,
    /// Ratings offered.
    pub attempts: u64,
    /// Ratings refused.
    #[serde(default)]
    pub throttled: u64,
    /// Circumstances of its newest attempt, as far as known: users of whom nothing was admitted are in no event.
    #[serde(default, skip_serializing_if = "Context::is_empty")]
    pub context: Context,
}

impl UserCounts {
    /// Counters of a user of whose circumstances nothing is known.
    #[must_use]
    pub fn new(user_id: UserId, attempts: u64, throttled: u64) -> Self {
        Self { user_id, attempts, throttled, context: Context::default() }
    }
}

/// State of one dependency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct DependencyGauge {
    /// Its name, 1 to 128 bytes.
    pub name: String,
    /// Calls in flight.
    pub in_flight: u32,
    /// Calls completed since the collector's epoch.
    pub completed: u64,
}

/// One batch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", expecting = "a batch, as an object")]
pub struct EventBatch {
    /// Who sends it.
    pub collector: CollectorInfo,
    /// Counts this collector's batches since its epoch, from 1.
    pub seq: u64,
    /// Ratings in flight now.
    #[serde(default)]
    pub in_flight: u32,
    /// Cumulative counters.
    #[serde(default)]
    pub totals: Totals,
    /// Everyone active since the previous batch.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<UserCounts>,
    /// Time from sending the newest batch that was answered to its answer, in ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round_trip_ms: Option<f64>,
    /// Dependencies, at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<DependencyGauge>,
    /// Whether the events were kept for a while because they could not be delivered: they count, but what they tell
    /// of latency is past.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub late: bool,
    /// Events.
    #[serde(default)]
    pub events: Vec<RatingEvent>,
}

/// An item of a batch that was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Rejected {
    /// Its place in the batch, from 0.
    pub index: usize,
    /// Why.
    pub problem: Problem,
}
