//! `GET /items`: the best or most rated items.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use http::StatusCode;
use openclaw_admin::openapi::AccessProblems;
use openclaw_admin::reply::{ProblemReply, json_reply};
use openclaw_store::ItemOrder;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::queries::{ItemBody, ReadProblems, problem, read_page};
use crate::service::RatingService;

/// What items are sorted by, always the highest first.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
enum Sort {
    /// The mean drawn towards that of all items while there are few ratings: an item that one user loves is not the
    /// best of all.
    #[default]
    BayesianAverage,
    /// The mean score.
    Mean,
    /// How many users rated it.
    Count,
}

impl From<Sort> for ItemOrder {
    fn from(sort: Sort) -> Self {
        match sort {
            Sort::BayesianAverage => Self::BayesianAverage,
            Sort::Mean => Self::Mean,
            Sort::Count => Self::Count,
        }
    }
}

/// Which list, and which page of it.
// Not `PageQuery` flattened: serde would hand a flattened `limit` over as a text.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct TopQuery {
    /// What to sort by, the highest first; `bayesianAverage` if not given.
    #[serde(default)]
    #[param(inline, default = "bayesianAverage")]
    sort: Sort,
    /// Where the page begins: `cursor` of the page before, of the same list.
    cursor: Option<String>,
    /// Items on the page at most.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
}

/// One page of a list of items.
#[derive(Serialize, ToSchema)]
#[schema(as = ItemsPage)]
struct ItemsBody {
    /// The items, best first; among equals by their ids.
    items: Vec<ItemBody>,
    /// Where the next page begins; missing on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

/// The items by Bayesian average, mean or number of ratings, the highest first, page by page.
///
/// A page is that of one moment. Ratings that arrive between two pages may move an item across the place where the next
/// begins; whatever stays where it was is listed exactly once.
#[utoipa::path(
    get,
    path = "/items",
    tag = "items",
    security(("bearer" = ["reader"]), ()),
    params(TopQuery),
    responses(
        (status = 200, description = "A page; the last has no cursor", body = ItemsBody, example = json!(
            {"items": [{"itemId": "item-456", "count": 2, "mean": 6.5, "bayesianAverage": 6.5,
                        "histogram": [0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0]}]})),
        ReadProblems,
        AccessProblems
    )
)]
pub(crate) async fn top_items(
    State(service): State<RatingService>,
    query: Result<Query<TopQuery>, QueryRejection>,
) -> Result<Response, ProblemReply> {
    let Query(query) = query?;
    let (cursor, limit) = read_page(query.cursor.as_deref(), query.limit)?;
    let page = service.store.top_items(query.sort.into(), cursor.as_ref(), limit).await;
    let page = page.map_err(|error| problem(&error))?;
    let items = page.items.into_iter().map(|(item_id, stats)| ItemBody::new(item_id, stats));
    let body = ItemsBody { items: items.collect(), cursor: page.next.map(|cursor| cursor.to_string()) };
    Ok(json_reply(StatusCode::OK, &body))
}
