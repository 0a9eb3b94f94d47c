//! The process that is to die: it opens a store, writes from several tasks as fast as it can, and says on
//! standard output what was acknowledged, each line written only after the put resolved.

use std::io::Write;
use std::time::Duration;

use openclaw_store::{NewRating, OpenError, Store, StoreSettings};

/// Names the folder of the store, or the database's URL; its presence makes the ignored test a writer.
pub(crate) const PLACE: &str = "STORE_PROOF_PLACE";
/// Numbers the run, so that each writes newer timestamps than the one before.
pub(crate) const ROUND: &str = "STORE_PROOF_ROUND";

pub(crate) const TASKS: u64 = 8;
const ITEMS: u64 = 60;

/// The score that goes with a timestamp, so that a reader can tell a mangled rating from a good one.
pub(crate) fn score_at(timestamp_ms: u64) -> f64 {
    (timestamp_ms * 7 % 101) as f64 / 10.0
}

/// Opens a store as its caller says and writes until killed.
pub(crate) fn run<F>(open: impl FnOnce(StoreSettings) -> F, round: u64)
where
    F: Future<Output = Result<Store, OpenError>>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let settings = StoreSettings {
            retry_interval: Duration::from_millis(20),
            // Small, so that tables are written, merged and removed all the time.
            memtable_bytes: 64 * 1024,
            ..StoreSettings::default()
        };
        let store = match open(settings).await {
            Ok(store) => store,
            Err(error) => return say(&format!("unopened {error}")),
        };
        say("ready");
        let mut tasks = tokio::task::JoinSet::new();
        for task in 0..TASKS {
            tasks.spawn(write_forever(store.clone(), task, round * ROUND_MS));
        }
        while tasks.join_next().await.is_some() {}
    });
}

/// How far apart the timestamps of two runs are.
pub(crate) const ROUND_MS: u64 = 1_000_000_000;

/// The items that a task rates with one timestamp: single ratings from every other task, else batches that
/// hit one item many times. Ids are long, so that a journal fills quickly and records cross pages.
pub(crate) fn items_of(task: u64, timestamp_ms: u64) -> impl Iterator<Item = String> {
    let number = timestamp_ms % ROUND_MS;
    let size = if task.is_multiple_of(2) { 1 } else { 1 + number % 37 };
    (0..size).map(move |index| format!("item-{:0>200}", (number + index) * (task + 1) % ITEMS))
}

async fn write_forever(store: Store, task: u64, first_timestamp_ms: u64) {
    for timestamp_ms in first_timestamp_ms + 1.. {
        let batch: Vec<_> = items_of(task, timestamp_ms)
            .map(|item_id| NewRating {
                user_id: format!("user-{task}").into(),
                item_id: item_id.into(),
                score: score_at(timestamp_ms),
                timestamp_ms,
            })
            .collect();
        match store.put(batch).await {
            Ok(_) => say(&format!("stored {task} {timestamp_ms}")),
            Err(error) => {
                say(&format!("refused {error}"));
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
    }
}

/// One line, in one write: a kill leaves whole lines and at most one torn one.
fn say(line: &str) {
    let mut line = line.to_owned();
    line.push('\n');
    // A closed pipe means that nobody listens any more.
    if std::io::stdout().lock().write_all(line.as_bytes()).is_err() {
        std::process::exit(0);
    }
}
