//! The backend's two routes.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use openclaw_protocol::{PROBLEM_JSON, Problem, ProblemKind};

use super::engine::Engine;
use super::stages::{Served, StageFull};

/// Larger batches are refused by the rating service long before.
const ITEMS_MAX: u32 = 100_000;

type Answer = Response<Full<Bytes>>;

/// Answers one request.
pub(super) async fn answer(engine: Arc<Engine>, request: Request<Incoming>) -> Result<Answer, Infallible> {
    let answer = match (request.uri().path(), request.method()) {
        ("/work", &Method::POST) => work(engine, request.headers()).await,
        ("/state", &Method::GET) => {
            json(StatusCode::OK, serde_json::to_vec(&engine.state()).unwrap_or_default())
        }
        ("/work", _) => problem(ProblemKind::MethodNotAllowed, "/work takes POST"),
        ("/state", _) => problem(ProblemKind::MethodNotAllowed, "/state takes GET"),
        _ => problem(ProblemKind::NotFound, "the stand-in backend has POST /work and GET /state"),
    };
    Ok(answer)
}

async fn work(engine: Arc<Engine>, headers: &HeaderMap) -> Answer {
    let items = match headers
        .get("openclaw-items")
        .map(|value| value.to_str().ok().and_then(|text| text.parse().ok()))
    {
        None => 1,
        Some(Some(items)) if (1..=ITEMS_MAX).contains(&items) => items,
        Some(_) => {
            let detail = format!("the header openclaw-items must be a whole number from 1 to {ITEMS_MAX}");
            return problem(ProblemKind::InvalidField, detail);
        }
    };
    let class = headers.get("openclaw-class").and_then(|value| value.to_str().ok());
    match Arc::clone(&engine).work(class, items).await {
        Ok(served) => done(&engine, &served),
        Err(StageFull(stage)) => full(&engine, stage),
    }
}

fn done(engine: &Engine, served: &Served) -> Answer {
    let mut answer = Response::new(Full::default());
    let scenario = engine.scenario();
    if !scenario.instrumented {
        return answer;
    }
    let headers = answer.headers_mut();
    if let Ok(value) = HeaderValue::try_from(format!("{:.3}", served.work_s * 1e3)) {
        headers.insert("openclaw-work-ms", value);
    }
    if !served.dependencies_s.is_empty() {
        let one = |(index, time_s): &(usize, f64)| {
            format!("{}={:.3}", scenario.dependencies[*index].name, time_s * 1e3)
        };
        let all = served.dependencies_s.iter().map(one).collect::<Vec<_>>().join(";");
        // A name that no header can carry leaves the header out.
        if let Ok(value) = HeaderValue::try_from(all) {
            headers.insert("openclaw-dependency-ms", value);
        }
    }
    answer
}

fn full(engine: &Engine, stage: usize) -> Answer {
    let scenario = engine.scenario();
    let name = stage.checked_sub(1).map_or("service", |index| scenario.dependencies[index].name.as_str());
    let detail = format!(
        "the queue of {name} holds {} requests and is full; try again later",
        scenario.service.queue_max
    );
    let mut answer = problem(ProblemKind::TemporaryReducedCapacity, detail);
    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    answer
}

fn problem(kind: ProblemKind, detail: impl Into<String>) -> Answer {
    let problem = Problem::new(kind, detail);
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = json(status, problem.to_json());
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    answer
}

fn json(status: StatusCode, body: Vec<u8>) -> Answer {
    let mut answer = Response::new(Full::from(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}
