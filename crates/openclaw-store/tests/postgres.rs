//! The PostgreSQL backend on a real server: the behaviours of every backend, and what is particular to a database that
//! other services share and that may go away.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "tests stop at the first surprise, their fixtures too")]

mod behaviour;

use std::sync::Arc;
use std::time::Duration;

use behaviour::{Backend, behaviour_suite, rating};
use openclaw_pgserver::Server;
use openclaw_store::{
    Health, ItemOrder, OpenError, Put, PutError, ReadError, ScoreScale, Store, StoreSettings,
};

struct Database {
    server: Arc<Server>,
    url: String,
}

impl Backend for Database {
    async fn fresh() -> Self {
        let server = Server::shared().unwrap();
        Self { url: server.new_database().unwrap(), server }
    }

    async fn open(&self, settings: StoreSettings) -> Store {
        Store::connect(&self.url, settings).await.unwrap()
    }
}

behaviour_suite!(
    #[ignore = "needs a PostgreSQL server: cargo xtask test --only postgres"]
    Database
);

async fn open(url: &str) -> Store {
    Store::connect(url, StoreSettings::default()).await.unwrap()
}

async fn refusal(url: &str) -> OpenError {
    Store::connect(url, StoreSettings::default()).await.unwrap_err()
}

async fn assert_sound(store: &Store) {
    let recount = store.recount().await.unwrap();
    assert_eq!(recount.differences, 0, "{:#?}", recount.described);
    assert_eq!(recount.ratings, store.ratings_total().await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a PostgreSQL server: cargo xtask test --only postgres"]
async fn replicas_that_write_the_same_items_at_once_keep_statistics_equal_to_a_recount() {
    const REPLICAS: u64 = 4;
    const ROUNDS: u64 = 15;
    let database = Database::fresh().await;
    // Made ready by all of them at once, too.
    let opening = (0..REPLICAS).map(|_| {
        tokio::spawn({
            let url = database.url.clone();
            async move { Store::connect(&url, StoreSettings::default()).await.unwrap() }
        })
    });
    let mut writing = tokio::task::JoinSet::new();
    for (replica, store) in opening.enumerate() {
        let store = store.await.unwrap();
        let replica = replica as u64;
        writing.spawn(async move {
            for round in 0..ROUNDS {
                // Each replica names the items in another order and wins some pairs, loses others, and now and
                // then a user who rated all of them goes.
                let batch = (0..40).map(|number| {
                    let item = (number * (2 * replica + 1) + round) % 20;
                    let stamp = (round * 7 + replica * 3 + number) % 50;
                    rating(&format!("u{}", number % 6), &format!("i{item}"), (stamp % 11) as f64, stamp)
                });
                store.put(batch.collect()).await.unwrap();
                if round % 5 == replica {
                    store.delete_user(&format!("u{replica}")).await.unwrap();
                }
            }
            store
        });
    }
    let mut stores = Vec::new();
    while let Some(store) = writing.join_next().await {
        stores.push(store.unwrap());
    }
    assert_sound(&stores[0]).await;
    let listed = stores[0].top_items(ItemOrder::Count, None, 1_000).await.unwrap().items;
    let counted: u64 = listed.iter().map(|(_, stats)| stats.count).sum();
    assert_eq!(counted, stores[1].ratings_total().await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a PostgreSQL server: cargo xtask test --only postgres"]
async fn newest_timestamp_wins_across_replicas() {
    let database = Database::fresh().await;
    let (one, other) = (open(&database.url).await, open(&database.url).await);
    assert_eq!(one.put(vec![rating("u", "i", 7.0, 20)]).await.unwrap(), [Put::Stored]);
    assert_eq!(other.put(vec![rating("u", "i", 3.0, 19)]).await.unwrap(), [Put::Superseded]);
    assert_eq!(other.put(vec![rating("u", "i", 4.0, 20)]).await.unwrap(), [Put::Stored], "a tie: the later");
    assert_eq!(one.rating("u", "i").await.unwrap().map(|rating| rating.score), Some(4.0));
    assert_sound(&one).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a PostgreSQL server: cargo xtask test --only postgres"]
async fn outage_refuses_ratings_with_the_reason_and_ends_by_itself_with_nothing_lost() {
    let server = Server::start().unwrap();
    let url = server.new_database().unwrap();
    let settings = StoreSettings { retry_interval: Duration::from_millis(20), ..StoreSettings::default() };
    let store = Store::connect(&url, settings).await.unwrap();
    store.put(vec![rating("u", "before", 5.0, 1)]).await.unwrap();

    server.kill().unwrap();
    let error = store.put(vec![rating("u", "lost", 5.0, 1)]).await.unwrap_err();
    let PutError::Failed { reason } = &error else { panic!("{error}") };
    assert!(reason.contains("127.0.0.1") && !reason.contains("hunter2"), "{reason}");
    assert!(matches!(store.health(), Health::Refusing { .. }));
    let refused = store.put(vec![rating("u", "refused", 5.0, 1)]).await;
    assert!(matches!(refused, Err(PutError::Refusing { .. })), "{refused:?}");
    assert!(matches!(store.rating("u", "before").await, Err(ReadError::Unavailable { .. })));

    server.run().unwrap();
    while store.health() != Health::Ready {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(store.put(vec![rating("u", "after", 5.0, 1)]).await.unwrap(), [Put::Stored]);
    assert!(store.rating("u", "before").await.unwrap().is_some());
    assert_eq!(store.ratings_total().await.unwrap(), 2);
    assert_sound(&store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a PostgreSQL server: cargo xtask test --only postgres"]
async fn connection_that_broke_while_idle_is_replaced_without_a_word() {
    let database = Database::fresh().await;
    let store = open(&database.url).await;
    for number in 0..5 {
        let break_all = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
            WHERE application_name = 'openclaw' AND datname = current_database()";
        database.server.execute(database.url.rsplit('/').next().unwrap(), break_all).unwrap();
        let put = store.put(vec![rating("u", &format!("i{number}"), 5.0, 1)]).await;
        assert_eq!(put.unwrap(), [Put::Stored]);
        assert_eq!(store.ratings_total().await.unwrap(), number + 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a PostgreSQL server: cargo xtask test --only postgres"]
async fn other_score_range_and_newer_tables_are_refused() {
    let database = Database::fresh().await;
    open(&database.url).await.close().await;
    let settings = StoreSettings { scale: ScoreScale::new(0.0, 5.0, 6).unwrap(), ..StoreSettings::default() };
    let refused = Store::connect(&database.url, settings).await.unwrap_err().to_string();
    assert!(refused.contains("0 to 10 in 11 bins") && refused.contains("0 to 5 in 6 bins"), "{refused}");

    let name = database.url.rsplit('/').next().unwrap();
    let newer = "UPDATE openclaw_store SET value = '9' WHERE key = 'format'";
    database.server.execute(name, newer).unwrap();
    let refused = refusal(&database.url).await;
    assert!(matches!(refused, OpenError::NewerTables { found: 9, supported: 1, .. }), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a PostgreSQL server: cargo xtask test --only postgres"]
async fn database_that_takes_only_reads_is_refused_at_the_start() {
    let database = Database::fresh().await;
    let url = format!("{}?options=-c%20default_transaction_read_only%3Don", database.url);
    open(&database.url).await.close().await;
    let refused = refusal(&url).await.to_string();
    assert!(refused.contains("takes only reads"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn database_out_of_reach_is_named_without_its_password() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let refused = refusal(&format!("postgres://ann:hunter2@127.0.0.1:{free}/ratings")).await;
    let said = format!("{refused} {refused:?}");
    assert!(said.contains(&format!("database ratings at 127.0.0.1:{free}")), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}
