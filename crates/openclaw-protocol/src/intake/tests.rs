//! What bodies of every shape become: good items kept, bad ones named, nothing that panics.

use proptest::prelude::*;

use super::*;

const NOW_MS: u64 = 1_700_000_000_000;
const GOOD: &str = r#"{"userId":"u","itemId":"i","score":5,"timestamp":1}"#;

fn ratings(body: &str, form: BodyForm) -> Result<(Vec<Result<Rating, Problem>>, bool), Problem> {
    parse_ratings(body.as_bytes(), form, 100, NOW_MS, &RatingRules::default())
}

fn events(body: &str) -> Result<EventIntake, Problem> {
    parse_events(body.as_bytes(), BodyForm::Json, 100, ScoreRange::default())
}

#[test]
fn a_batch_with_bad_items_keeps_the_good_ones_in_place() {
    let body = format!(r#"[{GOOD},{{"userId":"","itemId":"i","score":1}},{GOOD},7,null]"#);
    let (items, single) = ratings(&body, BodyForm::Json).unwrap();
    assert!(!single);
    assert_eq!(items.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true, false, false]);
}

#[test]
fn ndjson_is_read_line_by_line_and_blank_lines_do_not_count() {
    let (items, single) = ratings(&format!("{GOOD}\n\n{{bad\r\n{GOOD}\n"), BodyForm::NdJson).unwrap();
    assert!(!single);
    assert_eq!(items.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
}

#[test]
fn one_object_is_a_single_rating() {
    let (items, single) = ratings(GOOD, BodyForm::Json).unwrap();
    assert!(single && items.len() == 1 && items[0].is_ok());
}

#[test]
fn a_body_that_is_not_utf8_says_which_byte() {
    let problem =
        parse_ratings(b"{\"userId\":\"\xff\"}", BodyForm::Json, 10, NOW_MS, &RatingRules::default())
            .unwrap_err();
    assert_eq!(problem.detail, "the body is not UTF-8: byte 11 does not fit");
}

#[test]
fn more_items_than_allowed_are_refused_as_a_whole() {
    let body = format!("[{}]", vec![GOOD; 101].join(","));
    assert_eq!(ratings(&body, BodyForm::Json).unwrap_err().status, 413);
    assert_eq!(ratings(&vec![GOOD; 101].join("\n"), BodyForm::NdJson).unwrap_err().status, 413);
    assert_eq!(ratings("[]", BodyForm::Json).unwrap_err().status, 400);
}

#[test]
fn an_event_needs_only_the_four_fields() {
    let event = parse_event(GOOD.as_bytes(), ScoreRange::default()).unwrap();
    assert_eq!((event.score, event.timestamp, event.latency_ms), (5.0, 1, None));
}

#[test]
fn an_envelope_with_one_bad_event_rejects_only_that_one() {
    let bad = r#"{"userId":"u","itemId":"i","score":99,"timestamp":1}"#;
    let worse = r#"{"userId":"u","itemId":"i","score":1,"timestamp":1,"latencyMs":-3}"#;
    for broken in [bad, worse, r#"{"userId":7}"#] {
        let intake = events(&format!(
            r#"{{"collector":{{"id":"c","service":"s","epoch":1}},"seq":1,"events":[{GOOD},{broken},{GOOD}]}}"#
        ))
        .unwrap();
        assert_eq!(intake.events.len(), 2, "{broken}");
        assert_eq!(intake.rejected.len(), 1);
        assert_eq!(intake.rejected[0].index, 1);
        assert_eq!(intake.envelope.unwrap().seq, 1);
    }
}

#[test]
fn an_envelope_without_a_collector_is_refused() {
    let problem = events(&format!(r#"{{"seq":1,"events":[{GOOD}]}}"#)).unwrap_err();
    assert!(problem.detail.contains("collector"), "{}", problem.detail);
    let nameless = r#"{"collector":{"id":"","service":"s","epoch":1},"seq":1}"#;
    assert!(events(nameless).unwrap_err().detail.contains("collector.id"));
}

#[test]
fn an_envelope_with_endless_names_or_times_that_are_none_is_refused() {
    let problem = |rest: &str| {
        let collector = r#"{"collector":{"id":"c","service":"s","epoch":1},"seq":1"#;
        events(&format!("{collector},{rest}}}")).unwrap_err().detail
    };
    let detail = problem(r#""roundTripMs":-3"#);
    assert!(detail.contains("roundTripMs is -3"), "{detail}");
    let gauge = |name: &str| format!(r#"{{"name":"{name}","inFlight":0,"completed":0}}"#);
    assert!(problem(&format!(r#""dependencies":[{}]"#, gauge(""))).contains("dependencies.name has 0 bytes"));
    let many = vec![gauge("d"); 17].join(",");
    assert!(problem(&format!(r#""dependencies":[{many}]"#)).contains("17, more than 16"));
}

#[test]
fn the_envelope_survives_a_round_trip() {
    let json = format!(
        r#"{{"collector":{{"id":"c","service":"s","epoch":1}},"seq":3,"inFlight":4,
        "totals":{{"attempts":9,"accepted":8,"throttled":1,"completed":7,"failed":1}},
        "users":[{{"userId":"u","attempts":9,"throttled":1,"context":{{"deviceType":"tv"}}}}],"roundTripMs":2.5,
        "dependencies":[{{"name":"d","inFlight":1,"completed":2}}],"events":[{GOOD}]}}"#
    );
    let batch: EventBatch = serde_json::from_str(&json).unwrap();
    let again: EventBatch = serde_json::from_slice(&serde_json::to_vec(&batch).unwrap()).unwrap();
    assert_eq!(batch, again);
    assert_eq!((batch.totals.attempts, batch.users[0].throttled), (9, 1));
    assert_eq!((batch.users[0].context.device_type.as_deref(), batch.round_trip_ms), (Some("tv"), Some(2.5)));
}

proptest! {
    #[test]
    fn no_bytes_make_the_parsers_panic(body in proptest::collection::vec(any::<u8>(), 0..400)) {
        let rules = RatingRules::default();
        for form in [BodyForm::Json, BodyForm::NdJson] {
            let _ = parse_ratings(&body, form, 10, NOW_MS, &rules);
            let _ = parse_events(&body, form, 10, rules.scores);
        }
        let _ = parse_event(&body, rules.scores);
    }

    #[test]
    fn nearly_valid_json_never_panics_and_valid_ratings_are_within_bounds(
        user in ".{0,300}", item in ".{0,300}", score in any::<f64>(), timestamp in any::<u64>(),
    ) {
        let body = serde_json::json!({"userId": user, "itemId": item, "score": score, "timestamp": timestamp});
        if let Ok(rating) = Rating::parse(&body.to_string(), NOW_MS, &RatingRules::default()) {
            prop_assert!((1..=256).contains(&rating.user_id.len()));
            prop_assert!((0.0..=10.0).contains(&rating.score));
            prop_assert!(rating.timestamp <= NOW_MS + 300_000);
        }
    }
}
