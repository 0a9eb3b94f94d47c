//! Statistics of the demand model with fixed seeds, and that nothing but the seed changes it.

use super::*;
use crate::scenario::{Diurnal, ScenarioFile, Surge, SurgeKind};

/// 1,000 requests/s at load 1.
fn scenario(duration_s: f64) -> Scenario {
    let text = format!(
        r#"{{"scenarios":[{{"name":"t","description":"d","seed":3,"durationS":{duration_s},
        "service":{{"workers":20,"serviceTime":{{"distribution":"lognormal","meanMs":20,"cv":0.5}},"queueMax":100,
        "clientTimeoutMs":1000}},"load":0.8,"users":{{"count":50,"zipf":1.0}},
        "clients":{{"retryProbabilities":[0.5,0.3,0.2]}}}}]}}"#
    );
    ScenarioFile::parse(&text).unwrap().scenarios.remove(0)
}

fn play(scenario: &Scenario) -> Vec<Arrival> {
    Arrivals::new(scenario, &Population::new(scenario)).collect()
}

fn per_s(arrivals: &[Arrival], from_s: f64, to_s: f64) -> f64 {
    arrivals.iter().filter(|a| (from_s..to_s).contains(&a.time_s)).count() as f64 / (to_s - from_s)
}

#[test]
fn the_same_seed_gives_the_same_plan_and_another_seed_another() {
    let demo = crate::demo();
    let text = |scenario: &Scenario| format!("{:?}", play(scenario));
    assert_eq!(text(&demo), text(&demo));
    assert_ne!(text(&demo), text(&Scenario { seed: demo.seed + 1, ..demo.clone() }));
}

/// Pins the realisation: a change of generator or of the order of draws would silently change every
/// published comparison.
#[test]
fn the_first_attempts_of_the_demo_are_pinned() {
    let first: Vec<String> =
        play(&crate::demo()).iter().take(3).map(|a| format!("{:.6} {}", a.time_s, a.user)).collect();
    assert_eq!(first, PINNED);
}

const PINNED: [&str; 3] = ["0.000237 52", "0.000723 11", "0.000954 0"];

#[test]
fn capacity_disturbances_and_controllers_cannot_change_demand() {
    let calm = scenario(30.0);
    let change = crate::CapacityChange {
        kind: crate::CapacityKind::Workers,
        start_s: 5.0,
        duration_s: 5.0,
        level: 0.2,
    };
    let disturbed = Scenario {
        capacity: vec![change],
        pauses: Some(crate::Pauses { per_s: 0.5, min_s: 0.1, max_s: 0.5 }),
        ..calm.clone()
    };
    assert_eq!(play(&calm), play(&disturbed));
}

#[test]
fn attempts_come_in_order_and_within_the_duration() {
    let arrivals = play(&scenario(10.05));
    assert!(arrivals.is_sorted_by(|a, b| a.time_s <= b.time_s));
    assert!(arrivals.iter().all(|a| (0.0..10.05).contains(&a.time_s)));
}

#[test]
fn mean_demand_is_load_times_capacity() {
    let arrivals = play(&scenario(200.0));
    // 160,000 expected, standard deviation 400.
    let mean = per_s(&arrivals, 0.0, 200.0);
    assert!((mean / 800.0 - 1.0).abs() < 0.01, "{mean}");
}

#[test]
fn users_send_by_their_zipf_shares() {
    let scenario = scenario(200.0);
    let arrivals = play(&scenario);
    for (user, expected) in
        Population::new(&scenario).users().iter().map(|user| user.share).enumerate().take(10)
    {
        let sent = arrivals.iter().filter(|a| a.user as usize == user).count() as f64 / arrivals.len() as f64;
        assert!((sent / expected - 1.0).abs() < 0.05, "user {user}: {sent} instead of {expected}");
    }
    let ratio = |a: usize, b: usize| {
        let users = Population::new(&scenario);
        users.users()[a].share / users.users()[b].share
    };
    assert!(
        (ratio(0, 9) - 10.0).abs() < 1e-9,
        "with exponent 1 the tenth user has a tenth of the first's share"
    );
}

#[test]
fn slot_counts_vary_like_a_poisson_process() {
    let arrivals = play(&scenario(200.0));
    let mut counts = vec![0.0_f64; 2000];
    for arrival in &arrivals {
        counts[(arrival.time_s / SLOT_S) as usize] += 1.0;
    }
    let mean = counts.iter().sum::<f64>() / 2000.0;
    let variance = counts.iter().map(|count| (count - mean).powi(2)).sum::<f64>() / 2000.0;
    assert!((variance / mean - 1.0).abs() < 0.15, "{}", variance / mean);
}

#[test]
fn bursty_users_keep_their_mean_and_pause_in_between() {
    let mut bursty = scenario(400.0);
    bursty.users.bursty_fraction = 1.0;
    bursty.users.zipf = 0.0;
    let arrivals = play(&bursty);
    let mean = per_s(&arrivals, 0.0, 400.0);
    assert!((mean / 800.0 - 1.0).abs() < 0.08, "{mean}");
    let mut seconds: Vec<u32> = arrivals.iter().filter(|a| a.user == 0).map(|a| a.time_s as u32).collect();
    seconds.dedup();
    // Each sends 16/s on average; sending evenly, it would be silent in no second at all.
    assert!((80..300).contains(&seconds.len()), "active in {} of 400 seconds", seconds.len());
}

#[test]
fn a_flash_surge_multiplies_demand_while_it_lasts() {
    let mut surging = scenario(60.0);
    surging.surges = vec![Surge {
        kind: SurgeKind::Flash,
        start_s: 20.0,
        duration_s: 20.0,
        factor: 2.5,
        user_fraction: 1.0,
    }];
    let arrivals = play(&surging);
    assert!((per_s(&arrivals, 0.0, 20.0) / 800.0 - 1.0).abs() < 0.03);
    assert!((per_s(&arrivals, 20.0, 40.0) / 2000.0 - 1.0).abs() < 0.03);
    assert!((per_s(&arrivals, 40.0, 60.0) / 800.0 - 1.0).abs() < 0.03);
}

#[test]
fn an_abusive_surge_is_sent_by_its_members_alone() {
    let mut abused = scenario(60.0);
    abused.users.zipf = 0.0;
    abused.surges = vec![Surge {
        kind: SurgeKind::Abusive,
        start_s: 30.0,
        duration_s: 30.0,
        factor: 20.0,
        user_fraction: 0.1,
    }];
    let users = Population::new(&abused);
    assert_eq!(users.users().iter().filter(|user| user.abusive).count(), 5);
    let (abusive, legitimate): (Vec<Arrival>, Vec<Arrival>) =
        play(&abused).iter().partition(|a| users.users()[a.user as usize].abusive);
    assert!((per_s(&abusive, 30.0, 60.0) / per_s(&abusive, 0.0, 30.0) / 20.0 - 1.0).abs() < 0.1);
    assert!((per_s(&legitimate, 30.0, 60.0) / per_s(&legitimate, 0.0, 30.0) - 1.0).abs() < 0.05);
}

#[test]
fn the_diurnal_wave_rises_first_and_falls_after() {
    let mut wave = scenario(100.0);
    wave.diurnal = Some(Diurnal { amplitude: 0.6, period_s: 100.0 });
    let arrivals = play(&wave);
    // The mean of a half sine wave is 2 / pi.
    assert!(
        (per_s(&arrivals, 0.0, 50.0) / (800.0 * (1.0 + 0.6 * 2.0 / std::f64::consts::PI)) - 1.0).abs() < 0.03
    );
    assert!(
        (per_s(&arrivals, 50.0, 100.0) / (800.0 * (1.0 - 0.6 * 2.0 / std::f64::consts::PI)) - 1.0).abs()
            < 0.03
    );
}

#[test]
fn retries_follow_their_probabilities() {
    let arrivals = play(&scenario(100.0));
    for (retries, expected) in [(0, 0.5), (1, 0.3), (2, 0.2)] {
        let drawn =
            arrivals.iter().filter(|a| a.retries_max == retries).count() as f64 / arrivals.len() as f64;
        assert!((drawn - expected).abs() < 0.01, "{retries} retries: {drawn}");
    }
}

#[test]
fn a_trace_replaces_the_model() {
    let mut traced = scenario(10.0);
    traced.arrivals = Some(crate::TraceArrivals { trace_file: "a.csv".to_owned(), speedup: 10.0 });
    let trace = ArrivalTrace::parse("time\n0.5\n20\n20\n99.9\n101\n".as_bytes()).unwrap();
    let users = Population::new(&traced);
    let times: Vec<f64> = Arrivals::from_trace(&traced, &users, &trace).map(|a| a.time_s).collect();
    assert_eq!(times.len(), 4, "what comes after the duration is left out");
    assert!((times[1] - 2.0).abs() < 1e-12 && (times[3] - 9.99).abs() < 1e-12);
}

#[test]
fn a_bad_trace_is_refused_with_its_line() {
    let error = |text: &str| ArrivalTrace::parse(text.as_bytes()).unwrap_err().to_string();
    assert_eq!(error("1\nx\n"), "line 2: \"x\" is not a number of seconds");
    assert_eq!(error("2\n1\n"), "line 2: 1 s is earlier than the line before; sort the trace by time");
    assert_eq!(error("-1\n"), "line 1: -1 is not a time of at least 0 s");
    assert_eq!(error("\n"), "the trace holds no arrival");
}

#[test]
fn a_costly_class_and_a_busy_dependency_lower_the_capacity() {
    let mut mixed = scenario(10.0);
    mixed.users.zipf = 0.0;
    let class = |factor| crate::RequestClass {
        context: crate::Context { region: Some("eu".to_owned()), ..Default::default() },
        user_fraction: 0.5,
        service_time_factor: factor,
        network_delay_ms: 0.0,
        call_fraction: Some(1.0),
    };
    mixed.request_classes = vec![class(3.0)];
    assert!((Population::new(&mixed).capacity_per_s() - 500.0).abs() < 1e-6, "mean work is twice as much");
    mixed.dependencies = vec![crate::Dependency {
        name: "moderation".to_owned(),
        workers: 3,
        service_time: crate::ServiceTime::Lognormal { mean_ms: 10.0, cv: 0.0 },
        call_fraction: 0.5,
        capacity: Vec::new(),
    }];
    // Half of the requests always call, the other half every second time: 300 / 0.75.
    assert!((Population::new(&mixed).capacity_per_s() - 400.0).abs() < 1e-6);
}
