//! Kills a writing process at any moment, takes its unsynced bytes away, and holds the store against every
//! acknowledgement the process gave.

pub(crate) mod acknowledged;
pub(crate) mod writer;

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use openclaw_powerloss::{Survived, Syncs, Watch};
use openclaw_store::{NewRating, Store, StoreSettings};

use acknowledged::{Acknowledged, Losses};

/// A store's folder over many lives, and what was ever acknowledged.
pub(crate) struct Proof {
    root: tempfile::TempDir,
    pub(crate) watch: Watch,
    pub(crate) acknowledged: Acknowledged,
    round: u64,
}

/// A writer at work.
pub(crate) struct Writer {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Proof {
    pub(crate) fn begin() -> Self {
        let root = tempfile::tempdir().unwrap();
        let watch = Watch::begin(&root.path().join("store"), &root.path().join("shadow")).unwrap();
        Self { root, watch, acknowledged: Acknowledged::default(), round: 0 }
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
            .env(writer::PLACE, self.folder())
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
        self.acknowledged.note_all(&rest);
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
            self.acknowledged.note(line.trim_end());
            if line.starts_with(beginning) {
                return line;
            }
        }
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
        // About 975 bytes each, the rating and the tally of its item twice: some 58 MB of 64 MB.
        for batch in 0..20 {
            let rating = |number| NewRating {
                user_id: format!("before-{batch}").into(),
                item_id: format!("before-{:0>200}", number).into(),
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
        let store = match Store::open(&self.folder(), StoreSettings::default()) {
            Ok(store) => store,
            Err(error) => return Losses { unopened: Some(error.to_string()), ..Losses::default() },
        };
        let losses = self.acknowledged.losses(&store).await;
        store.close().await;
        losses
    }
}
