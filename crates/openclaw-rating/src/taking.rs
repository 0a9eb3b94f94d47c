//! A request's way from the guard to its answer: one place in flight, one token per rating, the backend, the store.

use std::panic::resume_unwind;
use std::time::{Duration, Instant};

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use openclaw_admin::reply::{ProblemReply, json_reply};
use openclaw_bucket::{Allowed, Decision};
use openclaw_protocol::{Outcome, Problem, ProblemKind, Rating};
use openclaw_store::{Put, PutError};
use serde::Serialize;
use utoipa::ToSchema;

use crate::admitted::Admitted;
use crate::backend::BACKEND;
use crate::batch_reply::{ItemResult, batch_reply};
use crate::idempotency::{Patience, Stored, Ticket};
use crate::limits;
use crate::service::RatingService;

/// Answer to a single rating: the rating as stored.
#[derive(Serialize, ToSchema)]
#[schema(as = RatingAnswer)]
pub(crate) struct SingleBody<'a> {
    #[serde(flatten)]
    rating: &'a Rating,
    /// True where a newer rating of the same user and item stands; missing else.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    superseded: bool,
}

/// A request with at least one rating in it.
pub(crate) struct Arrived {
    pub(crate) started: Instant,
    /// The first rating, whose user and circumstances stand for the request before the guard.
    pub(crate) first: Rating,
    pub(crate) items: Vec<Result<Rating, Problem>>,
    /// Whether it is one rating and no batch.
    pub(crate) single: bool,
}

impl Arrived {
    /// Guard, buckets, backend, store.
    pub(crate) async fn take(
        mut self,
        service: &RatingService,
        patience: Patience,
    ) -> Result<Response, ProblemReply> {
        let in_flight = match service.admission.enter(&self.first.user_id, &self.first.context) {
            Ok(in_flight) => in_flight,
            Err(full) => {
                let refused = self.items.iter().flatten().map(|rating| (&rating.user_id, &rating.context));
                service.admission.refused(refused);
                return Err(limits::guard_reply(&full, service.admission.guard_time()));
            }
        };
        let admitted = Admitted::new(service, self.started, in_flight, patience);
        if self.single
            && let Some(Ok(rating)) = self.items.pop()
        {
            post_single(service, admitted, rating).await
        } else {
            Ok(post_batch(service, admitted, self.items).await)
        }
    }
}

/// Takes a keyed request on a task of its own, so that it ends, and its answer is kept, although its client has left:
/// that client is the one who comes back.
pub(crate) async fn take_once(
    service: RatingService,
    arrived: Arrived,
    ticket: Ticket,
) -> Result<Response, ProblemReply> {
    let patience = Patience::default();
    let _leaving = patience.watch();
    let task = tokio::spawn(async move {
        let reply = arrived.take(&service, patience).await;
        ticket.answer(reply.into_response()).await
    });
    task.await.map_err(|error| match error.try_into_panic() {
        // A bug is answered and counted where all are.
        Ok(panic) => resume_unwind(panic),
        Err(_) => ProblemReply::new(ProblemKind::ShuttingDown, "the service stops; send it again later"),
    })
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
            response.extensions_mut().insert(Stored);
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
                let mut response = batch_reply(&results, Ok((admitted.ratings(), &puts)));
                response.extensions_mut().insert(Stored);
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

/// Why the store did not take something.
pub(crate) fn store_problem(error: &PutError) -> Problem {
    let kind = match error {
        PutError::Invalid { .. } | PutError::InvalidId(_) => ProblemKind::InvalidField,
        PutError::BatchTooLarge { .. } => ProblemKind::BodyTooLarge,
        PutError::QueueFull { .. } => ProblemKind::TemporaryReducedCapacity,
        PutError::Closed => ProblemKind::ShuttingDown,
        _ => ProblemKind::StorageFailed,
    };
    let problem = Problem::new(kind, error.to_string());
    if kind == ProblemKind::TemporaryReducedCapacity { problem.with_status(503) } else { problem }
}
