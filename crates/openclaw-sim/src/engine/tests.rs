//! The service model against hand-made courses and queueing theory.

use openclaw_scenario::{ArrivalTrace, ScenarioFile};

use super::*;

/// What an admitted request came to.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    end: End,
    latency_ms: f64,
    dependencies_ms: Vec<f64>,
}

/// Admits everybody, or nobody, and notes what became of it.
#[derive(Default)]
struct Watcher {
    refuses: bool,
    attempts_s: Vec<f64>,
    seen: Vec<Seen>,
    calls: i64,
}

impl Admission for Watcher {
    type Pass = ();

    fn attempt(&mut self, now_s: f64, _: u32, _: &Inside<'_>) -> Option<()> {
        self.attempts_s.push(now_s);
        (!self.refuses).then_some(())
    }

    fn ended(&mut self, _: f64, (): (), ended: &Ended<'_>) {
        let called = |index: &usize| ended.called & (1 << index) != 0;
        let dependencies_ms = (0..ended.dependency_s.len()).filter(called);
        self.seen.push(Seen {
            end: ended.end,
            latency_ms: (ended.latency_s * 1e9).round() / 1e6,
            dependencies_ms: dependencies_ms.map(|i| (ended.dependency_s[i] * 1e9).round() / 1e6).collect(),
        });
    }

    fn call_began(&mut self, _: usize) {
        self.calls += 1;
    }

    fn call_ended(&mut self, _: f64, _: usize, _: f64) {
        self.calls -= 1;
    }

    fn wake_s(&self) -> f64 {
        f64::INFINITY
    }

    fn wake(&mut self, _: f64) -> bool {
        false
    }

    fn limits(&self) -> (Option<f64>, Option<f64>) {
        (None, None)
    }
}

fn world(fields: &str, trace: Option<&str>) -> Arc<World> {
    let text =
        format!(r#"{{"scenarios":[{{"name":"hand-made","description":"for a test","seed":1,{fields}}}]}}"#);
    let scenario = ScenarioFile::parse(&text).unwrap_or_else(|errors| panic!("{errors}")).scenarios.remove(0);
    let trace = trace.map(|trace| Arc::new(ArrivalTrace::parse(trace.as_bytes()).unwrap()));
    Arc::new(World::new(Arc::new(scenario), trace, 0))
}

fn course(world: &Arc<World>, admission: Watcher) -> Engine<Watcher> {
    let mut engine = Engine::new(Arc::clone(world), admission, 0.15, 0.1);
    assert!(!engine.run());
    engine
}

fn seen(end: End, latency_ms: f64) -> Seen {
    Seen { end, latency_ms, dependencies_ms: Vec::new() }
}

/// One worker, 100 ms for each request, room for one that waits.
const TINY: &str = r#""durationS":1,"load":0.5,"users":{"count":1},"clients":{"retryProbabilities":[0,0,1]},
    "service":{"workers":1,"serviceTime":{"distribution":"lognormal","meanMs":100,"cv":0},"queueMax":1,
    "clientTimeoutMs":1000}"#;

#[test]
fn one_worker_serves_in_order_and_a_full_queue_fails() {
    let trace = "0.01\n0.02\n0.03\n0.12\n0.13\n0.215\n";
    let engine = course(&world(TINY, Some(trace)), Watcher::default());
    let ended = &engine.admission.seen;
    // Work ends at 110, 210, 310 and 410 ms.
    let expected = [
        seen(End::QueueFull, 0.0),
        seen(End::Served, 100.0),
        seen(End::QueueFull, 0.0),
        seen(End::Served, 190.0),
        seen(End::Served, 190.0),
        seen(End::Served, 195.0),
    ];
    assert_eq!(*ended, expected);
    let run = engine.finish("everybody", 0);
    assert_eq!((run.whole.good, run.whole.late, run.whole.overflowed, run.whole.in_flight), (1, 3, 2, 0));
}

#[test]
fn a_client_leaves_the_queue_but_not_the_worker() {
    let impatient = TINY.replace("\"clientTimeoutMs\":1000", "\"clientTimeoutMs\":150");
    let engine = course(&world(&impatient, Some("0.01\n0.02\n0.115\n0.15\n")), Watcher::default());
    // The second starts at 110 ms and is given up at 170 ms, yet its worker is busy until 210 ms. The third waits
    // from 115 ms and is given up at 265 ms, in work; the fourth finds the queue full.
    let expected = [
        seen(End::Served, 100.0),
        seen(End::QueueFull, 0.0),
        seen(End::ClientLeft, 150.0),
        seen(End::ClientLeft, 150.0),
    ];
    assert_eq!(engine.admission.seen, expected);
    let never = TINY.replace("\"clientTimeoutMs\":1000", "\"clientTimeoutMs\":50");
    let engine = course(&world(&never, Some("0.01\n0.02\n0.08\n")), Watcher::default());
    // The second leaves the queue at 70 ms, so that the third finds room; it leaves at 130 ms, in work since 110 ms.
    assert_eq!(engine.admission.seen, vec![seen(End::ClientLeft, 50.0); 3]);
}

#[test]
fn refused_clients_come_back_twice_and_count_once_as_demand() {
    let engine = course(&world(TINY, Some("0.05\n")), Watcher { refuses: true, ..Watcher::default() });
    let at_ms: Vec<f64> = engine.admission.attempts_s.iter().map(|s| (s * 1e6).round() / 1e3).collect();
    assert_eq!(at_ms, [50.0, 250.0, 650.0]);
    let run = engine.finish("nobody", 0);
    assert_eq!((run.whole.offered, run.whole.first_attempts, run.whole.throttled), (3, 1, 3));
    assert_eq!((run.whole.well_behaved, run.whole.well_behaved_throttled), (1, 1));
}

#[test]
fn dependencies_and_the_network_add_to_the_latency() {
    let fields = r#""durationS":1,"load":0.5,"users":{"count":1},
        "service":{"workers":4,"serviceTime":{"distribution":"lognormal","meanMs":10,"cv":0},"queueMax":10,
        "clientTimeoutMs":1000},
        "requestClasses":[{"context":{"deviceType":"tv"},"userFraction":1,"serviceTimeFactor":2,"networkDelayMs":7}],
        "dependencies":[
        {"name":"first","workers":1,"callFraction":1,"serviceTime":{"distribution":"lognormal","meanMs":30,"cv":0}},
        {"name":"second","workers":1,"callFraction":1,"serviceTime":{"distribution":"lognormal","meanMs":5,"cv":0}}]"#;
    let engine = course(&world(fields, Some("0.1\n0.1\n")), Watcher::default());
    // 7 ms on the network, 20 ms in the service; the second waits 30 ms for the first dependency.
    let with =
        |latency_ms, first_ms| Seen { dependencies_ms: vec![first_ms, 5.0], ..seen(End::Served, latency_ms) };
    assert_eq!(engine.admission.seen, [with(62.0, 30.0), with(92.0, 60.0)]);
    assert_eq!(engine.admission.calls, 0, "who enters a dependency leaves it");
}

/// Mean wait in an M/G/1 queue by Pollaczek and Khinchine, against a long course.
fn wait_is_as_theory_says(load: f64, cv: f64) {
    let fields = format!(
        r#""durationS":3000,"load":{load},"users":{{"count":10}},
        "service":{{"workers":1,"serviceTime":{{"distribution":"lognormal","meanMs":10,"cv":{cv}}},
        "queueMax":100000,"clientTimeoutMs":100000}}"#
    );
    let engine = course(&world(&fields, None), Watcher::default());
    let ended = &engine.admission.seen;
    let mean_ms = ended.iter().map(|seen| seen.latency_ms).sum::<f64>() / ended.len() as f64;
    let theory_ms = 10.0 + load * 10.0 * (1.0 + cv * cv) / (2.0 * (1.0 - load));
    assert!((mean_ms / theory_ms - 1.0).abs() < 0.04, "{mean_ms} ms, by theory {theory_ms} ms");
}

#[test]
fn the_mean_wait_before_one_worker_is_as_theory_says() {
    wait_is_as_theory_says(0.7, 0.0);
    wait_is_as_theory_says(0.6, 1.0);
}
