//! The static bucket: every user gets the configured parameters, for ever. What most services run today.
//!
//! The one rule that sets no total: its limit is per user, whatever all of them together ask for. Tuned offline it is
//! right for one load and wrong for every other, which is the point of having it beside the others.

use openclaw_protocol::BucketPolicy;

use super::Parameter;
use super::parameter::Values;
use crate::observation::{Action, Controller, Observation};

/// Settings of [`Fixed`], in proportion to a service's size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FixedSettings {
    /// A user's refill rate, as a fraction of the configured start of the total admitted rate.
    pub refill_share: f64,
    /// A bucket holds what it refills in this many seconds.
    pub bucket_s: f64,
}

impl FixedSettings {
    /// What may be tuned, in the order in which [`Self::from_values`] takes the values. The defaults make the
    /// configuration's defaults (10 tokens/s, 20 tokens) of its default start (1000 ratings/s).
    pub const PARAMETERS: &'static [Parameter] =
        &[Parameter::log("refillShare", 0.0005, 0.5, 0.01), Parameter::log("bucketS", 0.1, 5.0, 2.0)];

    /// Settings from values in the order of [`Self::PARAMETERS`]: a value that is missing or no number is the default,
    /// one out of bounds is the nearest bound.
    #[must_use]
    pub fn from_values(values: &[f64]) -> Self {
        let mut values = Values::new(Self::PARAMETERS, values);
        Self { refill_share: values.take(), bucket_s: values.take() }
    }

    /// What every user of a service gets whose configured start is `start_per_s`.
    #[must_use]
    pub fn policy(&self, start_per_s: f64) -> BucketPolicy {
        // Under one token nobody would ever be admitted; under one in twenty seconds hardly anybody.
        let refill_rate = (self.refill_share * start_per_s).clamp(0.05, 1e9);
        BucketPolicy { bucket_size: (self.bucket_s * refill_rate).max(1.2), refill_rate }
    }
}

/// The static controller.
#[derive(Clone, Copy, Debug)]
pub struct Fixed {
    policy: BucketPolicy,
}

impl Fixed {
    /// Gives every user `policy`.
    #[must_use]
    pub fn new(policy: BucketPolicy) -> Self {
        Self { policy }
    }
}

impl Controller for Fixed {
    fn name(&self) -> &'static str {
        "static"
    }

    fn guards(&self) -> bool {
        false
    }

    fn decide(&mut self, _seen: &Observation) -> Action {
        Action::PerUser(self.policy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::tests::observation;

    #[test]
    fn the_defaults_are_those_of_the_configuration() {
        let policy = FixedSettings::from_values(&[]).policy(1000.0);
        assert_eq!((policy.refill_rate, policy.bucket_size), (10.0, 20.0));
    }

    #[test]
    fn nothing_that_is_seen_changes_it() {
        let policy = FixedSettings::from_values(&[]).policy(1000.0);
        let mut fixed = Fixed::new(policy);
        let late = Observation { p95_s: f64::INFINITY, ..observation() };
        assert_eq!(fixed.decide(&observation()), Action::PerUser(policy));
        assert_eq!(fixed.decide(&late), Action::PerUser(policy));
    }

    #[test]
    fn a_tiny_service_still_admits_every_user() {
        let policy = FixedSettings::from_values(&[0.0, 0.0]).policy(0.1);
        assert_eq!((policy.refill_rate, policy.bucket_size), (0.05, 1.2));
    }
}
