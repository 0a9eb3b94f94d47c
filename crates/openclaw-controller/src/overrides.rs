//! The operator's overrides in the loop: who has one, and how the others share what is left.
//!
//! An override changes what one user may take, so it changes what is left for all others. The water level is solved
//! for everyone alike; here it is solved again with another total until the level, with the overrides applied to it,
//! hands out what the controller wants to admit, no more and no less. Histograms with a weight per user lost: pins and
//! bounds do not scale with the level, and a handful of users would have made every user's entry larger.

use std::collections::BTreeMap;

use openclaw_protocol::{BucketPolicy, EffectiveLimits, UserId};

use crate::division::{Level, Needs};

/// What the others share at least where fixed promises use everything up, as a fraction of the total: an operator who
/// promises more than there is slows everyone else down, but locks nobody out.
const LEFT_MIN: f64 = 0.05;
/// A total so low that at its level only fixed promises take anything.
const NOTHING_LEFT: f64 = 1e-6;
/// Halvings of the interval in which the total for the others lies: a millionth of it is left.
const HALVINGS: u32 = 20;

/// Users with an operator's override; users without one cost nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides {
    by_user: BTreeMap<UserId, EffectiveLimits>,
}

impl Overrides {
    /// The overrides of these users. What is not sound is left out: a broken number overrides nothing.
    #[must_use]
    pub fn new(by_user: BTreeMap<UserId, EffectiveLimits>) -> Self {
        let by_user = by_user.into_iter().filter(|(_, limits)| limits.is_sound()).collect();
        Self { by_user }
    }

    /// The override of a user.
    #[must_use]
    pub fn of(&self, user: &str) -> Option<&EffectiveLimits> {
        if self.by_user.is_empty() { None } else { self.by_user.get(user) }
    }

    /// Users with an override.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_user.len()
    }

    /// Whether nobody has one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_user.is_empty()
    }

    /// Everyone with an override, in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = (&UserId, &EffectiveLimits)> {
        self.by_user.iter()
    }

    /// Those that have not ended at `now_ms`, ms since the epoch, or `None` where that is all of them.
    #[must_use]
    pub fn without_expired(&self, now_ms: u64) -> Option<Self> {
        if !self.by_user.values().any(|limits| limits.has_expired(now_ms)) {
            return None;
        }
        let left = self.by_user.iter().filter(|(_, limits)| !limits.has_expired(now_ms));
        Some(Self { by_user: left.map(|(user, limits)| (user.clone(), *limits)).collect() })
    }
}

/// The part of a user's parameters over all collectors that is one collector's. A burst is kept whole down to what
/// admits anything at all: a third of a token admits nothing, ever.
pub(crate) fn part_of(whole: BucketPolicy, share: f64) -> BucketPolicy {
    const ADMITS_ANYTHING: f64 = 1.2;
    let bucket_size = (whole.bucket_size * share).max(whole.bucket_size.min(ADMITS_ANYTHING));
    BucketPolicy { bucket_size, refill_rate: whole.refill_rate * share }
}

/// A tracked user with an override.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asking<'a> {
    pub(crate) class: usize,
    pub(crate) demand_per_s: f64,
    pub(crate) limits: &'a EffectiveLimits,
}

impl Asking<'_> {
    /// How much more than a plain user with its demand it takes at `level`, in ratings per second; negative for less.
    fn excess_per_s(&self, level: &Level) -> f64 {
        let plain_per_s = level.of(self.class);
        let levelled = BucketPolicy { bucket_size: 0.0, refill_rate: plain_per_s * self.limits.weight };
        let own_per_s = self.limits.apply(levelled).refill_rate;
        self.demand_per_s.min(own_per_s) - self.demand_per_s.min(plain_per_s)
    }
}

/// The level at which plain users and `asking` together take `admitted_per_s`; `solve` gives the level at which all
/// would take a total, were they plain.
pub(crate) fn settle(
    admitted_per_s: f64,
    classes: &[Needs],
    asking: &[Asking<'_>],
    mut solve: impl FnMut(f64) -> Level,
) -> Level {
    let excess = |level: &Level| -> f64 {
        let cost = |class: usize| classes.get(class).map_or(1.0, |needs| needs.cost);
        asking.iter().map(|user| cost(user.class) * user.excess_per_s(level)).sum()
    };
    let whole = solve(admitted_per_s);
    let scarce = whole.total_per_s > admitted_per_s;
    let surplus = excess(&whole);
    if !scarce || surplus == 0.0 {
        return whole;
    }
    // What is taken rises with the total that the level is solved for, so halving finds where it is met.
    let (mut low, mut high) = match surplus > 0.0 {
        true => (admitted_per_s * NOTHING_LEFT, admitted_per_s),
        false => (admitted_per_s, whole.total_per_s),
    };
    let mut met = solve(low);
    if surplus > 0.0 && excess(&met) > admitted_per_s * (1.0 - LEFT_MIN) {
        return solve(admitted_per_s * LEFT_MIN);
    }
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        let level = solve(middle);
        if middle + excess(&level) <= admitted_per_s {
            (low, met) = (middle, level);
        } else {
            high = middle;
        }
    }
    met
}

#[cfg(test)]
mod tests;
