//! How a refusal tells what to do: status, problem, `Retry-After` and the rate-limit fields.
//!
//! Fields and problem types follow draft-ietf-httpapi-ratelimit-headers. `quota-exceeded` means that the user
//! asked for more than it is configured to have; `temporary-reduced-capacity` that the service gives less than
//! that for now. Here and not in each service, so that a client meets the same words at all of them.

use std::time::Duration;

use openclaw_bucket::{Allowed, Decision, GuardFull, Limited, RefusedBy, fields};
use openclaw_protocol::{Problem, ProblemKind};

use crate::admission::Admission;

/// The limit's name in the rate-limit fields.
const LIMIT: &str = "user";

/// What a client told "never" should wait all the same: the parameters may change within seconds.
const NEVER: Duration = Duration::from_secs(60);

/// The values of `RateLimit` and `RateLimit-Policy`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimitFields {
    /// What is left, and when there is more: `"user";r=19;t=1`.
    pub rate_limit: String,
    /// The bucket: `"user";q=20;w=2`.
    pub rate_limit_policy: String,
}

impl RateLimitFields {
    /// The fields of admitted work: the time is that until the bucket is full.
    #[must_use]
    pub fn of_allowed(allowed: &Allowed) -> Self {
        Self {
            rate_limit: fields::rate_limit(LIMIT, allowed.remaining, allowed.reset_after),
            rate_limit_policy: fields::rate_limit_policy(LIMIT, allowed.params),
        }
    }

    /// The fields of refused work: the time is that until it may be tried again.
    #[must_use]
    pub fn of_limited(limited: &Limited) -> Self {
        Self {
            rate_limit: fields::rate_limit(LIMIT, limited.remaining, retry_after(limited)),
            rate_limit_policy: fields::rate_limit_policy(LIMIT, limited.params),
        }
    }

    /// The fields of either.
    #[must_use]
    pub fn of(decision: &Decision) -> Self {
        match decision {
            Decision::Allowed(allowed) => Self::of_allowed(allowed),
            Decision::Limited(limited) => Self::of_limited(limited),
        }
    }
}

/// How long work that a bucket refused should stay away, at most a minute.
#[must_use]
pub fn retry_after(limited: &Limited) -> Duration {
    limited.retry_after.unwrap_or(NEVER).min(NEVER)
}

/// The problem (429) of work that its user's bucket refused. `verb` is what users do there, such as `rate`.
#[must_use]
pub fn bucket_problem(limited: &Limited, admission: &Admission, verb: &str) -> Problem {
    let wait = retry_after(limited);
    let params = limited.params;
    let lowered = limited.refused_by != RefusedBy::Own || admission.is_lowered(params);
    let kind = if lowered { ProblemKind::TemporaryReducedCapacity } else { ProblemKind::QuotaExceeded };
    let who = match limited.refused_by {
        RefusedBy::Own => "this user",
        RefusedBy::Newcomers | RefusedBy::Overflow => "users that are new here together",
    };
    let why = if lowered { ", less than usual while the service is busy" } else { "" };
    let detail = format!(
        "{who} may {verb} {:.3} times a second, {:.0} at once{why}; try again in {:.3} s",
        params.refill_rate(),
        params.capacity().floor(),
        wait.as_secs_f64()
    );
    Problem::new(kind, detail).with_status(429)
}

/// The problem (503) of a request that the guard refused; it should stay away for
/// [`Admission::guard_time`].
#[must_use]
pub fn guard_problem(full: &GuardFull) -> Problem {
    let detail = format!(
        "the service is full: {} requests are in flight and {} may be; try again shortly",
        full.in_flight, full.cap
    );
    Problem::new(ProblemKind::TemporaryReducedCapacity, detail).with_status(503)
}
