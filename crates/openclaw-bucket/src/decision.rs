//! What a bucket answers.
//!
//! One enum with named fields instead of nested `Result`s: being limited is an ordinary
//! answer with its own data, not an error.

use std::time::Duration;

use crate::BucketParams;
use crate::law::Law;
use crate::units::{tokens, until_full, wait};

/// The answer to one request for tokens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Decision {
    /// The tokens were taken.
    Allowed(Allowed),
    /// Nothing was taken.
    Limited(Limited),
}

impl Decision {
    /// Whether the tokens were taken.
    #[must_use]
    pub const fn is_allowed(&self) -> bool {
        matches!(self, Self::Allowed(_))
    }

    /// Tokens in the key's bucket after the decision.
    #[must_use]
    pub const fn remaining(&self) -> f64 {
        match self {
            Self::Allowed(allowed) => allowed.remaining,
            Self::Limited(limited) => limited.remaining,
        }
    }

    /// The parameters the decision was made with.
    #[must_use]
    pub const fn params(&self) -> BucketParams {
        match self {
            Self::Allowed(allowed) => allowed.params,
            Self::Limited(limited) => limited.params,
        }
    }

    /// Whose parameters these are.
    #[must_use]
    pub const fn standing(&self) -> Standing {
        match self {
            Self::Allowed(allowed) => allowed.standing,
            Self::Limited(limited) => limited.standing,
        }
    }
}

/// The tokens were taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Allowed {
    /// Tokens left in the key's bucket.
    pub remaining: f64,
    /// Time until that bucket is full again if nothing more is taken; [`Duration::MAX`] where it never is.
    pub reset_after: Duration,
    /// The parameters the decision was made with.
    pub params: BucketParams,
    /// Whose parameters these are.
    pub standing: Standing,
}

/// Nothing was taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limited {
    /// The earliest time from now at which the same request can be allowed, if nobody else takes
    /// tokens meanwhile. `None` means never under these parameters: the cost is above the capacity,
    /// nothing is refilled, or the cost is negative or not a number.
    pub retry_after: Option<Duration>,
    /// Tokens in the key's bucket (it may hold enough where a shared bucket refused).
    pub remaining: f64,
    /// The parameters of the key's bucket.
    pub params: BucketParams,
    /// Whose parameters these are.
    pub standing: Standing,
    /// Which bucket lacked the tokens.
    pub refused_by: RefusedBy,
}

/// Where a key's parameters come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Set for this key.
    Assigned,
    /// The defaults.
    Default,
    /// The table is full and the key unknown: it shares the overflow bucket, at the defaults.
    Overflow,
}

/// Which bucket lacked the tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedBy {
    /// The key's own.
    Own,
    /// The one that all keys at defaults share.
    Newcomers,
    /// The one that unknown keys share while the table is full.
    Overflow,
}

/// A key's bucket as it stands, read without changing it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Snapshot {
    /// Tokens in the bucket.
    pub level: f64,
    /// Its parameters.
    pub params: BucketParams,
    /// Whose parameters these are; never [`Standing::Overflow`], since such keys are not known.
    pub standing: Standing,
}

/// What a request asks of a bucket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask {
    /// Units to take.
    pub(crate) cost: i64,
    /// The fraction of the capacity to leave in the bucket.
    pub(crate) reserve: f64,
}

impl Ask {
    /// The units that must be in the bucket.
    pub(crate) fn needs(self, law: Law) -> i64 {
        // A conversion that turns NaN and negative fractions into no reserve at all.
        let reserved = (self.reserve * law.capacity() as f64) as u64;
        self.cost.saturating_add_unsigned(reserved)
    }
}

/// Whose numbers an answer is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bearings {
    pub(crate) law: Law,
    pub(crate) standing: Standing,
}

impl Bearings {
    /// Units were taken; `level` is left.
    // Inlined always: a caller who only asks whether the request is allowed then does not pay for the rest.
    #[inline(always)]
    pub(crate) fn allowed(self, level: i64) -> Decision {
        let Self { law, standing } = self;
        let (params, reset_after) = (law.params(), until_full(law, level));
        Decision::Allowed(Allowed { remaining: tokens(level), reset_after, params, standing })
    }

    /// The bucket holds `level` units, which are fewer than `cost`.
    pub(crate) fn limited(self, level: i64, cost: i64, refused_by: RefusedBy) -> Decision {
        self.refused(level, wait(self.law, level, cost), refused_by)
    }

    /// Another bucket refused, and says when to come back.
    pub(crate) fn refused(
        self,
        level: i64,
        retry_after: Option<Duration>,
        refused_by: RefusedBy,
    ) -> Decision {
        let Self { law, standing } = self;
        let params = law.params();
        Decision::Limited(Limited { retry_after, remaining: tokens(level), params, standing, refused_by })
    }
}
