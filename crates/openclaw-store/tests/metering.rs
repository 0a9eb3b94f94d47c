//! The store's metrics, as an exporter would receive them. A program of its own: the recorder is global.

use std::collections::BTreeMap;

use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use openclaw_store::{NewRating, Store, StoreSettings, describe_metrics};

fn value(snapshotter: &Snapshotter) -> BTreeMap<String, (DebugValue, bool)> {
    let entries = snapshotter.snapshot().into_vec().into_iter();
    entries
        .map(|(key, _, description, value)| (key.key().name().to_owned(), (value, description.is_some())))
        .collect()
}

#[tokio::test]
async fn stored_and_superseded_ratings_and_their_commits_are_counted_and_described() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    recorder.install().unwrap();
    describe_metrics();
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), StoreSettings::default()).unwrap();
    let rating = |user_id: &str, timestamp_ms| NewRating {
        user_id: user_id.into(),
        item_id: "i".into(),
        score: 5.0,
        timestamp_ms,
    };
    store.put(vec![rating("u", 2), rating("u", 1), rating("v", 1)]).await.unwrap();
    store.put(vec![rating("u", 3)]).await.unwrap();
    store.close().await;

    let seen = value(&snapshotter);
    let count = |name: &str| match seen.get(name) {
        Some((DebugValue::Counter(count), true)) => *count,
        other => panic!("{name}: {other:?}"),
    };
    assert_eq!(count("openclaw_store_ratings_stored_total"), 3);
    assert_eq!(count("openclaw_store_ratings_superseded_total"), 1);
    let Some((DebugValue::Histogram(sizes), true)) = seen.get("openclaw_store_commit_ratings") else {
        panic!("{seen:?}");
    };
    assert_eq!(sizes.iter().map(|size| size.into_inner()).collect::<Vec<_>>(), [3.0, 1.0]);
    let Some((DebugValue::Gauge(current), true)) = seen.get("openclaw_store_ratings") else {
        panic!("{seen:?}");
    };
    assert_eq!(current.into_inner() as u64, 2);
    assert!(seen.values().all(|(_, described)| *described), "a metric without a description: {seen:?}");
}
