//! What every backend of the store must do, written once. A backend joins with a [`Backend`] and one line
//! of `behaviour_suite!`; nothing below knows where the ratings are kept.

use openclaw_store::{ItemOrder, NewRating, Put, PutError, ReadError, ScoreScale, Store, StoreSettings};

/// A place where stores live, fresh for each test.
pub(crate) trait Backend {
    /// A place that holds no ratings yet.
    async fn fresh() -> Self;
    /// Opens the store of this place with these settings; what was acknowledged before is in it.
    async fn open(&self, settings: StoreSettings) -> Store;
}

/// Makes every behaviour a test of one backend.
macro_rules! behaviour_suite {
    (@each $attributes:tt $backend:ty: $($behaviour:ident),+ $(,)?) => {
        $($crate::behaviour::behaviour_suite!(@one $attributes $backend: $behaviour);)+
    };
    (@one [$(#[$attribute:meta])*] $backend:ty: $behaviour:ident) => {
            $(#[$attribute])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $behaviour() {
                $crate::behaviour::$behaviour(&<$backend as $crate::behaviour::Backend>::fresh().await).await;
            }
    };
    ($(#[$attribute:meta])* $backend:ty) => {
        $crate::behaviour::behaviour_suite!(@each
            [$(#[$attribute])*] $backend:
            newest_timestamp_wins_and_a_tie_goes_to_the_later_arrival,
            one_batch_sees_its_own_earlier_ratings,
            invalid_rating_stores_nothing_of_its_batch,
            ids_may_hold_any_text,
            pages_survive_writes_between_them,
            last_page_of_exactly_the_limit_has_no_next,
            everything_is_there_after_reopening,
            concurrent_writers_lose_nothing,
            bayesian_average_is_pulled_toward_the_mean_of_all,
            batch_larger_than_the_queue_is_refused_as_such,
            deleted_user_leaves_no_trace_in_any_list_or_statistic,
            deletion_takes_what_was_queued_before_it_and_nothing_after,
            top_items_come_in_the_order_of_their_statistics,
            pages_of_items_put_together_are_the_list,
            item_that_keeps_its_place_is_listed_once_whatever_else_moves,
            pages_of_all_ratings_hold_each_once,
        );
    };
}
pub(crate) use behaviour_suite;

/// A rating in few words.
pub(crate) fn rating(user_id: &str, item_id: &str, score: f64, timestamp_ms: u64) -> NewRating {
    NewRating { user_id: user_id.into(), item_id: item_id.into(), score, timestamp_ms }
}

async fn score(store: &Store, user_id: &str, item_id: &str) -> Option<f64> {
    store.rating(user_id, item_id).await.unwrap().map(|rating| rating.score)
}

async fn assert_sound(store: &Store) {
    let recount = store.recount().await.unwrap();
    assert_eq!(recount.differences, 0, "{:#?}", recount.described);
    assert_eq!(recount.ratings, store.ratings_total().await.unwrap());
}

pub(crate) async fn newest_timestamp_wins_and_a_tie_goes_to_the_later_arrival(backend: &impl Backend) {
    let store = backend.open(StoreSettings::default()).await;
    let put = async |score, timestamp_ms| store.put(vec![rating("u", "i", score, timestamp_ms)]).await;
    assert_eq!(put(3.0, 100).await.unwrap(), [Put::Stored]);
    assert_eq!(put(9.0, 99).await.unwrap(), [Put::Superseded]);
    assert_eq!(score(&store, "u", "i").await, Some(3.0));
    assert_eq!(put(4.0, 100).await.unwrap(), [Put::Stored], "a tie goes to the later arrival");
    assert_eq!(put(5.5, 101).await.unwrap(), [Put::Stored]);
    assert_eq!(score(&store, "u", "i").await, Some(5.5));
    assert_eq!(store.item("i").await.unwrap().map(|stats| (stats.count, stats.mean)), Some((1, 5.5)));
    assert_sound(&store).await;
}

pub(crate) async fn one_batch_sees_its_own_earlier_ratings(backend: &impl Backend) {
    let store = backend.open(StoreSettings::default()).await;
    let batch = vec![
        rating("u", "i", 1.0, 10),
        rating("u", "i", 2.0, 9),
        rating("u", "i", 3.0, 10),
        rating("v", "i", 7.0, 1),
        rating("u", "i", 4.0, 8),
    ];
    let puts = store.put(batch).await.unwrap();
    assert_eq!(puts, [Put::Stored, Put::Superseded, Put::Stored, Put::Stored, Put::Superseded]);
    let stats = store.item("i").await.unwrap().unwrap();
    assert_eq!((stats.count, stats.mean), (2, 5.0));
    assert_eq!(stats.histogram, [0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0]);
    assert_sound(&store).await;
}

pub(crate) async fn invalid_rating_stores_nothing_of_its_batch(backend: &impl Backend) {
    let store = backend.open(StoreSettings::default()).await;
    let too_long = "x".repeat(257);
    for bad in [
        rating("", "i", 1.0, 1),
        rating("u", &too_long, 1.0, 1),
        rating("u", "i", 10.1, 1),
        rating("u", "i", -0.1, 1),
        rating("u", "i", f64::NAN, 1),
        rating("u", "i", f64::INFINITY, 1),
    ] {
        let refused = store.put(vec![rating("good", "i", 5.0, 1), bad]).await.unwrap_err();
        assert!(matches!(refused, PutError::Invalid { index: 1, .. }), "{refused:?}");
    }
    assert_eq!(store.ratings_total().await.unwrap(), 0);
    assert_eq!(store.item("i").await.unwrap(), None);
    assert!(matches!(store.item("").await, Err(ReadError::InvalidId(_))));
}

pub(crate) async fn ids_may_hold_any_text(backend: &impl Backend) {
    let store = backend.open(StoreSettings::default()).await;
    let longest = "é".repeat(128);
    let ids = ["a", "ab", "\0", "a\0b", "名前", "a/b?c=d", " ", longest.as_str()];
    for (index, id) in ids.iter().enumerate() {
        let batch = ids.iter().map(|other| rating(id, other, index as f64, 1)).collect();
        store.put(batch).await.unwrap();
    }
    for id in ids {
        let page = store.ratings_of_user(id, None, 100).await.unwrap();
        assert_eq!(page.ratings.len(), ids.len());
        assert!(page.ratings.iter().all(|rating| rating.user_id == id));
        assert_eq!(store.ratings_of_item(id, None, 100).await.unwrap().ratings.len(), ids.len());
    }
    assert_sound(&store).await;
}

pub(crate) async fn pages_survive_writes_between_them(backend: &impl Backend) {
    let store = backend.open(StoreSettings::default()).await;
    let item = |number: u32| format!("item-{number:04}");
    let batch = (0..100).map(|number| rating("u", &item(number * 10), 5.0, 1)).collect();
    store.put(batch).await.unwrap();
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let page = store.ratings_of_user("u", cursor.as_ref(), 7).await.unwrap();
        seen.extend(page.ratings.into_iter().map(|rating| rating.item_id));
        let Some(next) = page.next else { break };
        // Writes before and after the place, and a change of what was already seen.
        let number = seen.len() as u32;
        let between = vec![
            rating("u", &item(number), 1.0, 2),
            rating("u", &seen[0], 2.0, 3),
            rating("other", &item(500), 3.0, 4),
        ];
        store.put(between).await.unwrap();
        cursor = Some(next.to_string().parse().expect("a cursor survives its trip through a client"));
    }
    let mut expected: Vec<_> = seen.clone();
    expected.sort();
    expected.dedup();
    assert_eq!(seen, expected, "ordered, nothing twice");
    assert!((0..100).all(|number| seen.contains(&item(number * 10))), "nothing that stayed was skipped");
    assert!(
        store.ratings_of_item("item-0000", cursor.as_ref(), 7).await.is_err(),
        "a cursor of another list"
    );
}

pub(crate) async fn last_page_of_exactly_the_limit_has_no_next(backend: &impl Backend) {
    let store = backend.open(StoreSettings::default()).await;
    store.put((0..4).map(|user| rating(&format!("u{user}"), "i", 5.0, 1)).collect()).await.unwrap();
    let first = store.ratings_of_item("i", None, 2).await.unwrap();
    let second = store.ratings_of_item("i", first.next.as_ref(), 2).await.unwrap();
    assert_eq!((first.ratings.len(), second.ratings.len(), second.next), (2, 2, None));
    assert_eq!(store.ratings_of_item("nobody", None, 2).await.unwrap().ratings, []);
}

pub(crate) async fn everything_is_there_after_reopening(backend: &impl Backend) {
    let settings = StoreSettings {
        scale: ScoreScale::new(-5.0, 5.0, 21).expect("a possible scale"),
        ..StoreSettings::default()
    };
    let before = {
        let store = backend.open(settings.clone()).await;
        for round in 0..20 {
            let batch = (0..50).map(|user| {
                rating(
                    &format!("u{user}"),
                    &format!("i{}", (user + round) % 9),
                    f64::from(round % 11) - 5.0,
                    1,
                )
            });
            store.put(batch.collect()).await.unwrap();
        }
        let item = store.item("i3").await.unwrap().unwrap();
        store.close().await;
        assert_eq!(store.put(vec![rating("u", "i", 1.0, 1)]).await, Err(PutError::Closed));
        assert_eq!(store.item("i3").await, Err(ReadError::Closed));
        item
    };
    let store = backend.open(settings).await;
    assert_eq!(store.item("i3").await.unwrap(), Some(before));
    assert_eq!(store.ratings_total().await.unwrap(), 50 * 9);
    assert_sound(&store).await;
}

pub(crate) async fn concurrent_writers_lose_nothing(backend: &impl Backend) {
    const WRITERS: u32 = 16;
    const BATCHES: u32 = 25;
    let store = backend.open(StoreSettings::default()).await;
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let store = store.clone();
        writers.spawn(async move {
            for batch in 0..BATCHES {
                let own = rating(&format!("u{writer}"), &format!("i{batch}"), 5.0, 1);
                // All writers fight for this one; the newest timestamp must win whoever comes when.
                let contested = rating(
                    "shared",
                    "contested",
                    f64::from(writer % 11),
                    u64::from(batch * WRITERS + writer),
                );
                store.put(vec![own, contested]).await.unwrap();
            }
        });
    }
    while let Some(done) = writers.join_next().await {
        done.unwrap();
    }
    assert_eq!(store.ratings_total().await.unwrap(), u64::from(WRITERS * BATCHES + 1));
    assert_eq!(store.item("i0").await.unwrap().map(|stats| stats.count), Some(u64::from(WRITERS)));
    let winner = f64::from((WRITERS - 1) % 11);
    assert_eq!(score(&store, "shared", "contested").await, Some(winner));
    assert_sound(&store).await;
}

pub(crate) async fn bayesian_average_is_pulled_toward_the_mean_of_all(backend: &impl Backend) {
    let settings = StoreSettings { prior_ratings: 4, ..StoreSettings::default() };
    let store = backend.open(settings).await;
    let mut batch: Vec<_> = (0..9).map(|user| rating(&format!("u{user}"), "known", 4.0, 1)).collect();
    batch.push(rating("u0", "new", 10.0, 1));
    store.put(batch).await.unwrap();
    // All ratings: (9 * 4 + 10) / 10 = 4.6.
    let new = store.item("new").await.unwrap().unwrap();
    assert!((new.bayesian_average - (4.0 * 4.6 + 10.0) / 5.0).abs() < 1e-12);
    let known = store.item("known").await.unwrap().unwrap();
    assert!((known.bayesian_average - (4.0 * 4.6 + 36.0) / 13.0).abs() < 1e-12);
}

pub(crate) async fn batch_larger_than_the_queue_is_refused_as_such(backend: &impl Backend) {
    let store = backend.open(StoreSettings { queue_ratings_max: 10, ..StoreSettings::default() }).await;
    let batch = |size: u32| (0..size).map(|user| rating(&format!("u{user}"), "i", 5.0, 1)).collect();
    let refused = store.put(batch(11)).await.unwrap_err();
    assert_eq!(refused, PutError::BatchTooLarge { ratings: 11, ratings_max: 10 });
    assert_eq!(store.put(batch(10)).await.unwrap().len(), 10);
    assert_eq!(store.put(Vec::new()).await.unwrap(), []);
}

pub(crate) async fn deleted_user_leaves_no_trace_in_any_list_or_statistic(backend: &impl Backend) {
    // Small commits, so that the deletion takes several.
    let store = backend.open(StoreSettings { commit_ratings_max: 7, ..StoreSettings::default() }).await;
    let of =
        |user: &str| (0..30).map(|item| rating(user, &format!("i{item:02}"), 4.0, 1)).collect::<Vec<_>>();
    store.put(of("stays")).await.unwrap();
    store.put(of("goes")).await.unwrap();
    store.put(vec![rating("goes", "only", 10.0, 1)]).await.unwrap();
    store.top_items(ItemOrder::Count, None, 10).await.unwrap();

    assert_eq!(store.delete_user("goes").await.unwrap(), 31);

    assert_eq!(store.ratings_total().await.unwrap(), 30);
    assert_eq!(store.ratings_of_user("goes", None, 100).await.unwrap().ratings, []);
    assert_eq!(store.ratings_of_item("i00", None, 100).await.unwrap().ratings.len(), 1);
    assert_eq!(store.item("only").await.unwrap(), None);
    assert_eq!(store.item("i07").await.unwrap().map(|stats| (stats.count, stats.mean)), Some((1, 4.0)));
    let listed = store.top_items(ItemOrder::Count, None, 100).await.unwrap().items;
    assert_eq!(listed.len(), 30, "the item that only they rated is not listed");
    assert!(listed.iter().all(|(_, stats)| stats.count == 1));
    assert_eq!(store.delete_user("goes").await.unwrap(), 0, "deleting again is harmless");
    assert!(matches!(store.delete_user("").await, Err(PutError::InvalidId(_))));
    assert_sound(&store).await;
    store.close().await;
    assert_eq!(store.delete_user("stays").await, Err(PutError::Closed));

    let store = backend.open(StoreSettings::default()).await;
    assert_eq!(store.ratings_total().await.unwrap(), 30, "a deletion lasts");
    // An older timestamp than before the deletion: nothing of it is remembered.
    assert_eq!(store.put(vec![rating("goes", "i00", 6.0, 0)]).await.unwrap(), [Put::Stored]);
    assert_sound(&store).await;
}

pub(crate) async fn deletion_takes_what_was_queued_before_it_and_nothing_after(backend: &impl Backend) {
    let store = backend.open(StoreSettings::default()).await;
    for round in 0..20 {
        let before = store.put((0..50).map(|item| rating("u", &format!("i{item}"), 3.0, round)).collect());
        let deletion = store.delete_user("u");
        let after = store.put(vec![rating("u", "after", 5.0, 1), rating("v", "i0", 5.0, 1)]);
        // Polled in this order, so queued in this order.
        let (before, deleted, after) = tokio::join!(biased; before, deletion, after);
        assert_eq!((before.unwrap().len(), after.unwrap().len()), (50, 2));
        assert_eq!(deleted.unwrap(), if round == 0 { 50 } else { 51 });
    }
    assert_eq!(store.ratings_total().await.unwrap(), 2);
    assert_sound(&store).await;
}

/// Items with 1 to 4 ratings whose means, counts and Bayesian averages disagree about the order, and tie.
fn contested_items() -> Vec<NewRating> {
    let scores: [(&str, &[f64]); 7] = [
        ("single-ten", &[10.0]),
        ("two-nines", &[9.0, 9.0]),
        ("four-eights", &[8.0, 8.0, 8.0, 8.0]),
        ("tie-b", &[5.0, 7.0]),
        ("tie-a", &[6.0, 6.0]),
        ("poor", &[0.0, 1.0, 0.5]),
        ("zero", &[0.0]),
    ];
    let rate = |(item, scores): (&'static str, &'static [f64])| {
        scores.iter().enumerate().map(move |(user, score)| rating(&format!("u{user}"), item, *score, 1))
    };
    scores.into_iter().flat_map(rate).collect()
}

async fn listed(store: &Store, order: ItemOrder) -> Vec<String> {
    let page = store.top_items(order, None, 100).await.unwrap();
    assert_eq!(page.next, None);
    page.items.into_iter().map(|(item_id, _)| item_id).collect()
}

pub(crate) async fn top_items_come_in_the_order_of_their_statistics(backend: &impl Backend) {
    let store = backend.open(StoreSettings { prior_ratings: 2, ..StoreSettings::default() }).await;
    assert_eq!(listed(&store, ItemOrder::Mean).await, [""; 0]);
    store.put(contested_items()).await.unwrap();
    assert_eq!(
        listed(&store, ItemOrder::Mean).await,
        ["single-ten", "two-nines", "four-eights", "tie-a", "tie-b", "poor", "zero"],
    );
    assert_eq!(
        listed(&store, ItemOrder::Count).await,
        ["four-eights", "poor", "tie-a", "tie-b", "two-nines", "single-ten", "zero"],
    );
    // The mean of all fifteen is 5.7; two such ratings are added to each item.
    assert_eq!(
        listed(&store, ItemOrder::BayesianAverage).await,
        ["two-nines", "four-eights", "single-ten", "tie-a", "tie-b", "zero", "poor"],
    );
    for (item_id, stats) in store.top_items(ItemOrder::Mean, None, 100).await.unwrap().items {
        assert_eq!(store.item(&item_id).await.unwrap(), Some(stats), "{item_id}");
    }
    // What moves an item, and the mean of all, moves the lists at once.
    store.put(vec![rating("u0", "single-ten", 1.0, 2), rating("u9", "zero", 10.0, 2)]).await.unwrap();
    assert_eq!(
        listed(&store, ItemOrder::Mean).await,
        ["two-nines", "four-eights", "tie-a", "tie-b", "zero", "single-ten", "poor"],
    );
}

pub(crate) async fn pages_of_items_put_together_are_the_list(backend: &impl Backend) {
    let store = backend.open(StoreSettings::default()).await;
    let batch = (0..600u32).map(|number| {
        let (user, item) = (number * 7 % 40, number * number % 97);
        rating(&format!("u{user}"), &format!("i{item}"), f64::from(number % 11), u64::from(number))
    });
    store.put(batch.collect()).await.unwrap();
    for order in [ItemOrder::BayesianAverage, ItemOrder::Mean, ItemOrder::Count] {
        let whole = store.top_items(order, None, 1_000).await.unwrap();
        assert_eq!(whole.next, None);
        for limit in [1, 7, whole.items.len()] {
            let (mut seen, mut cursor) = (Vec::new(), None);
            loop {
                let page = store.top_items(order, cursor.as_ref(), limit).await.unwrap();
                assert!(page.items.len() <= limit);
                seen.extend(page.items);
                let Some(next) = page.next else { break };
                cursor = Some(next.to_string().parse().expect("a cursor survives its trip through a client"));
            }
            assert_eq!(seen, whole.items, "{order:?} by {limit}");
        }
    }
    let other = store.top_items(ItemOrder::Mean, None, 1).await.unwrap().next;
    let refused = store.top_items(ItemOrder::Count, other.as_ref(), 1).await.unwrap_err();
    assert_eq!(refused, ReadError::CursorOfAnotherList("the items by mean"));
}

pub(crate) async fn item_that_keeps_its_place_is_listed_once_whatever_else_moves(backend: &impl Backend) {
    let store = backend.open(StoreSettings::default()).await;
    let item = |number: u32| format!("item-{number:03}");
    let ten = |number: u32| f64::from(number) / 10.0;
    store.put((0..100).map(|number| rating("u", &item(number), ten(number), 1)).collect()).await.unwrap();
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let page = store.top_items(ItemOrder::Mean, cursor.as_ref(), 9).await.unwrap();
        seen.extend(page.items.into_iter().map(|(item_id, _)| item_id));
        let Some(next) = page.next else { break };
        // New items above and below the place, and one that comes and goes.
        let fresh = seen.len();
        let new = vec![
            rating("v", &format!("new-high-{fresh}"), 10.0, 1),
            rating("v", &format!("new-low-{fresh}"), 0.05, 1),
            rating("w", "comes-and-goes", 5.0, 1),
        ];
        store.put(new).await.unwrap();
        store.delete_user("w").await.unwrap();
        cursor = Some(next);
    }
    let stayed: Vec<_> = seen.iter().filter(|id| id.starts_with("item-")).cloned().collect();
    let expected: Vec<_> = (0..100).rev().map(item).collect();
    assert_eq!(stayed, expected);
}

pub(crate) async fn pages_of_all_ratings_hold_each_once(backend: &impl Backend) {
    let store = backend.open(StoreSettings::default()).await;
    let batch = (0..60).map(|number| rating(&format!("u{}", number % 13), &format!("i{number}"), 5.0, 1));
    store.put(batch.collect()).await.unwrap();
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let page = store.ratings(cursor.as_ref(), 7).await.unwrap();
        seen.extend(page.ratings.into_iter().map(|rating| (rating.user_id, rating.item_id)));
        let Some(next) = page.next else { break };
        cursor = Some(next.to_string().parse().expect("a cursor survives its trip through a client"));
    }
    let distinct: std::collections::BTreeSet<_> = seen.iter().collect();
    assert_eq!((seen.len(), distinct.len()), (60, 60));
    let users: Vec<_> = seen.chunk_by(|a, b| a.0 == b.0).map(|of_one| of_one[0].0.clone()).collect();
    assert_eq!(users.len(), 13, "each user's ratings are together: {users:?}");
}
