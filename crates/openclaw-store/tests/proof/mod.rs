//! Kills a writing process at any moment, takes its unsynced bytes away, and holds the store against every
//! acknowledgement the process gave.

pub(crate) mod writer;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use openclaw_powerloss::{Survived, Syncs, Watch};
use openclaw_store::{NewRating, Store, StoreSettings};

/// A store's folder over many lives, and what was ever acknowledged.
pub(crate) struct Proof {
    root: tempfile::TempDir,
    pub(crate) watch: Watch,
    acknowledged: Acknowledged,
    pub(crate) acknowledgements: u64,
    round: u64,
}

/// The newest acknowledged timestamp of every writing task and item.
type Acknowledged = BTreeMap<(u64, String), u64>;

/// A writer at work.
pub(crate) struct Writer {
    child: Child,
    lines: BufReader<ChildStdout>,
}

/// What did not survive.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    /// Acknowledged ratings that are missing or older than acknowledged, or not as written.
    pub(crate) ratings: Vec<String>,
    /// Batches of which a part is there and a part is not, acknowledged or not.
    pub(crate) torn: Vec<String>,
    /// Statistics that differ from a recount.
    pub(crate) statistics: Vec<String>,
    /// Why the store did not open, if it did not.
    pub(crate) unopened: Option<String>,
}

impl Losses {
    pub(crate) fn is_none(&self) -> bool {
        self.ratings.is_empty()
            && self.torn.is_empty()
            && self.statistics.is_empty()
            && self.unopened.is_none()
    }
}

impl Proof {
    pub(crate) fn begin() -> Self {
        let root = tempfile::tempdir().unwrap();
        let watch = Watch::begin(&root.path().join("store"), &root.path().join("shadow")).unwrap();
        Self { root, watch, acknowledged: BTreeMap::new(), acknowledgements: 0, round: 0 }
    }

    fn folder(&self) -> PathBuf {
        // A folder of its own in the watched one, so that its creation is watched too.
        self.root.path().join("store/ratings")
    }

    /// Starts a writer: this test program again, running its one ignored test.
    pub(crate) fn start(&mut self, syncs: Syncs) -> Writer {
        self.round += 1;
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["writer_process", "--exact", "--ignored", "--nocapture"])
            .env(writer::FOLDER, self.folder())
            .env(writer::ROUND, self.round.to_string())
            .stdout(Stdio::piped());
        self.watch.observe(&mut command, syncs).unwrap();
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        // A kill before its first write would prove nothing.
        while !self.watch.has_observed() {
            assert_eq!(child.try_wait().unwrap(), None, "the writer ended before it wrote anything");
            std::thread::sleep(Duration::from_millis(1));
        }
        Writer { child, lines }
    }

    /// Kills a writer and notes all it had acknowledged.
    pub(crate) fn kill(&mut self, mut writer: Writer) {
        writer.child.kill().unwrap();
        writer.child.wait().unwrap();
        let mut rest = Vec::new();
        writer.lines.read_to_end(&mut rest).unwrap();
        let rest = String::from_utf8(rest).unwrap();
        // What follows the last line break was torn by the kill: an acknowledgement nobody received.
        let whole = rest.rfind('\n').map_or("", |end| &rest[..end]);
        for line in whole.lines() {
            self.note(line);
        }
    }

    /// Reads lines until so many began with this, noting the acknowledgements among them.
    pub(crate) fn read_until(&mut self, writer: &mut Writer, beginning: &str, times: u64) {
        for _ in 0..times {
            self.read_line_with(writer, beginning);
        }
    }

    /// Reads up to the next line that begins with this and returns it, noting acknowledgements on the way.
    pub(crate) fn read_line_with(&mut self, writer: &mut Writer, beginning: &str) -> String {
        loop {
            let mut line = String::new();
            let read = writer.lines.read_line(&mut line).unwrap();
            assert!(read > 0, "the writer ended before it said {beginning:?}");
            self.note(line.trim_end());
            if line.starts_with(beginning) {
                return line;
            }
        }
    }

    fn note(&mut self, line: &str) {
        let Some(stored) = line.strip_prefix("stored ") else { return };
        let (task, timestamp_ms) = stored.split_once(' ').unwrap();
        let (task, timestamp_ms): (u64, u64) = (task.parse().unwrap(), timestamp_ms.parse().unwrap());
        for item_id in writer::items_of(task, timestamp_ms) {
            let newest = self.acknowledged.entry((task, item_id)).or_default();
            *newest = timestamp_ms.max(*newest);
        }
        self.acknowledgements += 1;
    }

    /// Loses power; returns what that means in words.
    pub(crate) fn lose_power(&mut self, survived: Survived) -> String {
        self.watch.lose_power(survived).unwrap();
        format!("power lost, survived: {survived:?}")
    }

    /// Loses only the process; returns what that means in words.
    pub(crate) fn lose_process(&mut self) -> String {
        "process killed, all it wrote survived".to_owned()
    }

    /// Takes all that is in the folder for durable, after a check that wrote to it unobserved.
    pub(crate) fn take_for_durable(&self) {
        self.watch.take_all_for_durable().unwrap();
    }

    /// Makes a store whose journal is nearly full, before anything is observed.
    pub(crate) async fn fill_most_of_a_journal(&self) {
        let settings = StoreSettings { memtable_bytes: 1024 * 1024, ..StoreSettings::default() };
        let store = Store::open(&self.folder(), settings).unwrap();
        // About 750 bytes each, two records and a tally: some 56 MB of 64 MB.
        for batch in 0..25 {
            let rating = |number| NewRating {
                user_id: format!("before-{batch}"),
                item_id: format!("before-{:0>200}", number),
                score: 5.0,
                timestamp_ms: 1,
            };
            store.put((0..3_000).map(rating).collect()).await.unwrap();
        }
        store.close().await;
        self.take_for_durable();
        assert_eq!(self.journals(), 1, "the change is to happen while it is observed");
    }

    /// How many journals were ever begun: they are numbered from 0.
    pub(crate) fn journals(&self) -> u64 {
        let entries = std::fs::read_dir(self.folder().join("engine")).unwrap();
        let names = entries.filter_map(|entry| entry.unwrap().file_name().into_string().ok());
        names
            .filter_map(|name| name.strip_suffix(".jnl")?.parse::<u64>().ok())
            .max()
            .map_or(0, |last| last + 1)
    }

    /// Opens the store as a restarted service would, and looks for everything acknowledged.
    pub(crate) async fn losses(&self) -> Losses {
        check(&self.folder(), &self.acknowledged).await
    }
}

async fn check(folder: &Path, acknowledged: &Acknowledged) -> Losses {
    let mut losses = Losses::default();
    let store = match Store::open(folder, StoreSettings::default()) {
        Ok(store) => store,
        Err(error) => {
            losses.unopened = Some(error.to_string());
            return losses;
        }
    };
    let mut found = Acknowledged::new();
    for task in 0..writer::TASKS {
        for rating in store.ratings_of_user(&format!("user-{task}"), None, 1_000).await.unwrap().ratings {
            if rating.score.to_bits() != writer::score_at(rating.timestamp_ms).to_bits() {
                losses.ratings.push(format!("not as written: {rating:?}"));
            }
            found.insert((task, rating.item_id), rating.timestamp_ms);
        }
    }
    for (pair, newest) in acknowledged {
        if found.get(pair).is_none_or(|timestamp_ms| timestamp_ms < newest) {
            losses.ratings.push(format!("{pair:?}: {:?} instead of {newest}", found.get(pair)));
        }
    }
    losses.torn = torn_batches(&found);
    losses.statistics = store.recount().await.unwrap().described;
    store.close().await;
    losses
}

/// A batch is there as soon as one of its ratings is: then all its items have its timestamp or a newer one.
fn torn_batches(found: &Acknowledged) -> Vec<String> {
    let missing = |task: u64, timestamp_ms: u64| {
        writer::items_of(task, timestamp_ms)
            .filter(move |item| found.get(&(task, item.clone())).is_none_or(|there| *there < timestamp_ms))
    };
    found
        .iter()
        .flat_map(|((task, _), &there)| {
            missing(*task, there).map(move |item| format!("{task} {there}: no {item}"))
        })
        .collect()
}
