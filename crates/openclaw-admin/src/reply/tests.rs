//! Replies as a client sees them.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::header::{ALLOW, CONTENT_TYPE, LINK, RETRY_AFTER};
use http::{HeaderValue, Request};
use openclaw_protocol::{PROBLEM_JSON, Problem, ProblemKind};
use tower::Service;

use super::{ProblemReply, catch_panic, with_problem_fallbacks};

async fn problem_of(response: Response) -> Problem {
    assert_eq!(response.headers()[CONTENT_TYPE], PROBLEM_JSON);
    let status = response.status();
    let body = to_bytes(response.into_body(), 10_000).await.unwrap();
    let problem: Problem = serde_json::from_slice(&body).unwrap();
    assert_eq!(problem.status, status.as_u16());
    problem
}

#[tokio::test]
async fn a_problem_is_sent_with_its_status_and_header_fields() {
    let response = ProblemReply::new(ProblemKind::QuotaExceeded, "wait")
        .retry_after(Duration::from_millis(1001))
        .header(LINK, HeaderValue::from_static("</a>"))
        .header(LINK, HeaderValue::from_static("</b>"))
        .into_response();
    assert_eq!(response.headers()[RETRY_AFTER], "2");
    assert_eq!(response.headers().get_all(LINK).iter().count(), 2);
    assert_eq!(problem_of(response).await, Problem::new(ProblemKind::QuotaExceeded, "wait"));
}

#[test]
fn nobody_is_told_to_wait_zero_seconds() {
    for (wait, expected) in [(0, "1"), (1, "1"), (1000, "1"), (1001, "2"), (60_000, "60")] {
        let reply =
            ProblemReply::new(ProblemKind::QuotaExceeded, "").retry_after(Duration::from_millis(wait));
        assert_eq!(reply.into_response().headers()[RETRY_AFTER], expected, "{wait} ms");
    }
}

#[tokio::test]
async fn unknown_paths_and_wrong_methods_are_problems() {
    let mut routes: Router = with_problem_fallbacks(Router::new().route("/ratings", post(|| async {})));
    let unknown = routes.call(Request::get("/rating").body(Body::empty()).unwrap()).await.unwrap();
    let problem = problem_of(unknown).await;
    assert_eq!((problem.status, problem.detail.as_str()), (404, "nothing answers GET /rating"));

    let wrong = routes.call(Request::put("/ratings").body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(wrong.headers()[ALLOW], "POST");
    let problem = problem_of(wrong).await;
    assert_eq!(
        (problem.status, problem.detail.as_str()),
        (405, "/ratings does not answer PUT; the Allow header field lists the methods that it does")
    );
}

#[tokio::test]
async fn an_answer_does_not_repeat_a_long_path() {
    let mut routes: Router = with_problem_fallbacks(Router::new().route("/", get(|| async {})));
    let path = format!("/{}", "%F0".repeat(2000));
    let response = routes.call(Request::get(&path).body(Body::empty()).unwrap()).await.unwrap();
    assert!(problem_of(response).await.detail.len() < 300);
}

#[tokio::test]
async fn a_panic_is_answered_without_its_message() {
    let response = catch_panic(async {
        tokio::task::yield_now().await;
        panic!("secret of user 42")
    })
    .await;
    let problem = problem_of(response).await;
    assert_eq!(problem.status, 500);
    assert_eq!(problem.detail, "the service failed to answer this request; its log says why");
}
