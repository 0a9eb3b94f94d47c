//! What is refused, what is said about it, and what the loop learns.

use std::time::Duration;

use openclaw_protocol::BucketPolicy;
use openclaw_sidecar::EdgeAway;

use crate::stage::{Setup, Stage, body, empty, eventually, field, fine, service, status};

fn bucket_of(setup: &mut Setup, bucket_size: f64) {
    setup.collector.defaults = BucketPolicy { bucket_size, refill_rate: 0.01 };
    setup.collector.bounds.bucket_size_min = 0.0;
    setup.collector.bounds.refill_rate_min = 0.0;
    setup.collector.bounds.bucket_size_max = bucket_size;
    setup.collector.bounds.refill_rate_max = 0.01;
}

const ANN: &str = "x-user-id: ann\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_says_what_to_do_as_the_rating_service_does() {
    let stage = Stage::with(fine().await, |setup| bucket_of(setup, 2.0)).await;
    let answer = stage.get("/", ANN).await;
    assert_eq!((status(&answer), body(&answer)), (200, "fine"));
    assert_eq!(field(&answer, "openclaw-mode"), Some("local"));
    assert!(field(&answer, "ratelimit").unwrap().starts_with("\"user\";r=1;"), "{answer}");
    assert!(field(&answer, "ratelimit-policy").unwrap().starts_with("\"user\";q=2;"), "{answer}");
    stage.get("/", ANN).await;
    let refused = stage.get("/", ANN).await;
    assert_eq!(status(&refused), 429);
    assert_eq!(field(&refused, "content-type"), Some("application/problem+json"));
    assert!(field(&refused, "retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    assert!(field(&refused, "ratelimit").unwrap().starts_with("\"user\";r=0;"), "{refused}");
    assert!(body(&refused).contains("may ask") && body(&refused).contains("\"status\":429"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn routes_say_what_is_metered_and_what_it_costs() {
    let stage = Stage::with(fine().await, |setup| {
        bucket_of(setup, 10.0);
        let routes = ["GET /healthz pass", "* /heavy cost=6", "* /free cost=0", "GET /light"];
        setup.sidecar.routes = routes.map(|route| route.parse().unwrap()).to_vec();
    })
    .await;
    let mut statuses = Vec::new();
    for path in ["/heavy", "/heavy/too", "/light", "/free", "/healthz", "/unnamed"] {
        statuses.push(status(&stage.get(path, ANN).await));
    }
    assert_eq!(statuses, [200, 429, 200, 200, 200, 200]);
    assert_eq!(field(&stage.get("/healthz", ANN).await, "openclaw-mode"), None);
    assert_eq!(stage.collector.status().totals.attempts, 4, "what passes is not counted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_guard_answers_503_and_says_when_to_come_back() {
    let slow = service(|_| async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        empty(200)
    })
    .await;
    let stage = Stage::with(slow, |setup| {
        setup.collector.guard = true;
        setup.collector.guard_law.floor_in_time = 2.0;
        setup.collector.slo = Duration::from_millis(20);
    })
    .await;
    let requests: Vec<_> = (0..40).map(|_| stage.get("/", ANN)).collect();
    let mut answers = Vec::new();
    let mut tasks: Vec<_> = requests.into_iter().map(Box::pin).collect();
    let all = std::future::poll_fn(|context| {
        tasks.retain_mut(|task| match task.as_mut().poll(context) {
            std::task::Poll::Ready(answer) => {
                answers.push(answer);
                false
            }
            std::task::Poll::Pending => true,
        });
        if tasks.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    });
    all.await;
    let refused: Vec<_> = answers.iter().filter(|answer| status(answer) == 503).collect();
    assert!(!refused.is_empty() && refused.len() < 40, "{} of 40", refused.len());
    assert!(refused.iter().all(|answer| field(answer, "retry-after").is_some()));
    assert!(refused[0].contains("temporary-reduced-capacity"), "{}", refused[0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shadow_mode_foretells_and_refuses_nothing() {
    let stage = Stage::with(fine().await, |setup| {
        bucket_of(setup, 1.0);
        setup.sidecar.shadow = true;
    })
    .await;
    let first = stage.get("/", ANN).await;
    let second = stage.get("/", ANN).await;
    assert_eq!((status(&first), field(&first, "openclaw-shadow")), (200, None));
    assert_eq!((status(&second), field(&second, "openclaw-shadow")), (200, Some("would-throttle")));
    assert_eq!(field(&second, "ratelimit"), None, "clients are told of no limit that does not hold");
    let totals = stage.collector.status().totals;
    assert_eq!((totals.accepted, totals.throttled), (2, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outcomes_are_counted_as_the_loop_understands_them() {
    let by_path = service(|request| async move {
        empty(request.uri().path().trim_start_matches('/').parse().unwrap_or(200))
    })
    .await;
    let stage = Stage::before(by_path).await;
    for code in ["/200", "/404", "/302", "/500", "/503", "/429", "/504"] {
        assert_eq!(format!("/{}", status(&stage.get(code, ANN).await)), code);
    }
    let status = stage.collector.status();
    assert_eq!((status.totals.completed, status.totals.failed), (3, 4));
    assert_eq!(status.in_flight, 0);
}

/// An edge that is not there.
fn lost_edge(setup: &mut Setup) {
    let nowhere = "http://127.0.0.1:9/api/v1/event";
    let target = openclaw_collector::EdgeTarget::new(nowhere, None, Duration::from_millis(100)).unwrap();
    setup.collector.edge = Some(target);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_edge_is_away_it_fails_as_configured() {
    for (away, expected) in [
        (EdgeAway::Local, [(200, "local"), (429, "local")]),
        (EdgeAway::Open, [(200, "open"), (200, "open")]),
        (EdgeAway::Closed, [(503, "closed"), (503, "closed")]),
    ] {
        let stage = Stage::with(fine().await, |setup| {
            bucket_of(setup, 1.0);
            lost_edge(setup);
            setup.sidecar.edge_away = away;
        })
        .await;
        for (expected, mode) in expected {
            let answer = stage.get("/", ANN).await;
            assert_eq!(
                (status(&answer), field(&answer, "openclaw-mode")),
                (expected, Some(mode)),
                "{away:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_counts_as_failed_and_frees_its_place() {
    let never = service(|_| std::future::pending()).await;
    let stage = Stage::before(never).await;
    let get = stage.get("/", ANN);
    assert!(tokio::time::timeout(Duration::from_millis(200), get).await.is_err());
    eventually("the request is counted", || stage.collector.status().totals.failed == 1).await;
    eventually("the place is free", || stage.sidecar.status().in_progress == 0).await;
    assert_eq!(stage.collector.status().in_flight, 0);
}
