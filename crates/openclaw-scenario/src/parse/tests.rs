//! Complete files, every mistake at once, and damaged ones.

use super::*;
use proptest::prelude::*;

const COMPLETE: &str = include_str!("complete.json");

fn issues(text: &str) -> Vec<String> {
    ScenarioFile::parse(text).unwrap_err().issues.iter().map(ToString::to_string).collect()
}

#[test]
fn a_file_with_every_field_is_read_and_written_back_alike() {
    let file = ScenarioFile::parse(COMPLETE).unwrap();
    let scenario = &file.scenarios[0];
    assert_eq!((scenario.name.as_str(), scenario.seed, scenario.service.workers), ("step-drop", 7, 32));
    assert_eq!(scenario.clients.retry_probabilities, [0.5, 0.25, 0.25]);
    assert_eq!(scenario.surges[0].kind, SurgeKind::Flash);
    assert_eq!(scenario.capacity[0].level, 0.3);
    assert_eq!(scenario.request_classes[0].context.device_type.as_deref(), Some("mobile"));
    assert_eq!(scenario.dependencies[0].service_time.mean_s(), 0.03);
    assert_eq!(scenario.arrivals.as_ref().unwrap().speedup, 60.0);
    let written = serde_json::to_string(&file).unwrap();
    assert_eq!(ScenarioFile::parse(&written).unwrap(), file);
}

#[test]
fn everything_after_load_is_optional() {
    let file = ScenarioFile::parse(
        r#"{"scenarios":[{"name":"plain","description":"nothing happens","seed":1,"durationS":10,
        "service":{"workers":4,"serviceTime":{"distribution":"pareto","meanMs":10,"cv":2.5},"queueMax":0,
        "clientTimeoutMs":500},"load":0.5}]}"#,
    )
    .unwrap();
    let scenario = &file.scenarios[0];
    assert_eq!((scenario.users.count, scenario.initial_rate_factor, scenario.instrumented), (100, 1.0, true));
    assert_eq!(scenario.service.service_time, ServiceTime::Pareto { mean_ms: 10.0, alpha: 2.5 });
}

#[test]
fn all_mistakes_of_a_file_are_reported_at_once_with_their_paths() {
    let text = COMPLETE
        .replace(r#""level": 0.3"#, r#""level": 1.5"#)
        .replace(r#""load": 1.3"#, r#""laod": 1.3"#)
        .replace(r#""kind": "flash""#, r#""kind": "flsh""#)
        .replace(r#""workers": 32"#, r#""workers": 0"#)
        .replace(r#""minS": 0.2"#, r#""minS": 2"#)
        .replace("[0.5, 0.25, 0.25]", "[0.5, 0.5]")
        .replace(r#""callFraction": 0.4"#, r#""callFraction": "often""#);
    let mut found = issues(&text);
    found.sort();
    let expected = [
        "scenarios[0].capacity[0].level: must be in (0, 1], is 1.5",
        "scenarios[0].clients.retryProbabilities: must be three numbers in [0, 1] (for 0, 1 and 2 retries) that add up to 1",
        "scenarios[0].dependencies[0].callFraction: must be a number in [0, 1], is a string",
        "scenarios[0].laod: unknown field; known here: name, description, seed, durationS, service, load, users, clients, \
         surges, diurnal, capacity, pauses, noisyNeighbour, feedback, initialRateFactor, requestClasses, instrumented, \
         dependencies, arrivals",
        "scenarios[0].load: is missing",
        "scenarios[0].pauses.maxS: must be at least minS, which is 2",
        "scenarios[0].service.workers: must be a whole number in [1, 100000], is 0",
        "scenarios[0].surges[0].kind: must be \"flash\" or \"abusive\", is \"flsh\"",
    ];
    assert_eq!(found, expected);
}

#[test]
fn wrong_shapes_are_named() {
    assert_eq!(issues("[]"), ["must be an object, is a list"]);
    assert_eq!(issues("{}"), ["scenarios: must hold at least one scenario"]);
    assert_eq!(issues(r#"{"scenarios":7}"#), ["scenarios: must be a list, is a number"]);
    assert_eq!(issues(r#"{"scenarios":[null]}"#), ["scenarios[0]: must be an object, is null"]);
    assert!(issues("{").first().unwrap().starts_with("cannot be read as JSON: "));
}

#[test]
fn a_field_given_twice_is_refused_with_its_place() {
    let found = issues(&COMPLETE.replace(r#""load": 1.3,"#, r#""load": 1.3, "load": 0.3,"#));
    assert_eq!(found, ["cannot be read as JSON: the field \"load\" is given twice at line 14 column 30"]);
}

#[test]
fn a_name_may_be_used_once() {
    let mut file = ScenarioFile::parse(COMPLETE).unwrap();
    file.scenarios.push(file.scenarios[0].clone());
    let text = serde_json::to_string(&file).unwrap();
    assert_eq!(issues(&text), ["scenarios[1].name: \"step-drop\" is taken already"]);
}

#[test]
fn demand_that_would_exhaust_memory_is_refused() {
    let text =
        COMPLETE.replace(r#""load": 1.3"#, r#""load": 1000"#).replace(r#""factor": 6"#, r#""factor": 1000"#);
    let found = issues(&text);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("scenarios[0].load: demand can reach "), "{found:?}");
}

#[test]
fn the_shipped_demo_overloads_its_backend_in_three_ways() {
    let demo = crate::demo();
    let users = Population::new(&demo);
    assert!((users.capacity_per_s() - 800.0).abs() < 1e-6);
    assert!((demo.load * demo.surges[0].factor - 2.0).abs() < 0.01);
    assert_eq!(users.users().iter().filter(|user| user.abusive).count(), 10);
}

#[test]
fn stretching_moves_events_and_keeps_the_machine() {
    let file = ScenarioFile::parse(COMPLETE).unwrap();
    let scenario = &file.scenarios[0];
    let double = scenario.scaled_to(scenario.duration_s * 2.0);
    assert_eq!(double.duration_s, 180.0);
    assert_eq!((double.surges[0].start_s, double.surges[0].duration_s), (60.0, 40.0));
    assert_eq!((double.capacity[0].start_s, double.dependencies[0].capacity[0].duration_s), (60.0, 10.0));
    assert_eq!(double.diurnal.as_ref().unwrap().period_s, 120.0);
    assert_eq!(
        (&double.service, &double.pauses, double.load),
        (&scenario.service, &scenario.pauses, scenario.load)
    );
    assert_eq!(double.scaled_to(90.0), *scenario);
}

#[test]
fn contexts_travel_as_one_line() {
    let file = ScenarioFile::parse(COMPLETE).unwrap();
    let scenario = &file.scenarios[0];
    let context = &scenario.request_classes[0].context;
    assert_eq!(context.to_key(), "deviceType=mobile;networkQuality=poor");
    assert_eq!(Context::from_key(&context.to_key()), *context);
    let sent = Context::from_key("region=eu; networkQuality=poor; deviceType=mobile; later=field");
    assert_eq!(scenario.class_of(&sent), 1);
    assert_eq!(scenario.class_of(&Context::from_key("deviceType=mobile")), 0);
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,200}") {
        let _ = ScenarioFile::parse(&text);
    }

    /// Cuts, swaps and doubles bytes of a good file: whatever comes out is read or refused with reasons.
    #[test]
    fn damaged_files_are_read_or_refused(place in 0..COMPLETE.len(), length in 0..40_usize, insert in "[0-9\"{}\\[\\]:,a-z.-]{0,8}") {
        let mut text = COMPLETE.to_owned();
        let end = (place + length).min(text.len());
        text.replace_range(place..end, &insert);
        match ScenarioFile::parse(&text) {
            Ok(file) => prop_assert!(!file.scenarios.is_empty()),
            Err(errors) => prop_assert!(!errors.issues.is_empty()),
        }
    }

    #[test]
    fn any_number_is_taken_within_bounds_or_refused(number in any::<f64>()) {
        let text = COMPLETE.replace(r#""level": 0.3"#, &format!(r#""level": {number:?}"#));
        match ScenarioFile::parse(&text) {
            Ok(file) => prop_assert!(file.scenarios[0].capacity[0].level > 0.0 && file.scenarios[0].capacity[0].level <= 1.0),
            Err(errors) => prop_assert!(errors.issues.len() == 1),
        }
    }
}
