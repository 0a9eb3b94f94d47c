//! Replies that the service behind never sees: refusals, and failures to get an answer.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, header};
use openclaw_admin::reply::ProblemReply;
use openclaw_bucket::{Decision, GuardFull, Limited};
use openclaw_collector::Admission;
use openclaw_collector::refusal::{self, RateLimitFields};
use openclaw_protocol::{Problem, ProblemKind};

use crate::client_body::ClientFault;
use crate::upstream::UpstreamFailure;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// How long a client should stay away where nothing tells when it will be better.
const PASSING: Duration = Duration::from_secs(1);

/// Why a request does not get to the service.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Refused {
    /// Its user's bucket lacks the tokens.
    Bucket(Limited),
    /// Too much is in flight.
    Guard(GuardFull),
    /// Nobody decides, and nothing is to be admitted then.
    Closed,
    /// It does not say whose limit it counts against.
    Unkeyed,
}

impl Refused {
    /// The reply.
    pub(crate) fn answer(&self, admission: &Admission) -> Response {
        match self {
            Self::Bucket(limited) => {
                let reply = ProblemReply::from(refusal::bucket_problem(limited, admission, "ask"));
                let mut response = reply.retry_after(refusal::retry_after(limited)).into_response();
                describe(&mut response, &Decision::Limited(*limited));
                response
            }
            Self::Guard(full) => {
                let reply = ProblemReply::from(refusal::guard_problem(full));
                reply.retry_after(admission.guard_time()).into_response()
            }
            Self::Closed => {
                let detail = "the limits are not known at the moment, and nothing is admitted without them; \
                              try again shortly";
                let problem = Problem::new(ProblemKind::TemporaryReducedCapacity, detail).with_status(503);
                ProblemReply::from(problem).retry_after(PASSING).into_response()
            }
            Self::Unkeyed => {
                let detail = "the request does not say whose limit it counts against";
                let challenge = HeaderValue::from_static("Bearer realm=\"openclaw\"");
                ProblemReply::new(ProblemKind::Unauthorized, detail)
                    .header(header::WWW_AUTHENTICATE, challenge)
                    .into_response()
            }
        }
    }
}

/// The method is one that no reverse proxy passes on.
pub(crate) fn connect() -> Response {
    let detail = "CONNECT asks for a tunnel to anywhere, which a reverse proxy does not make";
    ProblemReply::new(ProblemKind::MethodNotAllowed, detail)
        .header(header::ALLOW, HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"))
        .into_response()
}

/// The body did not come to its end.
pub(crate) fn client_fault(fault: ClientFault) -> Response {
    match fault {
        ClientFault::Silent => ProblemReply::new(
            ProblemKind::BodyTimeout,
            "the body paused for too long; send it without pauses",
        ),
        ClientFault::Broken => ProblemReply::new(ProblemKind::MalformedBody, "the body broke off"),
    }
    .into_response()
}

/// No answer from the service.
pub(crate) fn upstream(failure: UpstreamFailure) -> Response {
    let dependency = |status: u16, detail: &str| {
        ProblemReply::from(Problem::new(ProblemKind::DependencyFailed, detail).with_status(status))
    };
    match failure {
        UpstreamFailure::Client(fault) => return client_fault(fault),
        UpstreamFailure::Target => {
            ProblemReply::new(ProblemKind::InvalidField, "the request's target is no path")
        }
        UpstreamFailure::Full => {
            let detail = "as many requests as may be are with the service behind; try again shortly";
            let problem = Problem::new(ProblemKind::TemporaryReducedCapacity, detail).with_status(503);
            ProblemReply::from(problem).retry_after(PASSING)
        }
        UpstreamFailure::Unreachable => dependency(502, "the service behind cannot be reached"),
        UpstreamFailure::Untrusted => {
            dependency(502, "the service behind has no certificate that is trusted")
        }
        UpstreamFailure::ConnectTimeout => dependency(504, "the service behind took too long to be reached"),
        UpstreamFailure::HeadTimeout => dependency(504, "the service behind took too long to answer"),
        UpstreamFailure::Broken => dependency(502, "the service behind broke off without an answer"),
    }
    .into_response()
}

/// Adds the rate-limit fields.
pub(crate) fn describe(response: &mut Response, decision: &Decision) {
    let fields = RateLimitFields::of(decision);
    for (name, text) in [(RATE_LIMIT, fields.rate_limit), (RATE_LIMIT_POLICY, fields.rate_limit_policy)] {
        if let Ok(value) = HeaderValue::try_from(text) {
            response.headers_mut().insert(name, value);
        }
    }
}
