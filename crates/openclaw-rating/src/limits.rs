//! How a refusal becomes a reply, and a reply tells what is left. What it says is the collector's.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use openclaw_admin::reply::ProblemReply;
use openclaw_bucket::{Allowed, GuardFull, Limited, fields};
use openclaw_collector::Admission;
use openclaw_collector::refusal::{self, RateLimitFields};
use openclaw_protocol::Problem;

pub(crate) use openclaw_collector::refusal::retry_after;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The problem of a rating that its bucket refused.
pub(crate) fn bucket_problem(limited: &Limited, admission: &Admission) -> Problem {
    refusal::bucket_problem(limited, admission, "rate")
}

/// The whole reply to a single rating that its bucket refused.
pub(crate) fn bucket_reply(limited: &Limited, admission: &Admission) -> ProblemReply {
    let reply = ProblemReply::from(bucket_problem(limited, admission)).retry_after(retry_after(limited));
    let fields = RateLimitFields::of_limited(limited);
    let reply = with_field(reply, RATE_LIMIT, &fields.rate_limit);
    with_field(reply, RATE_LIMIT_POLICY, &fields.rate_limit_policy)
}

fn with_field(reply: ProblemReply, name: HeaderName, text: &str) -> ProblemReply {
    match HeaderValue::from_str(text) {
        Ok(value) => reply.header(name, value),
        Err(_) => reply,
    }
}

/// The reply to a request that the guard refused.
pub(crate) fn guard_reply(full: &GuardFull, guard_time: Duration) -> ProblemReply {
    ProblemReply::from(refusal::guard_problem(full)).retry_after(guard_time)
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
    let fields = RateLimitFields::of_allowed(allowed);
    let named = [(RATE_LIMIT, fields.rate_limit), (RATE_LIMIT_POLICY, fields.rate_limit_policy)];
    for (name, text) in named {
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(name, value);
        }
    }
}
