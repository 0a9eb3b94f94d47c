//! A rating event: what the edge learns of one rating.
//!
//! The brief's four fields are enough; the others are what makes the loop worth closing.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::ids::{ItemId, UserId};
use crate::rating::ScoreRange;

/// How an attempt ended, as the rating service saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Admitted and acknowledged.
    Accepted,
    /// Refused by the bucket or the guard.
    Throttled,
    /// Admitted, then failed.
    Failed,
    /// Admitted, but the client left before the answer.
    Timeout,
}

/// One rating event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", expecting = "an event, as an object")]
pub struct RatingEvent {
    /// Who rated.
    pub user_id: UserId,
    /// What was rated.
    pub item_id: ItemId,
    /// The score.
    pub score: f64,
    /// When the rating says it was given, ms since the epoch.
    pub timestamp: u64,
    /// Identifies the event where it may be delivered more than once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, max_length = 128))]
    pub event_id: Option<Arc<str>>,
    /// Service time of the rating as its caller saw it, in ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<f64>,
    /// How the attempt ended; missing means accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Requests in flight at the sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_flight: Option<u32>,
    /// Processing time without waiting, in ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work_ms: Option<f64>,
    /// Time spent in each dependency, in ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<BTreeMap<String, f64>>))]
    pub dependency_ms: Option<BTreeMap<Arc<str>, f64>>,
    /// Circumstances, as far as known.
    #[serde(default, skip_serializing_if = "Context::is_empty")]
    pub context: Context,
}

/// Dependencies that one event or batch may name.
pub(crate) const DEPENDENCIES_MAX: usize = 16;
/// Longest event id, in bytes.
const EVENT_ID_BYTES_MAX: usize = 128;

impl RatingEvent {
    /// An event with the brief's four fields.
    #[must_use]
    pub fn new(user_id: UserId, item_id: ItemId, score: f64, timestamp: u64) -> Self {
        Self {
            user_id,
            item_id,
            score,
            timestamp,
            event_id: None,
            latency_ms: None,
            outcome: None,
            in_flight: None,
            work_ms: None,
            dependency_ms: None,
            context: Context::default(),
        }
    }

    /// Checks the bounds that JSON alone does not.
    ///
    /// # Errors
    /// A sentence that names the field.
    pub fn check(&self, scores: ScoreRange) -> Result<(), String> {
        scores.check(self.score)?;
        check_ms("latencyMs", self.latency_ms)?;
        check_ms("workMs", self.work_ms)?;
        if let Some(id) = &self.event_id
            && id.len() > EVENT_ID_BYTES_MAX
        {
            return Err(format!("eventId has {} bytes, more than {EVENT_ID_BYTES_MAX}", id.len()));
        }
        let Some(dependencies) = &self.dependency_ms else { return Ok(()) };
        if dependencies.len() > DEPENDENCIES_MAX {
            return Err(format!(
                "dependencyMs names {} dependencies, more than {DEPENDENCIES_MAX}",
                dependencies.len()
            ));
        }
        dependencies.values().try_for_each(|&ms| check_ms("dependencyMs", Some(ms)))
    }
}

pub(crate) fn check_ms(field: &str, value: Option<f64>) -> Result<(), String> {
    match value {
        Some(ms) if !(ms.is_finite() && ms >= 0.0) => {
            Err(format!("{field} is {ms}; it must be a duration in ms, 0 or more"))
        }
        _ => Ok(()),
    }
}
