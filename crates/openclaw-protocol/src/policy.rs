//! What the edge answers: bucket parameters, how long they hold, and why.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::batch::Rejected;
use crate::context::Context;
use crate::ids::UserId;
use crate::limits::EffectiveLimits;

/// The brief's answer: a bucket's capacity and refill rate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct BucketPolicy {
    /// Capacity in tokens.
    pub bucket_size: f64,
    /// Refill rate in tokens per second.
    pub refill_rate: f64,
}

impl BucketPolicy {
    /// Whether both numbers are finite and not negative: the least a receiver must ask for.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.bucket_size.is_finite()
            && self.refill_rate.is_finite()
            && self.bucket_size >= 0.0
            && self.refill_rate >= 0.0
    }
}

/// Why an answer is what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// No latency has ever been reported: the configured default.
    NoLatencySignal,
    /// The controller's decision.
    Controller,
    /// The controller's decision was not a usable number; the fallback decided.
    Fallback,
    /// The user is not known yet: the newcomers' default.
    Newcomer,
    /// The operator's override of this user's limits.
    Operator,
    /// A reason that this version does not know: an older collector must still follow a newer edge.
    #[serde(other)]
    Other,
}

/// Answer to one event (`POST /api/v1/event`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct PolicyAnswer {
    /// The user's new parameters.
    #[serde(flatten)]
    pub policy: BucketPolicy,
    /// How long they hold, in ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_ms: Option<u64>,
    /// Guard time, in ms; missing where the controller uses no guard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guard_ms: Option<f64>,
    /// Which policy or controller decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_version: Option<String>,
    /// Experiment arm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arm: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

/// Guard time of one context class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ClassGuard {
    /// The class.
    pub context: Context,
    /// Its guard time, in ms.
    pub guard_ms: f64,
}

/// Guard time of one dependency.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct DependencyGuard {
    /// The dependency's name.
    pub name: String,
    /// Its guard time, in ms.
    pub guard_ms: f64,
}

/// Answer to a batch (`POST /api/v1/events`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct BatchAnswer {
    /// New parameters of every user named in the batch.
    pub policies: HashMap<UserId, BucketPolicy>,
    /// Parameters of every user that has none of its own.
    pub defaults: BucketPolicy,
    /// Parameters of the one bucket that users without parameters share; missing means no such bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newcomers: Option<BucketPolicy>,
    /// Guard time, in ms; missing where the controller uses no guard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guard_ms: Option<f64>,
    /// How long all of this holds, in ms.
    pub ttl_ms: u64,
    /// Which policy or controller decided.
    pub policy_version: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Guard times of context classes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<ClassGuard>,
    /// Guard times of dependencies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<DependencyGuard>,
    /// The operator's overrides, all of them, where this answer tells: after a change, and again before the previous
    /// telling lapses. `policies` then has the parameters of these users too, whether the batch named them or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overrides: Option<BTreeMap<UserId, EffectiveLimits>>,
    /// Events that were not taken, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rejected: Vec<Rejected>,
}
