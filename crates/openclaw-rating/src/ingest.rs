//! `POST /ratings`: the main job.

use std::time::Instant;

use axum::extract::{Request, State};
use axum::response::Response;
use openclaw_admin::body::{content_type, read_body};
use openclaw_admin::openapi::{AccessProblems, BodyProblems};
use openclaw_admin::reply::ProblemReply;
use openclaw_collector::{Clock, Hints};
use openclaw_protocol::{BodyForm, Problem, ProblemKind, Rating, RatingWire, parse_ratings};
use utoipa::ToSchema;

use crate::batch_reply::{BatchBody, ItemResult, batch_reply};
use crate::idempotency::{Begun, IdempotencyKey, InvalidKey, Patience, Request as KeyedRequest};
use crate::service::RatingService;
use crate::taking::{Arrived, SingleBody, take_once};

const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";

/// What `POST /ratings` reads as JSON.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "read by its derive alone")]
enum RatingsBody {
    /// A rating.
    Single(RatingWire),
    /// A batch.
    Batch(Vec<RatingWire>),
}

/// What `POST /ratings` answers with 201.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "read by its derive alone")]
enum CreatedBody<'a> {
    /// To a rating.
    Single(SingleBody<'a>),
    /// To a batch.
    Batch(BatchBody<'a>),
}

/// Takes one rating, an array of ratings, or NDJSON; answers once they are durable.
///
/// A user has one current rating for an item: the newest timestamp wins, a tie goes to the later arrival. Every rating
/// takes one token of its user's bucket. A batch is answered item by item: with the common status where all items
/// fared alike, else with 207. Only the answer to a single rating carries the rate-limit header fields.
#[utoipa::path(
    post,
    path = "/ratings",
    tag = "ratings",
    security(("bearer" = ["client"]), ()),
    params(
        ("Idempotency-Key" = Option<String>, Header,
            description = "A name for this request that is used for no other, such as a UUID, bare or in quotation marks \
                           (draft-ietf-httpapi-idempotency-key-header). Sent again with the same body, the request is \
                           answered as the first time and takes no effect, for as long as the service remembers it \
                           (`rating.idempotencyTtl`). Keys are the caller's own: of its token, or without tokens of the \
                           users it rates as",
            max_length = 255),
        ("Sec-CH-UA-Mobile" = Option<String>, Header,
            description = "Client hint; fills `context.deviceType` where it is missing: `?1` mobile, `?0` desktop"),
        ("ECT" = Option<String>, Header,
            description = "Client hint; fills `context.networkQuality` where it is missing: `slow-2g` and `2g` poor, \
                           `3g` fair, `4g` good")
    ),
    request_body(content(
        (RatingsBody = "application/json", examples(
            ("single" = (summary = "One rating", value = json!(
                {"userId": "user-123", "itemId": "item-456", "score": 4.7, "timestamp": 1710841234567u64}))),
            ("batch" = (summary = "A batch", value = json!(
                [{"userId": "user-123", "itemId": "item-456", "score": 4.7},
                 {"userId": "user-124", "itemId": "item-456", "score": 8,
                  "context": {"deviceType": "mobile", "networkQuality": "good"}}])))
        )),
        (String = "application/x-ndjson", example = json!(
            "{\"userId\":\"user-123\",\"itemId\":\"item-456\",\"score\":4.7}\n\
             {\"userId\":\"user-124\",\"itemId\":\"item-456\",\"score\":8}\n"))
    )),
    responses(
        (status = 201, description = "Durable: the rating, or every rating of the batch", body = CreatedBody,
            headers(
                ("RateLimit" = String, description = "What is left of the user's bucket and when it is full again, \
                    for example `\"user\";r=19;t=1` (draft-ietf-httpapi-ratelimit-headers)"),
                ("RateLimit-Policy" = String, description = "The bucket's capacity and the seconds in which it \
                    fills, for example `\"user\";q=20;w=2`"),
                ("Idempotent-Replayed" = String, description = "`true` where this is the answer to an earlier request \
                    with the same key; then without the rate-limit fields, which have changed since")
            )),
        (status = 207, description = "The ratings of the batch fared differently", body = BatchBody,
            example = json!({"stored": 1, "results": [
                {"index": 0, "status": 201, "userId": "user-123", "itemId": "item-456", "score": 4.7,
                 "timestamp": 1710841234567u64},
                {"index": 1, "status": 400, "problem": {"type": "urn:openclaw:problem:invalid-field",
                 "title": "invalid field", "status": 400, "detail": "score is 11; it must lie in 0 to 10"}}]})),
        (status = 400, description = "Not the expected JSON (`malformed-body`), or a field or the `Idempotency-Key` is \
                                      wrong (`invalid-field`)",
            content((Problem = "application/problem+json"), (BatchBody = "application/json"))),
        (status = 409, description = "The first request with this `Idempotency-Key` is in progress \
                                      (`request-in-progress`)",
            body = Problem, content_type = "application/problem+json",
            headers(("Retry-After" = u64, description = "Seconds after which it should be answered"))),
        (status = 422, description = "This `Idempotency-Key` was used for another body (`idempotency-key-reused`)",
            body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "The user's bucket has no token left: `quota-exceeded`, or \
                                      `temporary-reduced-capacity` where the limits are lowered for now",
            content((Problem = "application/problem+json"), (BatchBody = "application/json")),
            headers(
                ("Retry-After" = u64, description = "Seconds until there is a token, at most 60"),
                ("RateLimit" = String, description = "As with 201"),
                ("RateLimit-Policy" = String, description = "As with 201")
            )),
        (status = 502, description = "The backend did not do its part (`dependency-failed`)",
            content((Problem = "application/problem+json"), (BatchBody = "application/json"))),
        (status = 503, description = "The in-flight guard or the store's queue is full \
                                      (`temporary-reduced-capacity`; the guard's answer has `Retry-After`), the \
                                      store failed (`storage-failed`), or the service stops (`shutting-down`)",
            content((Problem = "application/problem+json"), (BatchBody = "application/json")),
            headers(("Retry-After" = u64, description = "Seconds until a place may be free"))),
        AccessProblems,
        BodyProblems
    )
)]
pub(crate) async fn post_ratings(
    State(service): State<RatingService>,
    request: Request,
) -> Result<Response, ProblemReply> {
    let started = Instant::now();
    let arrival_ms = Clock::unix_ms();
    let (head, body) = request.into_parts();
    let form = match content_type(&head.headers, &[JSON, NDJSON])? {
        Some(NDJSON) => BodyForm::NdJson,
        _ => BodyForm::Json,
    };
    let invalid = |error: InvalidKey| ProblemReply::new(ProblemKind::InvalidField, error.to_string());
    let key = IdempotencyKey::of(&head.headers).map_err(invalid)?;
    let settings = &service.settings;
    let hints = Hints::read(&head.headers, &settings.rules.vocabulary, settings.region.as_deref());
    let body = read_body(body, settings.body_bytes_max, settings.body_timeout).await?;
    let (mut items, single) = parse_ratings(&body, form, settings.batch_max, arrival_ms, &settings.rules)?;
    for rating in items.iter_mut().flatten() {
        hints.fill(&mut rating.context);
    }
    service.meters.invalid.increment(items.iter().filter(|item| item.is_err()).count() as u64);
    let Some(first) = items.iter().flatten().next().cloned() else {
        return refuse_invalid(items, single);
    };
    let arrived = Arrived { started, first, items, single };
    let Some(key) = key else {
        drop(body);
        return arrived.take(&service, Patience::default()).await;
    };
    let keyed = KeyedRequest { key: &key, headers: &head.headers, form, body: &body };
    match service.idempotency.begin(&keyed, arrived.items.iter().flatten())? {
        Begun::Known(response) => Ok(response),
        Begun::New(ticket) => {
            drop(body);
            take_once(service, arrived, ticket).await
        }
    }
}

/// Nothing in the request is a rating.
fn refuse_invalid(items: Vec<Result<Rating, Problem>>, single: bool) -> Result<Response, ProblemReply> {
    let mut problems = items.into_iter().filter_map(Result::err);
    if single && let Some(problem) = problems.next() {
        return Err(problem.into());
    }
    let refused: Vec<_> = problems.map(ItemResult::Refused).collect();
    Ok(batch_reply(&refused, Ok((&[], &[]))))
}
