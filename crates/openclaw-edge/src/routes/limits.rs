//! The operator's overrides over HTTP.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use openclaw_admin::body::{content_type, read_body};
use openclaw_admin::openapi::{AccessProblems, BodyProblems, InternalProblem};
use openclaw_admin::reply::{ProblemReply, json_reply};
use openclaw_protocol::{BucketPolicy, LimitBounds, Problem, ProblemKind, UserId, UserLimits};
use serde::{Deserialize, Serialize};
use utoipa::{IntoResponses, ToSchema};

use super::JSON;
use crate::limits::{ChangeError, InForce};
use crate::services::{Edge, unix_ms};

/// Longest body of an override, in bytes: far more than one takes.
const BODY_BYTES_MAX: usize = 16 << 10;

/// What `PUT` takes. At least one of its first four fields; a pin alone.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct LimitsWanted {
    /// Exactly these parameters, whatever the controller decides.
    #[serde(default)]
    pin: Option<BucketPolicy>,
    /// The controller decides, inside these bounds.
    #[serde(default)]
    bounds: Option<LimitBounds>,
    /// A tier of `edge.tiers`.
    #[serde(default)]
    tier: Option<String>,
    /// Weight in the water level, 0.01 to 100; wins over the tier's.
    #[serde(default)]
    priority: Option<f64>,
    /// When the override ends, ms since the epoch.
    #[serde(default)]
    expires_at: Option<u64>,
    /// The same from now on, in ms: for those whose clock may be off.
    #[serde(default)]
    expires_in_ms: Option<u64>,
}

impl LimitsWanted {
    fn limits(self, now_ms: u64) -> Result<UserLimits, String> {
        let expires_at = match (self.expires_at, self.expires_in_ms) {
            (Some(_), Some(_)) => return Err("expiresAt and expiresInMs say the same; send one".to_owned()),
            (Some(at_ms), None) if at_ms <= now_ms => {
                return Err(format!("expiresAt is {at_ms}, which is past; it is {now_ms} now"));
            }
            (None, Some(0)) => return Err("expiresInMs is 0; it must be 1 or more".to_owned()),
            (at_ms, in_ms) => at_ms.or(in_ms.map(|in_ms| now_ms.saturating_add(in_ms))),
        };
        let Self { pin, bounds, tier, priority, .. } = self;
        Ok(UserLimits { pin, bounds, tier, priority, expires_at })
    }
}

/// An override as it stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct LimitsInForce {
    /// Whose.
    user_id: UserId,
    /// What holds.
    #[serde(flatten)]
    limits: UserLimits,
    /// Whether it will be there after a restart of the edge: not without `edge.folder`.
    durable: bool,
}

/// Every override.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct AllLimits {
    /// In the order of the users' ids.
    limits: Vec<LimitsInForce>,
}

/// What the override routes answer where they change or find nothing.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "read by its derive alone")]
enum LimitsProblems {
    /// The body is not JSON of this form (`malformed-body`), or a field is wrong (`invalid-field`).
    #[response(status = 400, content_type = "application/problem+json", example = json!({
        "type": "urn:openclaw:problem:invalid-field", "title": "invalid field", "status": 400,
        "detail": "priority is 1000; it must lie in 0.01 to 100"}))]
    Invalid(Problem),
    /// The override cannot be made durable (`storage-failed`), or there are as many as may be
    /// (`temporary-reduced-capacity`). Nothing has changed.
    #[response(status = 503, content_type = "application/problem+json")]
    NotKept(Problem),
}

/// The user has no override (`not-found`).
#[derive(IntoResponses)]
#[response(status = 404, content_type = "application/problem+json")]
#[expect(dead_code, reason = "read by its derive alone")]
struct NoLimits(Problem);

impl From<ChangeError> for ProblemReply {
    fn from(error: ChangeError) -> Self {
        let kind = match error {
            ChangeError::Invalid(_) => ProblemKind::InvalidField,
            ChangeError::Full(_) => ProblemKind::TemporaryReducedCapacity,
            ChangeError::NotDurable(_) => {
                // The path and the system's words are the operator's, who alone may call this.
                tracing::error!(%error, "an override of a user's limits could not be written");
                ProblemKind::StorageFailed
            }
        };
        Self::new(kind, error.to_string())
    }
}

fn user_of(path: Result<Path<String>, PathRejection>) -> Result<UserId, ProblemReply> {
    let Path(user) = path?;
    UserId::new(&user)
        .map_err(|reason| ProblemReply::new(ProblemKind::InvalidField, format!("the user's id {reason}")))
}

fn shown(edge: &Edge, in_force: &InForce, user: &UserId) -> Option<LimitsInForce> {
    let limits = in_force.written.get(user)?.clone();
    Some(LimitsInForce { user_id: user.clone(), limits, durable: edge.limits().lasts() })
}

fn none_of(user: &UserId) -> ProblemReply {
    ProblemReply::new(ProblemKind::NotFound, format!("user {user:?} has no override; the controller decides"))
}

/// Runs what blocks on the disk beside the requests.
async fn blocking<T: Send + 'static>(
    change: impl FnOnce() -> Result<T, ChangeError> + Send + 'static,
) -> Result<T, ProblemReply> {
    match tokio::task::spawn_blocking(change).await {
        Ok(changed) => Ok(changed?),
        Err(error) => {
            tracing::error!(%error, "changing an override of a user's limits ended badly");
            Err(ProblemReply::new(
                ProblemKind::Internal,
                "the change ended badly; the service's log says more",
            ))
        }
    }
}

/// Overrides one user's limits, in place of an override before.
///
/// It is on disk before it is answered, and every collector hears of it with its next batch.
#[utoipa::path(
    put,
    path = "/api/v1/users/{id}/limits",
    tag = "limits",
    security(("bearer" = ["admin"])),
    params(("id" = String, Path, description = "The user, percent-encoded")),
    request_body(content((LimitsWanted = "application/json", examples(
        ("pin" = (summary = "Exactly these, for an hour", value = json!(
            {"pin": {"bucketSize": 20, "refillRate": 5}, "expiresInMs": 3_600_000}))),
        ("bounds" = (summary = "No more than this", value = json!({"bounds": {"refillRateMax": 50}}))),
        ("tier" = (summary = "A tier, with a weight of its own", value = json!({"tier": "gold", "priority": 8})))
    )))),
    responses(
        (status = 200, description = "The override, in force", body = LimitsInForce, example = json!(
            {"userId": "user-123", "pin": {"bucketSize": 20.0, "refillRate": 5.0}, "expiresAt": 1710841234567u64,
             "durable": true})),
        LimitsProblems,
        AccessProblems,
        BodyProblems,
        InternalProblem
    )
)]
pub(super) async fn put_limits(
    State(edge): State<Edge>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, ProblemReply> {
    let user = user_of(path)?;
    content_type(request.headers(), &[JSON])?;
    let body = read_body(request.into_body(), BODY_BYTES_MAX, edge.settings().body_timeout).await?;
    let wanted: LimitsWanted = serde_json::from_slice(&body).map_err(|error| {
        let kind = if error.is_data() { ProblemKind::InvalidField } else { ProblemKind::MalformedBody };
        ProblemReply::new(kind, error.to_string())
    })?;
    let now_ms = unix_ms();
    let invalid = |reason| ProblemReply::new(ProblemKind::InvalidField, reason);
    let limits = wanted.limits(now_ms).map_err(invalid)?;
    let (changing, whose) = (edge.clone(), user.clone());
    blocking(move || changing.limits().set(&whose, limits, now_ms)).await?;
    tracing::info!(%user, "an operator set limits");
    let shown = shown(&edge, &edge.limits().in_force(now_ms), &user).ok_or_else(|| none_of(&user))?;
    Ok(json_reply(StatusCode::OK, &shown))
}

/// The override of one user's limits.
#[utoipa::path(
    get,
    path = "/api/v1/users/{id}/limits",
    tag = "limits",
    security(("bearer" = ["reader"]), ()),
    params(("id" = String, Path, description = "The user, percent-encoded")),
    responses(
        (status = 200, description = "The override", body = LimitsInForce),
        NoLimits,
        AccessProblems,
        InternalProblem
    )
)]
pub(super) async fn get_limits(
    State(edge): State<Edge>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, ProblemReply> {
    let user = user_of(path)?;
    let shown = shown(&edge, &edge.limits().in_force(unix_ms()), &user).ok_or_else(|| none_of(&user))?;
    Ok(json_reply(StatusCode::OK, &shown))
}

/// Ends the override of one user's limits: the controller decides again.
#[utoipa::path(
    delete,
    path = "/api/v1/users/{id}/limits",
    tag = "limits",
    security(("bearer" = ["admin"])),
    params(("id" = String, Path, description = "The user, percent-encoded")),
    responses(
        (status = 204, description = "It has ended"),
        NoLimits,
        LimitsProblems,
        AccessProblems,
        InternalProblem
    )
)]
pub(super) async fn delete_limits(
    State(edge): State<Edge>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, ProblemReply> {
    let user = user_of(path)?;
    let (changing, whose) = (edge.clone(), user.clone());
    if !blocking(move || changing.limits().delete(&whose, unix_ms())).await? {
        return Err(none_of(&user));
    }
    tracing::info!(%user, "an operator ended an override of limits");
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Every override of users' limits.
#[utoipa::path(
    get,
    path = "/api/v1/limits",
    tag = "limits",
    security(("bearer" = ["reader"]), ()),
    responses(
        (status = 200, description = "All overrides", body = AllLimits, example = json!(
            {"limits": [{"userId": "user-123", "tier": "gold", "durable": true}]})),
        AccessProblems,
        InternalProblem
    )
)]
pub(super) async fn list_limits(State(edge): State<Edge>) -> Response {
    let in_force = edge.limits().in_force(unix_ms());
    let limits = in_force.written.keys().filter_map(|user| shown(&edge, &in_force, user)).collect();
    json_reply(StatusCode::OK, &AllLimits { limits })
}
