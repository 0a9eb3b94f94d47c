//! Reading: an item's statistics, a user's or an item's ratings.

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use http::StatusCode;
use openclaw_admin::openapi::AccessProblems;
use openclaw_admin::reply::{ProblemReply, json_reply};
use openclaw_protocol::{Problem, ProblemKind};
use openclaw_store::{Cursor, ItemStats, Page, ReadError};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, IntoResponses, ToSchema};

use crate::service::RatingService;

/// Ratings on a page, unless asked for fewer.
const LIMIT: usize = 100;
/// Ratings on a page at most.
const LIMIT_MAX: usize = 1000;

/// An item's statistics, over the current rating of every user.
#[derive(Serialize, ToSchema)]
#[schema(as = ItemStatistics)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ItemBody {
    /// The item.
    item_id: String,
    /// How many users rated it.
    count: u64,
    /// The mean score.
    mean: f64,
    /// The mean, drawn towards that of all items while there are few ratings.
    bayesian_average: f64,
    /// Ratings by score: bins of equal width over the configured range, lowest scores first.
    histogram: Vec<u64>,
}

impl ItemBody {
    pub(crate) fn new(item_id: String, stats: ItemStats) -> Self {
        let ItemStats { count, mean, bayesian_average, histogram, .. } = stats;
        Self { item_id, count, mean, bayesian_average, histogram }
    }
}

/// A rating as it is stored.
#[derive(Serialize, ToSchema)]
#[schema(as = StoredRating)]
#[serde(rename_all = "camelCase")]
struct RatingBody {
    /// Who rated.
    user_id: String,
    /// What was rated.
    item_id: String,
    /// The score.
    score: f64,
    /// When, in ms since the epoch.
    timestamp: u64,
}

/// One page of a list.
#[derive(Serialize, ToSchema)]
#[schema(as = RatingsPage)]
struct PageBody {
    /// The ratings.
    ratings: Vec<RatingBody>,
    /// Where the next page begins; missing on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

/// Which page.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// Where the page begins: `cursor` of the page before.
    cursor: Option<String>,
    /// Ratings on the page at most.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
}

/// What every question may be answered instead.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "read by its derive alone")]
pub(crate) enum ReadProblems {
    /// An id has not 1 to 256 bytes, `limit` is out of its range, or `cursor` is not one of this list
    /// (`invalid-field`).
    #[response(status = 400, content_type = "application/problem+json")]
    Invalid(Problem),
    /// The store cannot be read (`storage-failed`).
    #[response(status = 503, content_type = "application/problem+json")]
    StorageFailed(Problem),
}

/// An item's statistics.
#[utoipa::path(
    get,
    path = "/items/{id}",
    tag = "items",
    security(("bearer" = ["reader"]), ()),
    params(("id" = String, Path, description = "The item, percent-encoded", min_length = 1)),
    responses(
        (status = 200, description = "Count, mean, Bayesian average and histogram", body = ItemBody,
            example = json!({"itemId": "item-456", "count": 2, "mean": 6.5, "bayesianAverage": 6.5,
                             "histogram": [0, 0, 0, 0, 0, 1, 0, 0, 1, 0]})),
        (status = 404, description = "The item has no ratings (`not-found`)", body = Problem,
            content_type = "application/problem+json"),
        ReadProblems,
        AccessProblems
    )
)]
pub(crate) async fn item(
    State(service): State<RatingService>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, ProblemReply> {
    let Path(item_id) = path?;
    let Some(stats) = service.store.item(&item_id).await.map_err(|error| problem(&error))? else {
        return Err(ProblemReply::new(ProblemKind::NotFound, "this item has no ratings"));
    };
    Ok(json_reply(StatusCode::OK, &ItemBody::new(item_id, stats)))
}

/// A user's current ratings, page by page.
///
/// A user without ratings has an empty page.
#[utoipa::path(
    get,
    path = "/users/{id}/ratings",
    tag = "users",
    security(("bearer" = ["reader"]), ()),
    params(("id" = String, Path, description = "The user, percent-encoded", min_length = 1), PageQuery),
    responses(
        (status = 200, description = "A page; the last has no cursor", body = PageBody, example = json!(
            {"ratings": [{"userId": "user-123", "itemId": "item-456", "score": 4.7, "timestamp": 1710841234567u64}]})),
        ReadProblems,
        AccessProblems
    )
)]
pub(crate) async fn ratings_of_user(
    State(service): State<RatingService>,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Response, ProblemReply> {
    let (Path(user_id), Query(query)) = (path?, query?);
    let (cursor, limit) = read_page(query.cursor.as_deref(), query.limit)?;
    let page = service.store.ratings_of_user(&user_id, cursor.as_ref(), limit).await;
    page_reply(page)
}

/// An item's current ratings, page by page.
///
/// An item without ratings has an empty page.
#[utoipa::path(
    get,
    path = "/items/{id}/ratings",
    tag = "items",
    security(("bearer" = ["reader"]), ()),
    params(("id" = String, Path, description = "The item, percent-encoded", min_length = 1), PageQuery),
    responses(
        (status = 200, description = "A page; the last has no cursor", body = PageBody, example = json!(
            {"ratings": [{"userId": "user-123", "itemId": "item-456", "score": 4.7, "timestamp": 1710841234567u64}]})),
        ReadProblems,
        AccessProblems
    )
)]
pub(crate) async fn ratings_of_item(
    State(service): State<RatingService>,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Response, ProblemReply> {
    let (Path(item_id), Query(query)) = (path?, query?);
    let (cursor, limit) = read_page(query.cursor.as_deref(), query.limit)?;
    let page = service.store.ratings_of_item(&item_id, cursor.as_ref(), limit).await;
    page_reply(page)
}

/// Reads which page is asked for: where it begins, and how much is on it.
pub(crate) fn read_page(
    cursor: Option<&str>,
    limit: Option<usize>,
) -> Result<(Option<Cursor>, usize), ProblemReply> {
    let invalid = |detail: String| ProblemReply::new(ProblemKind::InvalidField, detail);
    let limit = limit.unwrap_or(LIMIT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(invalid(format!("limit is {limit}; it must lie in 1 to {LIMIT_MAX}")));
    }
    let cursor = cursor.map(str::parse::<Cursor>).transpose();
    let cursor = cursor.map_err(|error| invalid(format!("cursor: {error}")))?;
    Ok((cursor, limit))
}

fn page_reply(page: Result<Page, ReadError>) -> Result<Response, ProblemReply> {
    let page = page.map_err(|error| problem(&error))?;
    let ratings = page.ratings.into_iter().map(|rating| RatingBody {
        user_id: rating.user_id,
        item_id: rating.item_id,
        score: rating.score,
        timestamp: rating.timestamp_ms,
    });
    let body = PageBody { ratings: ratings.collect(), cursor: page.next.map(|cursor| cursor.to_string()) };
    Ok(json_reply(StatusCode::OK, &body))
}

pub(crate) fn problem(error: &ReadError) -> ProblemReply {
    let kind = match error {
        ReadError::InvalidId(_) | ReadError::CursorOfAnotherList(_) => ProblemKind::InvalidField,
        _ => {
            tracing::error!(%error, "reading from the store failed");
            ProblemKind::StorageFailed
        }
    };
    ProblemReply::new(kind, error.to_string())
}
