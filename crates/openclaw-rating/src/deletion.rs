//! `DELETE /users/{id}/ratings`: a user's ratings are taken back, and with them their part in every statistic.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use openclaw_admin::openapi::AccessProblems;
use openclaw_admin::reply::{ProblemReply, json_reply};
use openclaw_protocol::Problem;
use serde::Serialize;
use utoipa::ToSchema;

use crate::limits;
use crate::service::RatingService;
use crate::taking::store_problem;

/// What was deleted.
#[derive(Serialize, ToSchema)]
#[schema(as = DeletedRatings)]
#[serde(rename_all = "camelCase")]
struct DeletedBody {
    /// Whose ratings.
    user_id: String,
    /// How many current ratings there were.
    removed: u64,
}

/// Deletes all ratings of a user, and answers once that is durable.
///
/// Items' statistics are then as if the user had never rated. Ratings that arrive later are kept. Deleting again is
/// harmless, and what to do after a failure. The stream's ring holds these ratings no more, nor are answers to keyed requests
/// that held them given again.
#[utoipa::path(
    delete,
    path = "/users/{id}/ratings",
    tag = "users",
    security(("bearer" = ["admin"])),
    params(("id" = String, Path, description = "The user, percent-encoded", min_length = 1)),
    responses(
        (status = 200, description = "How many ratings there were; 0 where the user has none", body = DeletedBody,
            example = json!({"userId": "user-123", "removed": 17})),
        (status = 400, description = "The id has not 1 to 256 bytes (`invalid-field`)", body = Problem,
            content_type = "application/problem+json"),
        (status = 503, description = "The store's queue is full (`temporary-reduced-capacity`), the store failed \
                                      (`storage-failed`; a part may be deleted), or the service stops \
                                      (`shutting-down`)",
            body = Problem, content_type = "application/problem+json",
            headers(("Retry-After" = u64, description = "Seconds after which to delete again"))),
        AccessProblems
    )
)]
pub(crate) async fn delete_ratings_of_user(
    State(service): State<RatingService>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, ProblemReply> {
    let Path(user_id) = path?;
    let deleted = service.store.delete_user(&user_id).await;
    let removed = deleted.map_err(|error| limits::failure_reply(store_problem(&error)))?;
    service.take_back(&user_id);
    tracing::info!(removed, "an admin deleted a user's ratings");
    Ok(json_reply(StatusCode::OK, &DeletedBody { user_id, removed }))
}
