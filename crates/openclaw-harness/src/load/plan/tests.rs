//! The order and the times of what is sent.

use std::io::Write;

use super::*;
use openclaw_scenario::demo;

fn file(text: &str) -> (tempfile::NamedTempFile, RatingsSource) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let source = RatingsSource::File(file.path().to_owned());
    (file, source)
}

fn planned(traffic: &Traffic) -> Vec<Planned> {
    traffic.plan().unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn a_scenario_is_planned_the_same_each_time() {
    let traffic = Traffic::scenario(demo().scaled_to(5.0));
    assert_eq!(planned(&traffic), planned(&traffic));
}

#[test]
fn users_come_from_the_scenario_and_items_from_the_ratings_in_order() {
    let traffic = Traffic::scenario(demo().scaled_to(5.0));
    let planned = planned(&traffic);
    assert!(planned.len() > 2000, "{}", planned.len());
    assert!(planned.is_sorted_by_key(|planned| planned.at));
    for (planned, rating) in planned.iter().zip(crate::ratings::shipped()) {
        let rating = rating.unwrap();
        assert_eq!((&*planned.item_id, planned.score), (rating.item_id.as_str(), rating.score));
        assert_eq!(&*planned.user_id, Population::user_id(planned.user.unwrap()));
    }
}

#[test]
fn ratings_start_over_when_a_scenario_needs_more() {
    let (_file, source) = file("1::a::1::10\n2::b::2::20\n");
    let traffic = ScenarioTraffic::new(demo().scaled_to(1.0)).with_ratings(source);
    let items: Vec<Arc<str>> = planned(&Traffic::Scenario(Box::new(traffic)))
        .into_iter()
        .take(5)
        .map(|planned| planned.item_id)
        .collect();
    assert_eq!(items.iter().map(|item| &**item).collect::<Vec<_>>(), ["a", "b", "a", "b", "a"]);
}

#[test]
fn a_fixed_pace_is_evenly_spaced() {
    let (_file, ratings) = file("1::a::1::10\n2::b::2::20\n3::c::3::30\n");
    let traffic = Traffic::Ratings { ratings, pace: Pace::PerSecond(4.0), duration_s: 1.0 };
    let planned = planned(&traffic);
    assert_eq!(planned.iter().map(|p| p.at.as_millis()).collect::<Vec<_>>(), [0, 250, 500, 750]);
    assert_eq!(planned.iter().map(|p| &*p.user_id).collect::<Vec<_>>(), ["1", "2", "3", "1"]);
}

#[test]
fn recorded_times_are_played_faster_and_end_with_the_file() {
    let (_file, ratings) = file("1::a::1::100\n2::b::2::130\n3::c::3::120\n4::d::4::400\n");
    let played = |duration_s| {
        let traffic = Traffic::Ratings { ratings: ratings.clone(), pace: Pace::Speedup(10.0), duration_s };
        planned(&traffic).iter().map(|p| p.at.as_secs()).collect::<Vec<_>>()
    };
    assert_eq!(played(100.0), [0, 3, 2, 30]);
    assert_eq!(played(10.0), [0, 3, 2], "what lies behind the duration is left out");
}

#[test]
fn an_empty_file_plans_nothing_and_a_bad_line_is_an_error() {
    let (_file, ratings) = file("");
    let even = Traffic::Ratings { ratings, pace: Pace::PerSecond(1.0), duration_s: 1.0 };
    assert!(even.plan().unwrap().next().is_none());
    let (_file, ratings) = file("1::a::1::10\nnonsense\n");
    let broken = Traffic::Ratings { ratings, pace: Pace::PerSecond(2.0), duration_s: 1.0 };
    let error = broken.plan().unwrap().collect::<Result<Vec<_>, _>>().unwrap_err();
    assert!(error.to_string().contains("line 2: has 1 fields instead of 4"), "{error}");
}

#[test]
fn clients_back_off_unless_they_ignore_it() {
    let traffic = Traffic::scenario(demo().scaled_to(5.0));
    let planned = planned(&traffic);
    let patient = planned.iter().find(|planned| !planned.ignores_backoff).unwrap();
    let rude = planned.iter().find(|planned| planned.ignores_backoff).unwrap();
    let waits = |planned: &Planned| [planned.backoff(0).as_millis(), planned.backoff(1).as_millis()];
    assert_eq!((waits(patient), waits(rude)), ([200, 400], [20, 20]));
}
