//! `POST /ratings`: the main job.

use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use openclaw_admin::body::{content_type, read_body};
use openclaw_admin::openapi::{AccessProblems, BodyProblems};
use openclaw_admin::reply::{ProblemReply, json_reply};
use openclaw_bucket::{Allowed, Decision};
use openclaw_collector::Clock;
use openclaw_protocol::{BodyForm, Outcome, Problem, ProblemKind, Rating, RatingWire, parse_ratings};
use openclaw_store::{Put, PutError};
use serde::Serialize;
use utoipa::ToSchema;

use crate::admitted::Admitted;
use crate::backend::BACKEND;
use crate::batch_reply::{BatchBody, ItemResult, batch_reply};
use crate::hints::{self, Hints};
use crate::limits;
use crate::service::RatingService;

const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";

/// Answer to a single rating: the rating as stored.
#[derive(Serialize, ToSchema)]
#[schema(as = RatingAnswer)]
struct SingleBody<'a> {
    #[serde(flatten)]
    rating: &'a Rating,
    /// True where a newer rating of the same user and item stands; missing else.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    superseded: bool,
}

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
                    fills, for example `\"user\";q=20;w=2`")
            )),
        (status = 207, description = "The ratings of the batch fared differently", body = BatchBody,
            example = json!({"stored": 1, "results": [
                {"index": 0, "status": 201, "userId": "user-123", "itemId": "item-456", "score": 4.7,
                 "timestamp": 1710841234567u64},
                {"index": 1, "status": 400, "problem": {"type": "urn:openclaw:problem:invalid-field",
                 "title": "invalid field", "status": 400, "detail": "score is 11; it must lie in 0 to 10"}}]})),
        (status = 400, description = "Not the expected JSON (`malformed-body`), or a field is wrong \
                                      (`invalid-field`)",
            content((Problem = "application/problem+json"), (BatchBody = "application/json"))),
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
    let form = match content_type(request.headers(), &[JSON, NDJSON])? {
        Some(NDJSON) => BodyForm::NdJson,
        _ => BodyForm::Json,
    };
    let settings = &service.settings;
    let hints = Hints::read(request.headers(), &settings.rules.vocabulary, settings.region.as_deref());
    let body = read_body(request.into_body(), settings.body_bytes_max, settings.body_timeout).await?;
    let (mut items, single) = parse_ratings(&body, form, settings.batch_max, arrival_ms, &settings.rules)?;
    drop(body);
    for rating in items.iter_mut().flatten() {
        hints::fill(&mut rating.context, &hints);
    }
    service.meters.invalid.increment(items.iter().filter(|item| item.is_err()).count() as u64);

    let Some(first) = items.iter().flatten().next() else {
        return refuse_invalid(items, single);
    };
    let in_flight = match service.admission.enter(&first.user_id, &first.context) {
        Ok(in_flight) => in_flight,
        Err(full) => {
            let refused = items.iter().flatten().map(|rating| (&rating.user_id, &rating.context));
            service.admission.refused(refused);
            return Err(limits::guard_reply(&full, service.admission.guard_time()));
        }
    };
    let admitted = Admitted::new(&service, started, in_flight);
    if single && let Some(Ok(rating)) = items.pop() {
        post_single(&service, admitted, rating).await
    } else {
        Ok(post_batch(&service, admitted, items).await)
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

async fn post_single(
    service: &RatingService,
    mut admitted: Admitted,
    rating: Rating,
) -> Result<Response, ProblemReply> {
    let allowed: Allowed = match service.admission.take(&rating.user_id, &rating.context) {
        Decision::Allowed(allowed) => allowed,
        Decision::Limited(limited) => {
            admitted.end(Outcome::Throttled);
            return Err(limits::bucket_reply(&limited, &service.admission));
        }
    };
    admitted.add(rating);
    match work_and_store(service, &mut admitted).await {
        Ok(puts) => {
            let superseded = puts.first() == Some(&Put::Superseded);
            let rating = &admitted.ratings()[0];
            let mut response = json_reply(StatusCode::CREATED, &SingleBody { rating, superseded });
            limits::describe(response.headers_mut(), &allowed);
            admitted.end(Outcome::Accepted);
            Ok(response)
        }
        Err(problem) => {
            admitted.end(Outcome::Failed);
            Err(limits::failure_reply(problem))
        }
    }
}

async fn post_batch(
    service: &RatingService,
    mut admitted: Admitted,
    items: Vec<Result<Rating, Problem>>,
) -> Response {
    let mut results = Vec::with_capacity(items.len());
    let mut earliest: Option<Duration> = None;
    for item in items {
        results.push(match item {
            Err(problem) => ItemResult::Refused(problem),
            Ok(rating) => match service.admission.take(&rating.user_id, &rating.context) {
                Decision::Allowed(_) => {
                    admitted.add(rating);
                    ItemResult::Admitted
                }
                Decision::Limited(limited) => {
                    let wait = limits::retry_after(&limited);
                    earliest = Some(earliest.map_or(wait, |known| known.min(wait)));
                    ItemResult::Refused(limits::bucket_problem(&limited, &service.admission))
                }
            },
        });
    }
    let mut response = if admitted.ratings().is_empty() {
        admitted.end(Outcome::Throttled);
        batch_reply(&results, Ok((&[], &[])))
    } else {
        match work_and_store(service, &mut admitted).await {
            Ok(puts) => {
                let response = batch_reply(&results, Ok((admitted.ratings(), &puts)));
                admitted.end(Outcome::Accepted);
                response
            }
            Err(problem) => {
                earliest = earliest.or(limits::failure_wait(&problem));
                let response = batch_reply(&results, Err(&problem));
                admitted.end(Outcome::Failed);
                response
            }
        }
    };
    if let Some(wait) = earliest {
        limits::tell_when(response.headers_mut(), wait);
    }
    response
}

/// The part that takes time: the backend's work, then the disk's.
async fn work_and_store(service: &RatingService, admitted: &mut Admitted) -> Result<Vec<Put>, Problem> {
    if let Some(backend) = &service.backend {
        let call = service.admission.call(BACKEND);
        // All ratings of a request come from one client; the first one's circumstances stand for all.
        let first = admitted.ratings().first().map(|rating| rating.context.clone()).unwrap_or_default();
        let worked = backend.work(admitted.ratings().len(), &first).await?;
        drop(call);
        admitted.worked(worked);
    }
    admitted.store(&service.store).await.map_err(|error| store_problem(&error))
}

fn store_problem(error: &PutError) -> Problem {
    let kind = match error {
        PutError::Invalid { .. } => ProblemKind::InvalidField,
        PutError::BatchTooLarge { .. } => ProblemKind::BodyTooLarge,
        PutError::QueueFull { .. } => ProblemKind::TemporaryReducedCapacity,
        PutError::Closed => ProblemKind::ShuttingDown,
        _ => ProblemKind::StorageFailed,
    };
    let problem = Problem::new(kind, error.to_string());
    if kind == ProblemKind::TemporaryReducedCapacity { problem.with_status(503) } else { problem }
}
