//! Reading: an item's statistics, a user's or an item's ratings.

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use openclaw_admin::reply::ProblemReply;
use openclaw_protocol::ProblemKind;
use openclaw_store::{Cursor, Page, ReadError};
use serde::{Deserialize, Serialize};

use crate::batch_reply::reply;
use crate::service::RatingService;

/// Ratings on a page, unless asked for fewer.
const LIMIT: usize = 100;
/// Ratings on a page at most.
const LIMIT_MAX: usize = 1000;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ItemBody {
    item_id: String,
    count: u64,
    mean: f64,
    bayesian_average: f64,
    histogram: Vec<u64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RatingBody {
    user_id: String,
    item_id: String,
    score: f64,
    timestamp: u64,
}

#[derive(Serialize)]
struct PageBody {
    ratings: Vec<RatingBody>,
    /// Where the next page begins; missing on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

/// Which page.
#[derive(Deserialize)]
pub(crate) struct PageQuery {
    cursor: Option<String>,
    limit: Option<usize>,
}

pub(crate) async fn item(
    State(service): State<RatingService>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, ProblemReply> {
    let Path(item_id) = path?;
    let Some(stats) = service.store.item(&item_id).await.map_err(|error| problem(&error))? else {
        return Err(ProblemReply::new(ProblemKind::NotFound, "this item has no ratings"));
    };
    Ok(reply(
        200,
        &ItemBody {
            item_id,
            count: stats.count,
            mean: stats.mean,
            bayesian_average: stats.bayesian_average,
            histogram: stats.histogram,
        },
    ))
}

pub(crate) async fn ratings_of_user(
    State(service): State<RatingService>,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Response, ProblemReply> {
    let (Path(user_id), Query(query)) = (path?, query?);
    let (cursor, limit) = query.read()?;
    let page = service.store.ratings_of_user(&user_id, cursor.as_ref(), limit).await;
    page_reply(page)
}

pub(crate) async fn ratings_of_item(
    State(service): State<RatingService>,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Response, ProblemReply> {
    let (Path(item_id), Query(query)) = (path?, query?);
    let (cursor, limit) = query.read()?;
    let page = service.store.ratings_of_item(&item_id, cursor.as_ref(), limit).await;
    page_reply(page)
}

impl PageQuery {
    fn read(&self) -> Result<(Option<Cursor>, usize), ProblemReply> {
        let invalid = |detail: String| ProblemReply::new(ProblemKind::InvalidField, detail);
        let limit = self.limit.unwrap_or(LIMIT);
        if !(1..=LIMIT_MAX).contains(&limit) {
            return Err(invalid(format!("limit is {limit}; it must lie in 1 to {LIMIT_MAX}")));
        }
        let cursor = self.cursor.as_deref().map(str::parse::<Cursor>).transpose();
        let cursor =
            cursor.map_err(|error| invalid(format!("cursor is not one that this service gave: {error}")))?;
        Ok((cursor, limit))
    }
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
    Ok(reply(200, &body))
}

fn problem(error: &ReadError) -> ProblemReply {
    let kind = match error {
        ReadError::InvalidId(_) | ReadError::CursorOfAnotherList(_) => ProblemKind::InvalidField,
        _ => {
            tracing::error!(%error, "reading from the store failed");
            ProblemKind::StorageFailed
        }
    };
    ProblemReply::new(kind, error.to_string())
}
