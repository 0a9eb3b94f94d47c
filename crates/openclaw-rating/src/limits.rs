//! How a refusal tells what to do: status, problem, `Retry-After` and the rate-limit fields.
//!
//! Fields and problem types follow draft-ietf-httpapi-ratelimit-headers. `quota-exceeded` means that the user
//! asked for more than it is configured to have; `temporary-reduced-capacity` that the service gives less than
//! that for now.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use openclaw_admin::reply::ProblemReply;
use openclaw_bucket::{Allowed, GuardFull, Limited, RefusedBy, fields};
use openclaw_collector::Admission;
use openclaw_protocol::{Problem, ProblemKind};

/// The limit's name in the rate-limit fields.
const LIMIT: &str = "user";
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// What a client told "never" should wait all the same: the parameters may change within seconds.
const NEVER: Duration = Duration::from_secs(60);

/// The problem of a rating that its bucket refused.
pub(crate) fn bucket_problem(limited: &Limited, admission: &Admission) -> Problem {
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
        "{who} may rate {:.3} times a second, {:.0} at once{why}; try again in {:.3} s",
        params.refill_rate(),
        params.capacity().floor(),
        wait.as_secs_f64()
    );
    Problem::new(kind, detail).with_status(429)
}

/// The whole reply to a single rating that its bucket refused.
pub(crate) fn bucket_reply(limited: &Limited, admission: &Admission) -> ProblemReply {
    let reply = ProblemReply::from(bucket_problem(limited, admission)).retry_after(retry_after(limited));
    let item = fields::rate_limit(LIMIT, limited.remaining, retry_after(limited));
    let policy = fields::rate_limit_policy(LIMIT, limited.params);
    with_field(with_field(reply, RATE_LIMIT, &item), RATE_LIMIT_POLICY, &policy)
}

fn with_field(reply: ProblemReply, name: HeaderName, text: &str) -> ProblemReply {
    match HeaderValue::from_str(text) {
        Ok(value) => reply.header(name, value),
        Err(_) => reply,
    }
}

/// How long a refused rating should stay away.
pub(crate) fn retry_after(limited: &Limited) -> Duration {
    limited.retry_after.unwrap_or(NEVER).min(NEVER)
}

/// The reply to a request that the guard refused.
pub(crate) fn guard_reply(full: &GuardFull, guard_time: Duration) -> ProblemReply {
    let detail = format!(
        "the service is full: {} requests are in flight and {} may be; try again shortly",
        full.in_flight, full.cap
    );
    let problem = Problem::new(ProblemKind::TemporaryReducedCapacity, detail).with_status(503);
    ProblemReply::from(problem).retry_after(guard_time)
}

/// How long a client should stay away after a failure that passes, such as a full queue or disk.
const FAILURE_WAIT: Duration = Duration::from_secs(1);

/// The wait after `problem`, where waiting may help.
pub(crate) fn failure_wait(problem: &Problem) -> Option<Duration> {
    (problem.status == 503).then_some(FAILURE_WAIT)
}

/// The reply to an admitted rating that was not stored.
pub(crate) fn failure_reply(problem: Problem) -> ProblemReply {
    let wait = failure_wait(&problem);
    let reply = ProblemReply::from(problem);
    match wait {
        Some(wait) => reply.retry_after(wait),
        None => reply,
    }
}

/// Adds `Retry-After` to a batch's answer: when the first of its refused ratings can be admitted.
pub(crate) fn tell_when(headers: &mut HeaderMap, wait: Duration) {
    headers.insert(http::header::RETRY_AFTER, HeaderValue::from(fields::retry_after_s(wait).max(1)));
}

/// Adds the rate-limit fields of an admitted rating.
pub(crate) fn describe(headers: &mut HeaderMap, allowed: &Allowed) {
    let item = fields::rate_limit(LIMIT, allowed.remaining, allowed.reset_after);
    let policy = fields::rate_limit_policy(LIMIT, allowed.params);
    for (name, text) in [(RATE_LIMIT, item), (RATE_LIMIT_POLICY, policy)] {
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(name, value);
        }
    }
}
