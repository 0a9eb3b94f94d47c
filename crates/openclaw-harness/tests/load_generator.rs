//! The load generator against a small server whose answers are known.

use std::convert::Infallible;
use std::future::Future;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use openclaw_harness::{
    Load, LoadReport, LoadSettings, Pace, Progress, RatingsSource, Stamp, Traffic, demo_scenario,
};
use openclaw_scenario::Scenario;
use serde_json::Value;
use tokio::net::TcpListener;

/// What the server saw of a request.
#[derive(Clone, Debug)]
struct Seen {
    path: String,
    token: Option<String>,
    rating: Value,
}

type Log = Arc<Mutex<Vec<Seen>>>;

/// Answers request number n (from 0) with the status that `answer` gives for n, after its delay.
async fn serve(answer: fn(usize) -> (u16, Duration)) -> (String, Log) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free loopback port");
    let address: SocketAddr = listener.local_addr().expect("an address");
    let log = Log::default();
    let seen = Arc::clone(&log);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let seen = Arc::clone(&seen);
            let service = service_fn(move |request| handle(request, Arc::clone(&seen), answer));
            tokio::spawn(
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
            );
        }
    });
    (format!("http://{address}"), log)
}

async fn handle(
    request: Request<Incoming>,
    log: Log,
    answer: fn(usize) -> (u16, Duration),
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.expect("a whole body").to_bytes();
    let token = parts.headers.get("authorization").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let rating = serde_json::from_slice(&body).expect("a rating in JSON");
    let number = {
        let mut log = log.lock().expect("an unbroken log");
        log.push(Seen { path: parts.uri.path().to_owned(), token, rating });
        log.len() - 1
    };
    let (status, delay) = answer(number);
    tokio::time::sleep(delay).await;
    let mut response = Response::new(Full::from("{}"));
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    Ok(response)
}

fn at_once(status: u16) -> (u16, Duration) {
    (status, Duration::ZERO)
}

/// The shipped ratings, evenly spaced.
fn even(per_s: f64, duration_s: f64) -> Traffic {
    Traffic::Ratings { ratings: RatingsSource::Shipped, pace: Pace::PerSecond(per_s), duration_s }
}

async fn run(settings: LoadSettings, cancel: impl Future<Output = ()>) -> (LoadReport, Vec<Progress>) {
    let mut seconds = Vec::new();
    let load = Load::new(settings).expect("valid settings");
    let report = load.run(|second| seconds.push(second.clone()), cancel).await.expect("a report");
    assert_eq!(report.attempts, report.accepted + report.throttled + report.failed + report.timeouts);
    (report, seconds)
}

fn settings(targets: Vec<String>, traffic: Traffic) -> LoadSettings {
    LoadSettings { warm_up: Duration::ZERO, ..LoadSettings::new(targets, traffic) }
}

#[tokio::test]
async fn every_answer_is_counted_as_what_it_is() {
    let (target, log) = serve(|number| match number % 10 {
        0 => at_once(200),
        1 => at_once(207),
        2 | 3 => at_once(429),
        4 => at_once(503),
        5 => at_once(500),
        6 => (201, Duration::from_secs(60)),
        _ => at_once(201),
    })
    .await;
    let mut settings = settings(vec![target], even(200.0, 1.0));
    settings.timeout = Duration::from_secs(1);
    let (report, _) = run(settings, std::future::pending()).await;
    assert_eq!((report.attempts, log.lock().unwrap().len()), (200, 200));
    assert_eq!((report.accepted, report.throttled_by_bucket, report.throttled_by_guard), (100, 40, 20));
    assert_eq!((report.failed, report.timeouts, report.overflowed), (20, 20, 0));
    assert_eq!(report.failures["status 500"], 20);
    assert_eq!((report.p95_ms, report.throttled_fraction), (Some(1000.0), 0.3));
}

#[tokio::test]
async fn ratings_are_sent_in_order_with_token_and_stamp() {
    let (target, log) = serve(|_| at_once(201)).await;
    let mut settings = settings(vec![target], even(50.0, 1.0));
    settings.token = Some("secret".to_owned());
    settings.stamp = Stamp::Original;
    run(settings, std::future::pending()).await;
    let mut sent = log.lock().unwrap().clone();
    // Answers may overtake each other, so the server's order is not the intended one within a millisecond.
    sent.sort_by_key(|seen| seen.rating["timestamp"].as_u64());
    for (seen, rating) in sent.iter().zip(openclaw_harness::ratings::shipped()) {
        let rating = rating.unwrap();
        assert_eq!((seen.path.as_str(), seen.token.as_deref()), ("/ratings", Some("Bearer secret")));
        assert_eq!(seen.rating["timestamp"], rating.epoch_s * 1000);
        assert_eq!(seen.rating.as_object().map(serde_json::Map::len), Some(4));
    }
    assert_eq!(sent.len(), 50);
}

#[tokio::test]
async fn targets_are_used_in_turn() {
    let (one, first) = serve(|_| at_once(201)).await;
    let (two, second) = serve(|_| at_once(201)).await;
    run(settings(vec![one, format!("{two}/other")], even(40.0, 1.0)), std::future::pending()).await;
    assert_eq!((first.lock().unwrap().len(), second.lock().unwrap().len()), (20, 20));
    assert!(second.lock().unwrap().iter().all(|seen| seen.path == "/other"));
}

/// 100 plain requests a second.
fn scenario(duration_s: f64, retry_probabilities: [f64; 3]) -> Scenario {
    let mut scenario = demo_scenario();
    scenario.duration_s = duration_s;
    scenario.load = 0.125;
    scenario.surges.clear();
    scenario.clients.retry_probabilities = retry_probabilities;
    scenario.clients.ignore_backoff_fraction = 0.0;
    scenario
}

#[tokio::test]
async fn refused_clients_try_again_as_the_scenario_says() {
    let (target, log) = serve(|_| at_once(429)).await;
    let traffic = Traffic::scenario(scenario(2.0, [0.0, 0.0, 1.0]));
    let (report, _) = run(settings(vec![target], traffic), std::future::pending()).await;
    let sent = log.lock().unwrap();
    // Everybody tries twice more, after 200 ms and 400 ms, unless that is after the end.
    assert_eq!((report.attempts, report.accepted), (sent.len() as u64, 0));
    let per_first = report.attempts as f64 / report.first_attempts as f64;
    assert!((2.2..2.8).contains(&per_first), "{per_first}");
    let in_first_200_ms: u64 = report.first_attempts / 10;
    assert!(report.seconds[0].offered > report.seconds[0].first_attempts + in_first_200_ms);
    assert_eq!(report.throttled_fraction, 1.0);
    assert!(
        sent.iter().all(|seen| seen.rating["userId"].as_str().is_some_and(|user| user.starts_with("user-")))
    );
}

#[tokio::test]
async fn accepted_requests_are_not_sent_again() {
    let (target, log) = serve(|_| at_once(201)).await;
    let traffic = Traffic::scenario(scenario(1.0, [0.0, 0.0, 1.0]));
    let (report, _) = run(settings(vec![target], traffic), std::future::pending()).await;
    assert_eq!((report.attempts, report.first_attempts), (log.lock().unwrap().len() as u64, report.attempts));
    assert_eq!(report.well_behaved_throttled_fraction, Some(0.0));
}

#[tokio::test]
async fn classes_carry_their_context_and_their_time_on_the_network() {
    let (target, log) = serve(|_| at_once(201)).await;
    let mut classes = scenario(1.0, [1.0, 0.0, 0.0]);
    classes.request_classes = vec![openclaw_scenario::RequestClass {
        context: openclaw_scenario::Context::from_key("deviceType=mobile"),
        user_fraction: 1.0,
        service_time_factor: 1.0,
        network_delay_ms: 150.0,
        call_fraction: None,
    }];
    let (report, _) = run(settings(vec![target], Traffic::scenario(classes)), std::future::pending()).await;
    let context = serde_json::json!({"deviceType": "mobile"});
    assert!(log.lock().unwrap().iter().all(|seen| seen.rating["context"] == context));
    assert!(report.p50_ms.unwrap() >= 150.0, "{:?}", report.p50_ms);
}

#[tokio::test]
async fn latency_counts_from_the_intended_time_and_an_early_end_still_reports() {
    // Every answer takes 300 ms: a closed loop of one connection would send 3 a second, not 100.
    let (target, _) = serve(|_| (201, Duration::from_millis(300))).await;
    let stop = tokio::time::sleep(Duration::from_millis(1500));
    let (report, seconds) = run(settings(vec![target], even(100.0, 60.0)), stop).await;
    assert!(report.ended_early && report.duration_s < 10.0);
    assert_eq!(report.accepted, report.attempts, "what is under way ends");
    assert!(report.p50_ms.unwrap() >= 300.0);
    assert_eq!((report.goodput_per_s, report.windows_over_slo), (0.0, 1.0));
    assert!(!seconds.is_empty());
}

#[tokio::test]
async fn nobody_there_is_a_failure_with_its_reason() {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let target = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let (report, _) = run(settings(vec![target], even(20.0, 0.5)), std::future::pending()).await;
    assert_eq!((report.failed, report.accepted, report.p50_ms), (10, 0, None));
    assert!(report.failures.keys().all(|reason| reason.starts_with("connect: ")), "{:?}", report.failures);
}

#[tokio::test]
async fn unusable_settings_and_ratings_are_refused() {
    let refused = |settings: LoadSettings| Load::new(settings).unwrap_err().to_string();
    assert_eq!(refused(settings(Vec::new(), even(1.0, 1.0))), "a load needs at least one target URL");
    let target = || vec!["http://127.0.0.1:1".to_owned()];
    assert_eq!(
        refused(settings(target(), even(0.0, 1.0))),
        "pace must be over 0 and at most 1000000000, is 0"
    );
    assert_eq!(
        refused(settings(target(), even(1.0, f64::NAN))),
        "duration must be over 0 and at most 1000000000, is NaN"
    );
    let token = LoadSettings { token: Some("a\nb".to_owned()), ..settings(target(), even(1.0, 1.0)) };
    assert_eq!(refused(token), "the bearer token holds characters that a header cannot carry");

    let mut empty = tempfile::NamedTempFile::new().unwrap();
    let ratings = || RatingsSource::File(empty.path().to_owned());
    let traffic = Traffic::Ratings { ratings: ratings(), pace: Pace::PerSecond(1.0), duration_s: 1.0 };
    let load = Load::new(settings(target(), traffic.clone())).unwrap();
    let error = load.run(|_| {}, std::future::pending()).await.unwrap_err().to_string();
    assert!(error.starts_with("the traffic holds no attempt"), "{error}");
    empty.write_all(b"1::2::3\n").unwrap();
    let load = Load::new(settings(target(), traffic)).unwrap();
    let error = load.run(|_| {}, std::future::pending()).await.unwrap_err().to_string();
    assert!(error.contains("line 1: has 3 fields instead of 4"), "{error}");
}
