//! From attempts to a report, in simulated time.

use super::super::plan::ScenarioTraffic;
use super::*;
use proptest::prelude::*;

fn recorder(warm_up_s: f64, duration_s: f64) -> Recorder {
    Recorder::new(0.2, 1.0, warm_up_s, duration_s, None)
}

/// One attempt that ends as given.
fn attempt(recorder: &mut Recorder, at_s: f64, latency_s: f64, outcome: &Outcome) {
    let sent = Sent::new(at_s, None, true);
    let sent = recorder.begin(sent);
    recorder.end(sent, outcome, at_s + latency_s);
}

#[test]
fn the_warm_up_counts_in_totals_and_not_in_figures() {
    let mut recorder = recorder(2.0, 4.0);
    for second in 0..4 {
        for part in 0..10 {
            let latency_s = if second < 2 { 0.9 } else { 0.1 };
            attempt(&mut recorder, f64::from(second) + f64::from(part) / 10.0, latency_s, &Outcome::Accepted);
        }
    }
    let report = recorder.finish(4.0);
    assert_eq!((report.attempts, report.accepted, report.seconds.len()), (40, 40, 4));
    assert_eq!((report.accepted_per_s, report.goodput_per_s, report.windows_over_slo), (10.0, 10.0, 0.0));
    assert!((report.p99_ms.unwrap() - 100.0).abs() < 0.2, "{:?}", report.p99_ms);
    assert_eq!(report.seconds[0].good, 0);
}

#[test]
fn goodput_counts_completions_within_the_slo_and_once_more_only_in_good_windows() {
    let mut recorder = recorder(0.0, 2.0);
    for part in 0..10 {
        let at_s = f64::from(part) / 10.0;
        attempt(&mut recorder, at_s, 0.1, &Outcome::Accepted);
        attempt(&mut recorder, 1.0 + at_s, if part < 5 { 0.1 } else { 0.5 }, &Outcome::Accepted);
    }
    let report = recorder.finish(2.0);
    assert_eq!((report.goodput_per_s, report.goodput_in_slo_windows_per_s), (7.5, 5.0));
    assert_eq!(report.windows_over_slo, 0.5);
}

#[test]
fn percentiles_that_fall_on_timeouts_read_as_the_timeout() {
    let mut recorder = recorder(0.0, 1.0);
    for part in 0..100 {
        let outcome = if part < 94 { Outcome::Accepted } else { Outcome::Timeout };
        attempt(&mut recorder, f64::from(part) / 100.0, 0.05, &outcome);
    }
    let report = recorder.finish(1.0);
    assert!((report.p50_ms.unwrap() - 50.0).abs() < 0.1);
    assert_eq!((report.p95_ms, report.p99_ms), (Some(1000.0), Some(1000.0)));
}

#[test]
fn percentiles_are_right_within_one_per_cent() {
    let mut recorder = recorder(0.0, 1.0);
    for sample in 1..=1000 {
        attempt(&mut recorder, 0.5, f64::from(sample) / 2000.0, &Outcome::Accepted);
    }
    let report = recorder.finish(1.0);
    for (measured, exact) in [(report.p50_ms, 250.0), (report.p95_ms, 475.0), (report.p99_ms, 495.0)] {
        assert!((measured.unwrap() / exact - 1.0).abs() < 0.01, "{measured:?} instead of {exact}");
    }
}

#[test]
fn a_run_without_admitted_requests_has_no_percentiles() {
    let mut recorder = recorder(0.0, 1.0);
    attempt(&mut recorder, 0.1, 0.0, &Outcome::ThrottledByBucket);
    let report = recorder.finish(1.0);
    assert_eq!((report.p95_ms, report.windows_over_slo, report.throttled_fraction), (None, 0.0, 1.0));
    let json = serde_json::to_value(&report).unwrap();
    assert!(json["p95Ms"].is_null() && json["wellBehavedThrottledFraction"].is_null());
}

/// Two users of a service whose workers do five plain requests a second each; one user's take four times the work.
fn costly(workers: u32, load: f64) -> (FairShares, Vec<openclaw_scenario::Arrival>) {
    let mut scenario = openclaw_scenario::demo();
    scenario.users.count = 2;
    scenario.capacity.clear();
    scenario.surges.clear();
    (scenario.load, scenario.service.workers) = (load, workers);
    scenario.service.service_time = openclaw_scenario::ServiceTime::Lognormal { mean_ms: 200.0, cv: 0.0 };
    scenario.request_classes = vec![openclaw_scenario::RequestClass {
        context: openclaw_scenario::Context::from_key("deviceType=mobile"),
        user_fraction: 0.5,
        service_time_factor: 4.0,
        network_delay_ms: 0.0,
        call_fraction: None,
    }];
    let traffic = ScenarioTraffic::new(scenario);
    let arrivals = traffic.arrivals().take_while(|arrival| arrival.time_s < 2.0).collect();
    (FairShares::new(&traffic), arrivals)
}

#[test]
fn work_is_counted_in_plain_requests_and_each_user_s_up_to_its_entitlement() {
    let (shares, arrivals) = costly(2, 4.0);
    let cost =
        |user: u32| if arrivals.iter().any(|one| one.user == user && one.class == 1) { 4.0 } else { 1.0 };
    let mut recorder = Recorder::new(0.5, 1.0, 0.0, 2.0, Some(shares));
    for arrival in &arrivals {
        // Everybody is served, far more than the service could; the second window misses the SLO.
        let sent = recorder.begin(Sent::new(arrival.time_s, Some(arrival.user), true));
        let latency_s = if arrival.time_s >= 1.0 && arrival.class == 1 { 0.9 } else { 0.1 };
        recorder.end(sent, &Outcome::Accepted, arrival.time_s + latency_s);
    }
    let work_of = |counts: fn(f64, bool) -> bool| -> f64 {
        let counted = arrivals.iter().filter(|one| counts(one.time_s, one.class == 1));
        counted.map(|one| cost(one.user)).sum()
    };
    let work = recorder.finish(2.0).work.unwrap();
    assert_eq!(work.good, work_of(|time_s, costly| time_s < 1.0 || !costly));
    assert_eq!(work.good_in_slo_windows, work_of(|time_s, _| time_s < 1.0));
    let fair = work.entitled_in_slo_windows;
    assert!(
        fair > 5.0 && fair <= 10.0 + 1e-9,
        "a second has ten units for {}: {fair}",
        work.good_in_slo_windows
    );
}

#[test]
fn only_first_attempts_of_users_within_their_share_show_how_those_are_treated() {
    let (shares, arrivals) = costly(20, 1.2);
    let mut recorder = Recorder::new(0.5, 1.0, 0.0, 2.0, Some(shares));
    let mut well_behaved = 0;
    for arrival in &arrivals {
        let sent = recorder.begin(Sent::new(arrival.time_s, Some(arrival.user), true));
        well_behaved += u64::from(sent.well_behaved);
        recorder.end(sent, &Outcome::ThrottledByBucket, arrival.time_s);
        let again = recorder.begin(Sent::new(arrival.time_s, Some(arrival.user), false));
        assert!(!again.well_behaved, "a retry says what the first attempt said");
        recorder.end(again, &Outcome::Accepted, arrival.time_s + 0.1);
    }
    assert!(well_behaved > 0 && well_behaved < arrivals.len() as u64, "{well_behaved} of {}", arrivals.len());
    assert_eq!(recorder.finish(2.0).well_behaved_throttled_fraction, Some(1.0));
}

#[test]
fn how_late_attempts_leave_is_told() {
    let mut recorder = recorder(2.0, 4.0);
    recorder.left(0.5, 9.0);
    for part in 0..100 {
        recorder.left(3.0, f64::from(part) / 1e3);
    }
    let lag_ms = recorder.finish(4.0).send_lag_p99_ms;
    assert!((lag_ms - 98.0).abs() < 0.2, "{lag_ms}");
}

#[test]
fn a_window_stays_open_until_its_last_attempt_has_ended() {
    let mut recorder = recorder(0.0, 10.0);
    let slow = Sent::new(0.5, None, true);
    let slow = recorder.begin(slow);
    recorder.close_passed(9.0);
    assert!(recorder.seconds.is_empty());
    recorder.end(slow, &Outcome::Accepted, 9.1);
    recorder.close_passed(9.2);
    assert_eq!(recorder.seconds.len(), 8, "the last second of grace stays open");
    assert_eq!(recorder.seconds[0].accepted, 1);
}

#[test]
fn a_run_that_ends_early_reports_the_time_that_it_had() {
    let mut recorder = recorder(0.0, 60.0);
    for part in 0..30 {
        attempt(&mut recorder, f64::from(part) / 20.0, 0.01, &Outcome::Accepted);
    }
    let report = recorder.finish(1.5);
    assert!(report.ended_early);
    assert_eq!((report.duration_s, report.accepted_per_s, report.seconds.len()), (1.5, 20.0, 2));
}

#[test]
fn reasons_of_failures_are_counted_and_bounded() {
    let mut recorder = recorder(0.0, 1.0);
    for reason in 0..40 {
        attempt(&mut recorder, 0.1, 0.1, &Outcome::Failed(format!("status {}", 500 + reason % 20)));
    }
    let report = recorder.finish(1.0);
    assert_eq!(report.failures.len(), REASONS_MAX + 1);
    assert_eq!(report.failures.values().sum::<u64>(), 40);
}

#[test]
fn progress_shows_the_second_that_has_gone_by() {
    let mut recorder = recorder(0.0, 10.0);
    for _ in 0..30 {
        attempt(&mut recorder, 0.2, 0.1, &Outcome::Accepted);
    }
    for _ in 0..10 {
        attempt(&mut recorder, 0.3, 0.0, &Outcome::ThrottledByGuard);
    }
    recorder.begin(Sent::new(0.9, None, true));
    let progress = recorder.progress(1.0);
    assert_eq!((progress.offered_per_s, progress.goodput_per_s, progress.outstanding), (41.0, 30.0, 1));
    assert_eq!(progress.throttled_fraction, 0.25);
    let next = recorder.progress(2.0);
    assert_eq!((next.offered_per_s, next.p95_ms, next.outstanding), (0.0, None, 1));
}

fn any_outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        Just(Outcome::Accepted),
        Just(Outcome::ThrottledByBucket),
        Just(Outcome::ThrottledByGuard),
        Just(Outcome::Failed("status 500".to_owned())),
        Just(Outcome::Timeout),
        Just(Outcome::Overflowed),
    ]
}

proptest! {
    #[test]
    fn no_attempt_is_lost_on_the_way_to_the_report(
        attempts in prop::collection::vec((0.0..10.0_f64, 0.0..1.0_f64, any_outcome()), 0..300),
    ) {
        let mut recorder = recorder(2.0, 10.0);
        let mut attempts = attempts;
        attempts.sort_by(|a, b| a.0.total_cmp(&b.0));
        for (at_s, latency_s, outcome) in &attempts {
            recorder.close_passed(*at_s);
            attempt(&mut recorder, *at_s, *latency_s, outcome);
        }
        let report = recorder.finish(10.0);
        prop_assert_eq!(report.attempts, attempts.len() as u64);
        prop_assert_eq!(report.attempts, report.accepted + report.throttled + report.failed + report.timeouts);
        let seconds: u64 = report.seconds.iter().map(|second| second.accepted + second.throttled + second.failed + second.timeouts).sum();
        prop_assert_eq!(seconds, report.attempts);
        prop_assert!(report.goodput_in_slo_windows_per_s <= report.goodput_per_s);
        prop_assert!(report.goodput_per_s <= report.accepted_per_s);
    }
}
