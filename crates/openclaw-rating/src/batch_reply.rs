//! The answer to a batch: one result per item, in the batch's order.

use axum::response::Response;
use http::StatusCode;
use openclaw_admin::reply::json_reply;
use openclaw_protocol::{Problem, Rating};
use openclaw_store::Put;
use serde::Serialize;
use utoipa::ToSchema;

/// What became of one item of a batch.
pub(crate) enum ItemResult {
    Refused(Problem),
    /// Admitted; becomes stored or failed with the rest of its batch.
    Admitted,
}

/// What became of one rating of a batch, as OpenAPI: `Item` writes either.
#[derive(ToSchema)]
#[serde(untagged, rename_all_fields = "camelCase")]
#[expect(dead_code, reason = "read by its derive alone")]
enum BatchItem {
    /// Stored: the rating with its gaps filled.
    Stored {
        /// Its place in the batch, from 0.
        index: usize,
        /// The status that it would have been answered with alone: 201.
        status: u16,
        #[serde(flatten)]
        rating: Rating,
        /// True where a newer rating of the same user and item stands; missing else.
        superseded: Option<bool>,
    },
    /// Not stored.
    Refused {
        /// Its place in the batch, from 0.
        index: usize,
        /// The status that it would have been answered with alone.
        status: u16,
        /// Why.
        problem: Problem,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Item<'a> {
    index: usize,
    status: u16,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    rating: Option<&'a Rating>,
    #[serde(skip_serializing_if = "Option::is_none")]
    superseded: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<&'a Problem>,
}

/// Answer to a batch.
#[derive(Serialize, ToSchema)]
#[schema(as = BatchAnswer)]
pub(crate) struct BatchBody<'a> {
    /// How many of its ratings were stored.
    stored: usize,
    /// One result per rating, in the batch's order.
    #[schema(value_type = Vec<BatchItem>)]
    results: Vec<Item<'a>>,
}

/// What became of the admitted items: stored, in order, or one problem for all.
pub(crate) type Stored<'a> = Result<(&'a [Rating], &'a [Put]), &'a Problem>;

/// 201 where every item was stored, the common status where all failed alike, else 207.
pub(crate) fn batch_reply(items: &[ItemResult], stored: Stored<'_>) -> Response {
    let mut admitted = 0;
    let result = |(index, item): (usize, &'_ ItemResult)| -> (u16, usize, Option<usize>) {
        match item {
            ItemResult::Refused(problem) => (problem.status, index, None),
            ItemResult::Admitted => {
                admitted += 1;
                (stored.map_or_else(|problem| problem.status, |_| 201), index, Some(admitted - 1))
            }
        }
    };
    let places: Vec<_> = items.iter().enumerate().map(result).collect();
    let results = places.iter().map(|&(status, index, place)| {
        let mut out = Item { index, status, rating: None, superseded: None, problem: None };
        match (&items[index], place, stored) {
            (ItemResult::Refused(problem), _, _) => out.problem = Some(problem),
            (ItemResult::Admitted, Some(place), Ok((ratings, puts))) => {
                out.rating = ratings.get(place);
                out.superseded = puts.get(place).map(|put| *put == Put::Superseded).filter(|&old| old);
            }
            (ItemResult::Admitted, _, Err(problem)) => out.problem = Some(problem),
            (ItemResult::Admitted, None, Ok(_)) => {}
        }
        out
    });
    let results: Vec<_> = results.collect();
    let first = results.first().map_or(201, |item| item.status);
    let alike = results.iter().all(|item| item.status == first);
    let status = if alike {
        StatusCode::from_u16(first).unwrap_or(StatusCode::MULTI_STATUS)
    } else {
        StatusCode::MULTI_STATUS
    };
    let stored = results.iter().filter(|item| item.status == 201).count();
    json_reply(status, &BatchBody { stored, results })
}
