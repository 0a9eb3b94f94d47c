//! The operator's word on one user's limits, and what becomes of it on its way to the buckets.
//!
//! Two types, because two readers need different things: an operator writes [`UserLimits`], which may name a tier, and
//! a collector follows [`EffectiveLimits`], in which the tier is worked out. So a collector needs to know no tiers,
//! and its local loop keeps an operator's word while the edge is away.

use serde::{Deserialize, Serialize};

use crate::policy::BucketPolicy;

/// Lowest and highest weight of a user in the water level: beyond it an operator means a pin.
pub const WEIGHT_MIN: f64 = 0.01;
/// See [`WEIGHT_MIN`].
pub const WEIGHT_MAX: f64 = 100.0;

/// Longest name of a tier, in bytes.
pub const TIER_BYTES_MAX: usize = 64;

/// What a user's bucket has at least and at most; what is missing is not bounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LimitBounds {
    /// Lowest capacity, in tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket_size_min: Option<f64>,
    /// Highest capacity, in tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket_size_max: Option<f64>,
    /// Lowest refill rate, in tokens per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refill_rate_min: Option<f64>,
    /// Highest refill rate, in tokens per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refill_rate_max: Option<f64>,
}

impl LimitBounds {
    /// Whether nothing is bounded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// These bounds, and `wider`'s where they leave one open.
    #[must_use]
    pub fn or(&self, wider: &Self) -> Self {
        Self {
            bucket_size_min: self.bucket_size_min.or(wider.bucket_size_min),
            bucket_size_max: self.bucket_size_max.or(wider.bucket_size_max),
            refill_rate_min: self.refill_rate_min.or(wider.refill_rate_min),
            refill_rate_max: self.refill_rate_max.or(wider.refill_rate_max),
        }
    }

    /// The nearest policy inside the bounds; where they cross, the highest value wins.
    #[must_use]
    pub fn clamp(&self, policy: BucketPolicy) -> BucketPolicy {
        let within = |value: f64, min: Option<f64>, max: Option<f64>| {
            value.max(min.unwrap_or(f64::NEG_INFINITY)).min(max.unwrap_or(f64::INFINITY))
        };
        BucketPolicy {
            bucket_size: within(policy.bucket_size, self.bucket_size_min, self.bucket_size_max),
            refill_rate: within(policy.refill_rate, self.refill_rate_min, self.refill_rate_max),
        }
    }

    /// Checks each number and each pair.
    ///
    /// # Errors
    /// A sentence that names the field.
    pub fn check(&self) -> Result<(), String> {
        let pairs = [
            ("bucketSize", self.bucket_size_min, self.bucket_size_max),
            ("refillRate", self.refill_rate_min, self.refill_rate_max),
        ];
        for (name, min, max) in pairs {
            for (end, value) in [("Min", min), ("Max", max)] {
                if value.is_some_and(|value| !(value.is_finite() && value >= 0.0)) {
                    return Err(format!("{name}{end} must be a number of 0 or more"));
                }
            }
            if let (Some(min), Some(max)) = (min, max)
                && min > max
            {
                return Err(format!("{name}Min is {min}, above {name}Max, which is {max}"));
            }
        }
        Ok(())
    }
}

/// An operator's override of one user's limits. At least one of its first four fields is there; a pin excludes the
/// others, because it leaves nothing for them to decide.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UserLimits {
    /// Exactly these parameters, whatever the controller decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<BucketPolicy>,
    /// The controller decides, inside these bounds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bounds: Option<LimitBounds>,
    /// A tier of the edge's configuration: a weight and perhaps bounds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// Weight in the water level, 0.01 to 100: how many times what a user without one gets when there is not enough
    /// for all. It wins over the tier's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<f64>,
    /// When the override ends, ms since the epoch; missing means never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
}

impl UserLimits {
    /// Checks what the numbers and their combination alone can tell.
    ///
    /// # Errors
    /// A sentence that names the field.
    pub fn check(&self) -> Result<(), String> {
        let rest = self.bounds.is_some_and(|bounds| !bounds.is_empty())
            || self.tier.is_some()
            || self.priority.is_some();
        match (&self.pin, rest) {
            (None, false) => {
                return Err("an override needs at least one of pin, bounds, tier and priority".to_owned());
            }
            (Some(_), true) => {
                return Err("a pin leaves nothing for bounds, tier and priority to decide; \
                            send it alone, or send bounds whose ends meet"
                    .to_owned());
            }
            (Some(pin), false) if !pin.is_sound() => {
                return Err("pin: bucketSize and refillRate must be numbers of 0 or more".to_owned());
            }
            _ => {}
        }
        if let Some(weight) = self.priority
            && !(WEIGHT_MIN..=WEIGHT_MAX).contains(&weight)
        {
            return Err(format!("priority is {weight}; it must lie in {WEIGHT_MIN} to {WEIGHT_MAX}"));
        }
        self.bounds.map_or(Ok(()), |bounds| bounds.check())
    }
}

/// An override as a control loop follows it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct EffectiveLimits {
    /// Exactly these parameters over all collectors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<BucketPolicy>,
    /// Bounds of the parameters over all collectors.
    #[serde(default, skip_serializing_if = "LimitBounds::is_empty")]
    pub bounds: LimitBounds,
    /// Weight in the water level.
    #[serde(default = "one")]
    pub weight: f64,
    /// When it ends, ms since the epoch; missing means never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
}

fn one() -> f64 {
    1.0
}

impl EffectiveLimits {
    /// Whether every number is one that a loop can follow: the least a receiver must ask for.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        (WEIGHT_MIN..=WEIGHT_MAX).contains(&self.weight)
            && self.bounds.check().is_ok()
            && self.pin.is_none_or(|pin| pin.is_sound())
    }

    /// Whether it has ended at `now_ms`, ms since the epoch.
    #[must_use]
    pub fn has_expired(&self, now_ms: u64) -> bool {
        self.expires_at.is_some_and(|at_ms| at_ms <= now_ms)
    }

    /// What holds over all collectors where the controller would give `decided`.
    #[must_use]
    pub fn apply(&self, decided: BucketPolicy) -> BucketPolicy {
        self.pin.unwrap_or_else(|| self.bounds.clamp(decided))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(json: &str) -> UserLimits {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn an_override_that_says_nothing_or_contradicts_itself_is_refused_with_the_field() {
        for (json, part) in [
            ("{}", "at least one of"),
            (r#"{"bounds":{}}"#, "at least one of"),
            (r#"{"pin":{"bucketSize":1,"refillRate":1},"tier":"gold"}"#, "a pin leaves nothing"),
            (r#"{"pin":{"bucketSize":-1,"refillRate":1}}"#, "pin: bucketSize"),
            (r#"{"priority":0}"#, "priority is 0; it must lie in 0.01 to 100"),
            (
                r#"{"bounds":{"refillRateMin":5,"refillRateMax":4}}"#,
                "refillRateMin is 5, above refillRateMax",
            ),
            (r#"{"bounds":{"bucketSizeMax":-4}}"#, "bucketSizeMax must be a number"),
        ] {
            let reason = limits(json).check().unwrap_err();
            assert!(reason.contains(part), "{json}: {reason}");
        }
        for json in [
            r#"{"pin":{"bucketSize":0,"refillRate":0}}"#,
            r#"{"bounds":{"refillRateMax":4},"tier":"gold","priority":2.5,"expiresAt":1}"#,
        ] {
            assert_eq!(limits(json).check(), Ok(()), "{json}");
        }
    }

    #[test]
    fn an_unknown_field_is_an_error_so_that_no_typing_mistake_is_taken_for_no_limit() {
        assert!(serde_json::from_str::<UserLimits>(r#"{"pinn":1}"#).is_err());
        assert!(serde_json::from_str::<UserLimits>(r#"{"bounds":{"refillMax":1}}"#).is_err());
    }

    #[test]
    fn bounds_hold_both_numbers_and_a_pin_holds_them_exactly() {
        let decided = BucketPolicy { bucket_size: 50.0, refill_rate: 0.5 };
        let bounds =
            LimitBounds { bucket_size_max: Some(20.0), refill_rate_min: Some(2.0), ..Default::default() };
        let mut limits = EffectiveLimits { pin: None, bounds, weight: 1.0, expires_at: Some(7) };
        assert_eq!(limits.apply(decided), BucketPolicy { bucket_size: 20.0, refill_rate: 2.0 });
        limits.pin = Some(BucketPolicy { bucket_size: 3.0, refill_rate: 1.0 });
        assert_eq!(limits.apply(decided), BucketPolicy { bucket_size: 3.0, refill_rate: 1.0 });
        assert!(!limits.has_expired(6) && limits.has_expired(7));
    }
}
