//! The edge's HTTP interface.

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use openclaw_admin::access::{AccessPolicy, Role};
use openclaw_admin::body::{content_type, read_body};
use openclaw_admin::reply::{ProblemReply, with_problem_fallbacks};
use openclaw_protocol::{BodyForm, ProblemKind, parse_event, parse_events};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::services::Edge;

const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";

/// The edge's routes: events for collectors, explanations for readers.
pub fn router(edge: Edge, access: &AccessPolicy) -> Router {
    let events = Router::new()
        .route("/api/v1/event", post(event))
        .route("/api/v1/events", post(events))
        .layer(access.require(Role::Collector));
    let readers = Router::new()
        .route("/api/v1/users/{id}/policy", get(policy_of))
        .route("/api/v1/policy", get(policy))
        .layer(access.require(Role::Reader));
    with_problem_fallbacks(events.merge(readers).with_state(edge))
}

async fn event(State(edge): State<Edge>, request: Request) -> Result<Response, ProblemReply> {
    content_type(request.headers(), &[JSON])?;
    let settings = edge.settings();
    let body = read_body(request.into_body(), settings.body_bytes_max, settings.body_timeout).await?;
    let event = parse_event(&body, settings.scores).inspect_err(|_| edge.meters().rejected.increment(1))?;
    Ok(json_reply(&edge.take_event(&event)?))
}

async fn events(State(edge): State<Edge>, request: Request) -> Result<Response, ProblemReply> {
    let form = match content_type(request.headers(), &[JSON, NDJSON])? {
        Some(NDJSON) => BodyForm::NdJson,
        _ => BodyForm::Json,
    };
    let settings = edge.settings();
    let body = read_body(request.into_body(), settings.body_bytes_max, settings.body_timeout).await?;
    let intake = parse_events(&body, form, settings.batch_max, settings.scores)?;
    edge.meters().batches.increment(1);
    edge.meters().rejected.increment(intake.rejected.len() as u64);
    let mut answer = match &intake.envelope {
        Some(batch) => edge.take_batch(batch, &intake.events)?,
        None => edge.take_bare(&intake.events)?,
    };
    answer.rejected = intake.rejected;
    Ok(json_reply(&answer))
}

async fn policy(State(edge): State<Edge>) -> Response {
    json_reply(
        &json!({ "mode": "full", "controller": edge.policy_version(), "policyVersion": edge.policy_version() }),
    )
}

#[derive(Deserialize)]
struct PolicyQuery {
    service: Option<String>,
}

async fn policy_of(
    State(edge): State<Edge>,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<PolicyQuery>, QueryRejection>,
) -> Result<Response, ProblemReply> {
    let (Path(user), Query(query)) = (path?, query?);
    let Some(why) = edge.explain(&user, query.service.as_deref()) else {
        let detail = match &query.service {
            Some(service) => format!("no events of a service {service:?} have arrived"),
            None => "no events have arrived yet, or several services send them: name one with ?service="
                .to_owned(),
        };
        return Err(ProblemReply::new(ProblemKind::NotFound, detail));
    };
    Ok(json_reply(&json!({
        "userId": user,
        "bucketSize": why.policy.bucket_size,
        "refillRate": why.policy.refill_rate,
        "reason": why.reason,
        "controller": why.controller,
        "policyVersion": edge.policy_version(),
        "observation": named(&why.observation),
        "action": named(&why.action),
        "explanation": why.sentence,
    })))
}

/// Named numbers as a JSON object; JSON has no infinity, which becomes null.
fn named(values: &[(&'static str, f64)]) -> Map<String, Value> {
    values.iter().map(|&(name, value)| (name.to_owned(), json!(value))).collect()
}

fn json_reply<T: Serialize>(value: &T) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => {
            let mut response = Response::new(Body::from(body));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
            response
        }
        Err(error) => {
            tracing::error!(%error, "an answer could not be written as JSON");
            ProblemReply::new(ProblemKind::Internal, "the answer could not be written").into_response()
        }
    }
}

#[cfg(test)]
mod tests;
