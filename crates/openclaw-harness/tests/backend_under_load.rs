//! The load generator against the stand-in backend, over real sockets.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use openclaw_harness::{
    AckLog, Backend, BackendHandle, Load, LoadReport, LoadSettings, Traffic, demo_scenario,
};
use openclaw_scenario::Scenario;
use tokio::sync::oneshot;
use tokio::time::Instant;

const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A short scenario of 100 requests/s at load 1: 4 workers x 40 ms.
fn scenario(load: f64, duration_s: f64) -> Scenario {
    let mut scenario = demo_scenario();
    scenario.duration_s = duration_s;
    scenario.load = load;
    scenario.surges.clear();
    scenario.capacity.clear();
    scenario.service.workers = 4;
    scenario.service.service_time = openclaw_scenario::ServiceTime::Lognormal { mean_ms: 40.0, cv: 0.3 };
    scenario.users.bursty_fraction = 0.0;
    scenario
}

async fn play(scenario: &Scenario, change: impl FnOnce(&mut LoadSettings)) -> (LoadReport, BackendHandle) {
    let backend = Backend::bind(ANY_PORT, scenario).await.expect("a free loopback port");
    let handle = backend.handle();
    let target = format!("http://{}/work", backend.local_addr());
    let (stop, stopped) = oneshot::channel::<()>();
    let served = tokio::spawn(backend.run(async { drop(stopped.await) }));
    let mut settings = LoadSettings::new(vec![target], Traffic::scenario(scenario.clone()));
    settings.warm_up = Duration::ZERO;
    change(&mut settings);
    let zero = Instant::now() + Duration::from_millis(50);
    settings.start = Some(zero);
    handle.start_clock(zero);
    let report = Load::new(settings)
        .expect("valid settings")
        .run(|_| {}, std::future::pending())
        .await
        .expect("a report");
    drop(stop);
    served.await.expect("the backend does not panic");
    (report, handle)
}

fn assert_conserved(report: &LoadReport) {
    assert_eq!(report.attempts, report.accepted + report.throttled + report.failed + report.timeouts);
    let sum = |of: fn(&openclaw_harness::SecondReport) -> u64| report.seconds.iter().map(of).sum::<u64>();
    assert_eq!(sum(|second| second.offered), report.attempts);
    assert_eq!(sum(|second| second.accepted), report.accepted);
    assert_eq!(sum(|second| second.throttled), report.throttled);
}

#[tokio::test]
async fn at_half_load_everything_is_accepted_and_every_attempt_accounted_for() {
    let log = AckLog::default();
    let (report, backend) =
        play(&scenario(0.5, 2.0), |settings| settings.acknowledged = Some(log.clone())).await;
    assert_conserved(&report);
    assert_eq!((report.accepted, report.failed, report.overflowed), (report.attempts, 0, 0));
    assert_eq!(backend.state().service.served, report.accepted);
    assert_eq!(log.len() as u64, report.accepted);
    assert!(log.snapshot().iter().all(|rating| rating.user_id.starts_with("user-")));
    assert!(report.p50_ms.unwrap() >= 20.0, "a request works for 40 ms on average");
}

#[tokio::test]
async fn an_overload_is_refused_and_times_out_but_never_vanishes() {
    let mut overload = scenario(4.0, 2.0);
    overload.service.queue_max = 60;
    overload.service.client_timeout_ms = 400.0;
    let (report, backend) = play(&overload, |_| {}).await;
    assert_conserved(&report);
    assert!(report.throttled_by_guard > 0, "the queue holds 60");
    assert!(report.timeouts > 0, "60 requests take 600 ms, clients wait 400 ms");
    assert!(report.attempts > report.first_attempts, "refused clients try again");
    assert_eq!(backend.state().service.queued, 0, "who gave up has left the queue");
}

#[tokio::test]
async fn what_cannot_be_outstanding_overflows_and_counts_as_failed() {
    let (report, _) = play(&scenario(2.0, 1.0), |settings| settings.outstanding_max = 2).await;
    assert_conserved(&report);
    assert!(report.overflowed > 0);
    assert_eq!(report.failed, report.overflowed);
}
