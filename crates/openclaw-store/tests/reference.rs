//! The store beside a plain map: whatever is put in whatever order, with ties, old timestamps, repeats within a
//! batch and restarts between batches, both answer alike and the statistics equal a recount.

#![expect(clippy::unwrap_used, reason = "tests stop at the first surprise, their fixtures too")]

use std::collections::BTreeMap;
use std::path::Path;

use openclaw_store::{ItemStats, NewRating, Put, Store, StoreSettings};
use proptest::prelude::*;

const PRIOR_RATINGS: u32 = 3;

#[derive(Debug, Clone)]
enum Step {
    Put(Vec<NewRating>),
    Restart,
}

/// Score in millionths and timestamp by item and user.
type Reference = BTreeMap<(String, String), (u64, u64)>;

fn micros(score: f64) -> u64 {
    (score * 1e6).round() as u64
}

/// Few users, items and timestamps, so that everything collides with everything.
fn rating() -> impl Strategy<Value = NewRating> {
    (0..4, 0..4, 0u32..=10_000_000, 0u64..6).prop_map(|(user, item, micros, timestamp_ms)| NewRating {
        user_id: format!("u{user}").into(),
        item_id: format!("i{item}").into(),
        score: f64::from(micros) / 1e6,
        timestamp_ms,
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        9 => prop::collection::vec(rating(), 1..12).prop_map(Step::Put),
        1 => Just(Step::Restart),
    ]
}

fn put_in_reference(reference: &mut Reference, rating: &NewRating) -> Put {
    let pair = (rating.item_id.to_string(), rating.user_id.to_string());
    match reference.get(&pair) {
        Some((_, current_ms)) if *current_ms > rating.timestamp_ms => Put::Superseded,
        _ => {
            reference.insert(pair, (micros(rating.score), rating.timestamp_ms));
            Put::Stored
        }
    }
}

/// What an item's statistics must be, counted anew from the reference.
fn recounted(reference: &Reference, item_id: &str) -> Option<ItemStats> {
    let scores = |all: bool| {
        reference.iter().filter(move |((item, _), _)| all || item == item_id).map(|(_, (score, _))| *score)
    };
    let mean = |all| scores(all).sum::<u64>() as f64 / scores(all).count() as f64 / 1e6;
    let count = scores(false).count() as u64;
    if count == 0 {
        return None;
    }
    let mut histogram = vec![0; 11];
    for score in scores(false) {
        histogram[(score as usize + 500_000) / 1_000_000] += 1;
    }
    let prior = f64::from(PRIOR_RATINGS);
    let bayesian_average = (prior * mean(true) + count as f64 * mean(false)) / (prior + count as f64);
    Some(ItemStats { count, mean: mean(false), bayesian_average, histogram })
}

fn assert_alike(kept: Option<ItemStats>, counted: Option<ItemStats>) {
    let (Some(kept), Some(counted)) = (&kept, &counted) else { return assert_eq!(kept, counted) };
    assert_eq!((kept.count, &kept.histogram), (counted.count, &counted.histogram));
    assert_eq!(kept.mean.to_bits(), counted.mean.to_bits(), "{} or {}", kept.mean, counted.mean);
    assert!((kept.bayesian_average - counted.bayesian_average).abs() < 1e-9, "{kept:?} or {counted:?}");
}

fn open(folder: &Path) -> Store {
    let settings = StoreSettings {
        prior_ratings: PRIOR_RATINGS,
        // The least there is, so that even these few ratings leave memory.
        memtable_bytes: 4096,
        ..StoreSettings::default()
    };
    Store::open(folder, settings).unwrap()
}

async fn assert_equals_reference(store: &Store, reference: &Reference) {
    assert_eq!(store.ratings_total().await.unwrap(), reference.len() as u64);
    for number in 0..4 {
        let (item_id, user_id) = (format!("i{number}"), format!("u{number}"));
        assert_alike(store.item(&item_id).await.unwrap(), recounted(reference, &item_id));
        let of_item: Vec<_> = store
            .ratings_of_item(&item_id, None, 100)
            .await
            .unwrap()
            .ratings
            .into_iter()
            .map(|rating| ((rating.item_id, rating.user_id), (micros(rating.score), rating.timestamp_ms)))
            .collect();
        let expected: Vec<_> = reference
            .iter()
            .filter(|((item, _), _)| *item == item_id)
            .map(|(k, v)| (k.clone(), *v))
            .collect();
        assert_eq!(of_item, expected);
        let of_user = store.ratings_of_user(&user_id, None, 100).await.unwrap().ratings.len();
        assert_eq!(of_user, reference.keys().filter(|(_, user)| *user == user_id).count());
    }
    let recount = store.recount().await.unwrap();
    assert_eq!(recount.differences, 0, "{:#?}", recount.described);
}

async fn play(steps: Vec<Step>) {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    let mut reference = Reference::new();
    for step in steps {
        match step {
            Step::Put(batch) => {
                let expected: Vec<_> =
                    batch.iter().map(|rating| put_in_reference(&mut reference, rating)).collect();
                assert_eq!(store.put(batch).await.unwrap(), expected);
            }
            Step::Restart => {
                store.close().await;
                store = open(folder.path());
            }
        }
    }
    assert_equals_reference(&store, &reference).await;
    drop(store);
    assert_equals_reference(&open(folder.path()), &reference).await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_history_ends_as_in_a_plain_map(steps in prop::collection::vec(step(), 1..30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(play(steps));
    }
}
