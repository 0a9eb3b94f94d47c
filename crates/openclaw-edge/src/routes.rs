//! The edge's HTTP interface.

mod limits;

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Router;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, Request, State};
use axum::response::Response;
use axum::routing::{get, post, put};
use http::StatusCode;
use openclaw_admin::access::{AccessPolicy, Role};
use openclaw_admin::body::{content_type, read_body};
use openclaw_admin::openapi::{self, AccessProblems, BearerByRole, BodyProblems, InternalProblem};
use openclaw_admin::reply::{ProblemReply, json_reply, with_problem_fallbacks};
use openclaw_controller::LearnedExplanation;
use openclaw_protocol::{
    BatchAnswer, BodyForm, EventBatch, PolicyAnswer, Problem, ProblemKind, RatingEvent, Reason, UserLimits,
    parse_event, parse_events,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, IntoResponses, OpenApi, ToSchema};

use crate::services::{Edge, unix_ms};

const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";
/// How long a service or collector that finds no place should stay away. One becomes free when another has been silent for
/// a minute, so asking more often gains nothing.
const FULL_RETRY: Duration = Duration::from_secs(10);

/// The edge's interface as OpenAPI.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "OpenClaw edge service",
        description = "Events in, bucket parameters out. Times are ms since the epoch. Every error is an RFC 9457 \
                       problem document; unknown paths are answered 404, known ones under a wrong method 405 with \
                       `Allow`."
    ),
    servers((url = "http://127.0.0.1:8081", description = "Default listener")),
    paths(
        event,
        events,
        policy,
        policy_of,
        limits::put_limits,
        limits::get_limits,
        limits::delete_limits,
        limits::list_limits
    ),
    components(schemas(Problem)),
    modifiers(&BearerByRole)
)]
struct EdgeDocument;

/// The OpenAPI document of this service.
///
/// # Errors
/// See [`openapi::to_json`].
pub fn openapi_json() -> Result<String, serde_json::Error> {
    openapi::to_json::<EdgeDocument>()
}

/// The edge's routes: events for collectors, explanations for readers, users' limits for admins.
pub fn router(edge: Edge, access: &AccessPolicy) -> Router {
    let events = Router::new()
        .route("/api/v1/event", post(event))
        .route("/api/v1/events", post(events))
        .layer(access.require(Role::Collector));
    let readers = Router::new()
        .route("/api/v1/users/{id}/policy", get(policy_of))
        .route("/api/v1/policy", get(policy))
        .route("/api/v1/limits", get(limits::list_limits))
        .layer(access.require(Role::Reader));
    // One path, two roles: whoever may read may see an override, an admin alone may change it.
    let change = put(limits::put_limits).delete(limits::delete_limits).layer(access.require(Role::Admin));
    let look = get(limits::get_limits).layer(access.require(Role::Reader));
    let overrides = Router::new().route("/api/v1/users/{id}/limits", look.merge(change));
    with_problem_fallbacks(events.merge(readers).merge(overrides).with_state(edge))
}

/// What a route that takes events answers where it takes none.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "read by its derive alone")]
enum EventProblems {
    /// The body is not JSON of the expected form (`malformed-body`), or a field is wrong (`invalid-field`).
    #[response(status = 400, content_type = "application/problem+json", example = json!({
        "type": "urn:openclaw:problem:invalid-field", "title": "invalid field", "status": 400,
        "detail": "score is 11; it must lie in 0 to 10"}))]
    Invalid(Problem),
    /// This edge serves as many services or collectors as it may (`temporary-reduced-capacity`).
    #[response(status = 503, content_type = "application/problem+json",
        headers(("Retry-After" = u64, description = "Seconds after which a place may be free")))]
    Full(Problem),
}

/// The reply to a service or collector that finds no place.
fn full(problem: Problem) -> ProblemReply {
    ProblemReply::from(problem).retry_after(FULL_RETRY)
}

/// Takes one event and answers with its user's new bucket parameters.
///
/// Its four required fields alone are enough. Without any latency signal the answer is the configured default and
/// `reason` says `no-latency-signal`.
#[utoipa::path(
    post,
    path = "/api/v1/event",
    tag = "events",
    security(("bearer" = ["collector"]), ()),
    request_body(content(
        (RatingEvent = "application/json", examples(
            ("minimal" = (summary = "The four required fields", value = json!(
                {"userId": "user-123", "itemId": "item-456", "score": 4.7, "timestamp": 1710841234567u64}))),
            ("whole" = (summary = "With what the loop learns from", value = json!(
                {"userId": "user-123", "itemId": "item-456", "score": 4.7, "timestamp": 1710841234567u64,
                 "eventId": "c1-000017", "latencyMs": 20.5, "outcome": "accepted", "inFlight": 12, "workMs": 18.0,
                 "dependencyMs": {"backend": 18.0},
                 "context": {"deviceType": "mobile", "networkQuality": "good"}})))
        ))
    )),
    responses(
        (status = 200, description = "The user's bucket parameters", body = PolicyAnswer, examples(
            ("minimal" = (summary = "The two fields that are always there", value = json!(
                {"bucketSize": 120, "refillRate": 15.3}))),
            ("whole" = (summary = "As a rule", value = json!(
                {"bucketSize": 120.0, "refillRate": 15.3, "ttlMs": 5000, "guardMs": 160.0,
                 "policyVersion": "little-guard", "reason": "controller"})))
        )),
        EventProblems,
        AccessProblems,
        BodyProblems,
        InternalProblem
    )
)]
async fn event(State(edge): State<Edge>, request: Request) -> Result<Response, ProblemReply> {
    content_type(request.headers(), &[JSON])?;
    let settings = edge.settings();
    let body = read_body(request.into_body(), settings.body_bytes_max, settings.body_timeout).await?;
    let mut event =
        parse_event(&body, settings.scores).inspect_err(|_| edge.meters().rejected.increment(1))?;
    edge.keep_listed(&mut event.context);
    Ok(json_reply(StatusCode::OK, &edge.take_event(&event).map_err(full)?))
}

/// What `POST /api/v1/events` reads as JSON.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "read by its derive alone")]
enum EventsBody {
    /// A collector's batch.
    Envelope(EventBatch),
    /// Events alone.
    Bare(Vec<RatingEvent>),
}

/// Takes a collector's batch and answers with the parameters of every user that it names.
///
/// Counters are cumulative since the collector's epoch, so that lost batches lose no counts. Events may also come
/// alone, as an array or as NDJSON; an event that is not taken is listed in `rejected` and holds up no other.
#[utoipa::path(
    post,
    path = "/api/v1/events",
    tag = "events",
    security(("bearer" = ["collector"]), ()),
    request_body(content(
        (EventsBody = "application/json", examples(
            ("envelope" = (summary = "A collector's batch", value = json!(
                {"collector": {"id": "rating-1", "service": "rating", "epoch": 1710841230000u64}, "seq": 17,
                 "inFlight": 3,
                 "totals": {"attempts": 240, "accepted": 200, "throttled": 40, "completed": 197, "failed": 0},
                 "users": [{"userId": "user-123", "attempts": 12, "throttled": 2,
                            "context": {"deviceType": "mobile", "networkQuality": "good"}}],
                 "roundTripMs": 2.5, "dependencies": [{"name": "backend", "inFlight": 3, "completed": 197}],
                 "events": [{"userId": "user-123", "itemId": "item-456", "score": 4.7,
                             "timestamp": 1710841234567u64, "latencyMs": 20.5, "outcome": "accepted"}]}))),
            ("bare" = (summary = "Events alone", value = json!(
                [{"userId": "user-123", "itemId": "item-456", "score": 4.7, "timestamp": 1710841234567u64}])))
        )),
        (String = "application/x-ndjson", example = json!(
            "{\"userId\":\"user-123\",\"itemId\":\"item-456\",\"score\":4.7,\"timestamp\":1710841234567}\n"))
    )),
    responses(
        (status = 200, description = "Parameters of the users named, and of all others", body = BatchAnswer,
            example = json!(
                {"policies": {"user-123": {"bucketSize": 120.0, "refillRate": 15.3}},
                 "defaults": {"bucketSize": 20.0, "refillRate": 10.0}, "guardMs": 160.0, "ttlMs": 5000,
                 "classes": [{"context": {"deviceType": "mobile", "networkQuality": "poor"}, "guardMs": 110.0}],
                 "dependencies": [{"name": "backend", "guardMs": 120.0}],
                 "policyVersion": "little-guard", "reason": "controller"})),
        EventProblems,
        AccessProblems,
        BodyProblems,
        InternalProblem
    )
)]
async fn events(State(edge): State<Edge>, request: Request) -> Result<Response, ProblemReply> {
    let form = match content_type(request.headers(), &[JSON, NDJSON])? {
        Some(NDJSON) => BodyForm::NdJson,
        _ => BodyForm::Json,
    };
    let settings = edge.settings();
    let body = read_body(request.into_body(), settings.body_bytes_max, settings.body_timeout).await?;
    let mut intake = parse_events(&body, form, settings.batch_max, settings.scores)?;
    edge.meters().batches.increment(1);
    edge.meters().rejected.increment(intake.rejected.len() as u64);
    let users = intake.envelope.iter_mut().flat_map(|batch| &mut batch.users).map(|user| &mut user.context);
    users.chain(intake.events.iter_mut().map(|event| &mut event.context)).for_each(|context| {
        edge.keep_listed(context);
    });
    let mut answer = match &intake.envelope {
        Some(batch) => edge.take_batch(batch, &intake.events).map_err(full)?,
        None => edge.take_bare(&intake.events).map_err(full)?,
    };
    answer.rejected = intake.rejected;
    Ok(json_reply(StatusCode::OK, &answer))
}

/// What decides on this edge.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PolicyInForce<'a> {
    /// What the answers do: `full` means that they hold for everyone.
    mode: &'static str,
    /// The controller that decides.
    controller: &'static str,
    /// The version that answers name.
    policy_version: &'a str,
}

/// What decides on this edge.
#[utoipa::path(
    get,
    path = "/api/v1/policy",
    tag = "policy",
    security(("bearer" = ["reader"]), ()),
    responses(
        (status = 200, description = "Mode, controller and version", body = PolicyInForce, example = json!(
            {"mode": "full", "controller": "little-guard", "policyVersion": "little-guard"})),
        AccessProblems,
        InternalProblem
    )
)]
async fn policy(State(edge): State<Edge>) -> Response {
    let controller = edge.settings().controller_name();
    json_reply(
        StatusCode::OK,
        &PolicyInForce { mode: "full", controller, policy_version: edge.policy_version() },
    )
}

/// Which service's parameters.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct PolicyQuery {
    /// The service; may be left out where only one sends events, or where one does so without an envelope.
    service: Option<String>,
}

/// A user's parameters and their grounds.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct UserPolicy<'a> {
    /// Whose.
    user_id: String,
    /// Capacity in tokens.
    bucket_size: f64,
    /// Refill rate in tokens per second.
    refill_rate: f64,
    /// Why, in a word.
    reason: Reason,
    /// The controller that decides.
    controller: &'static str,
    /// Which policy or controller decided.
    policy_version: &'a str,
    /// What was observed, by name; a number that is not finite is null.
    observation: BTreeMap<&'static str, Option<f64>>,
    /// What was decided, by name; a number that is not finite is null.
    action: BTreeMap<&'static str, Option<f64>>,
    /// What a learned policy saw and gave; absent where another controller decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    learned: Option<LearnedDecision>,
    /// What held the decision, where anything did: the operator (`operator-pin`, `operator-bounds`,
    /// `operator-weight`), else the guardrail of a learned policy.
    guard: Option<&'static str>,
    /// The operator's override of this user, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    limits: Option<UserLimits>,
    /// Why, in one sentence.
    explanation: String,
}

/// What a learned policy saw and gave. A number that is not finite is null.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct LearnedDecision {
    /// The policy's version.
    version: String,
    /// What its network read, by name, before it was scaled.
    features: BTreeMap<String, Option<f64>>,
    /// What its network gave: outputs for the service and each class, or a score for each discrete choice.
    raw: Vec<Option<f64>>,
    /// The outputs as they were followed, by name, within ±1.
    followed: BTreeMap<String, Option<f64>>,
    /// The guardrail that held the decision, where one did; `stale`, `not-a-number` and `out-of-bounds` mean that
    /// little-guard decided.
    guardrail: Option<&'static str>,
}

impl From<LearnedExplanation> for LearnedDecision {
    fn from(why: LearnedExplanation) -> Self {
        let number = |number: f32| Some(f64::from(number)).filter(|number| number.is_finite());
        let named = |values: Vec<(String, f32)>| {
            values.into_iter().map(|(name, value)| (name, number(value))).collect::<BTreeMap<_, _>>()
        };
        Self {
            version: why.version,
            features: named(why.features),
            raw: why.raw.into_iter().map(number).collect(),
            followed: named(why.followed),
            guardrail: why.guardrail,
        }
    }
}

/// Why a user's parameters are what they are.
///
/// A user that the service has not seen gets the newcomers' parameters.
#[utoipa::path(
    get,
    path = "/api/v1/users/{id}/policy",
    tag = "policy",
    security(("bearer" = ["reader"]), ()),
    params(("id" = String, Path, description = "The user, percent-encoded"), PolicyQuery),
    responses(
        (status = 200, description = "The parameters, what was observed and what was decided", body = UserPolicy),
        (status = 404, description = "No such service has sent events, or it is not clear which is meant \
                                      (`not-found`)",
            body = Problem, content_type = "application/problem+json"),
        AccessProblems,
        InternalProblem
    )
)]
async fn policy_of(
    State(edge): State<Edge>,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<PolicyQuery>, QueryRejection>,
) -> Result<Response, ProblemReply> {
    let (Path(user), Query(query)) = (path?, query?);
    let limits = edge.limits().in_force(unix_ms()).written.get(user.as_str()).cloned();
    let Some(why) = edge.explain(&user, query.service.as_deref()) else {
        let detail = match &query.service {
            Some(service) => format!("no events of a service {service:?} have arrived"),
            None => "no events have arrived yet, or several services send them: name one with ?service="
                .to_owned(),
        };
        return Err(ProblemReply::new(ProblemKind::NotFound, detail));
    };
    Ok(json_reply(
        StatusCode::OK,
        &UserPolicy {
            user_id: user,
            bucket_size: why.policy.bucket_size,
            refill_rate: why.policy.refill_rate,
            reason: why.reason,
            controller: why.controller,
            policy_version: edge.policy_version(),
            observation: named(&why.observation),
            action: named(&why.action),
            learned: why.learned.map(LearnedDecision::from),
            guard: why.guard,
            limits,
            explanation: why.sentence,
        },
    ))
}

/// Named numbers as a JSON object; JSON has no infinity, which becomes null.
fn named(values: &[(&'static str, f64)]) -> BTreeMap<&'static str, Option<f64>> {
    values.iter().map(|&(name, value)| (name, Some(value).filter(|value| value.is_finite()))).collect()
}

#[cfg(test)]
mod tests;
