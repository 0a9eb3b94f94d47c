//! The embedded backend: the behaviours of every backend, and what is particular to a folder on disk.

#![expect(clippy::unwrap_used, reason = "tests stop at the first surprise, their fixtures too")]

mod behaviour;

use std::fs;
use std::path::Path;

use behaviour::{Backend, behaviour_suite, rating};
use openclaw_store::{Health, OpenError, Store, StoreSettings};

struct Embedded {
    folder: tempfile::TempDir,
}

impl Backend for Embedded {
    async fn fresh() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    async fn open(&self, settings: StoreSettings) -> Store {
        Store::open(&self.folder.path().join("ratings"), settings).unwrap()
    }
}

behaviour_suite!(Embedded);

fn open(folder: &Path) -> Result<Store, OpenError> {
    Store::open(folder, StoreSettings::default())
}

fn refusal(folder: &Path) -> String {
    open(folder).unwrap_err().to_string()
}

#[test]
fn second_opener_learns_which_process_holds_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    let refused = open(folder.path()).unwrap_err();
    let OpenError::Locked { holder, .. } = &refused else { panic!("{refused}") };
    assert_eq!(holder, &format!("process {}", std::process::id()));
    drop(store);
    open(folder.path()).expect("the folder is free once the last handle is gone");
}

#[test]
fn newer_format_is_refused_and_left_untouched() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()).unwrap());
    let format = folder.path().join("format");
    assert_eq!(fs::read_to_string(&format).unwrap(), "openclaw-store format 2\n");
    fs::write(&format, "openclaw-store format 7\n").unwrap();
    assert!(matches!(open(folder.path()), Err(OpenError::NewerFormat { found: 7, supported: 2, .. })));
    assert_eq!(fs::read_to_string(&format).unwrap(), "openclaw-store format 7\n");
}

/// A folder as programs of format 1 left it: two ratings of one item, 3 and 8, its tally, and the totals.
fn folder_of_format_1(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    let database = fjall::Database::builder(folder.join("engine")).open().unwrap();
    let keyspace = |name| database.keyspace(name, fjall::KeyspaceCreateOptions::default).unwrap();
    let (by_user, by_item) = (keyspace("by_user"), keyspace("by_item"));
    let (tallies, meta) = (keyspace("tallies"), keyspace("meta"));
    for (user, score) in [("ann", 3_000_000_u64), ("bob", 8_000_000)] {
        let rating = [score.to_be_bytes(), 1_700_000_000_000_u64.to_be_bytes()].concat();
        by_user.insert(format!("\x02{user}film"), rating.as_slice()).unwrap();
        by_item.insert(format!("\x03film{user}"), rating.as_slice()).unwrap();
    }
    let tally = [0, 11, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0x80, 0xe3, 0xbe, 0x0a];
    tallies.insert("film", tally).unwrap();
    meta.insert("totals", tally).unwrap();
    let scale = [&0_i64.to_be_bytes(), &10_000_000_i64.to_be_bytes(), [0, 11].as_slice()].concat();
    meta.insert("scale", scale).unwrap();
    database.persist(fjall::PersistMode::SyncAll).unwrap();
    fs::write(folder.join("format"), "openclaw-store format 1\n").unwrap();
}

#[tokio::test]
async fn a_folder_of_format_1_is_taken_over_and_says_so_before_anything_new_is_in_it() {
    let folder = tempfile::tempdir().unwrap();
    folder_of_format_1(folder.path());
    let store = open(folder.path()).unwrap();
    assert_eq!(fs::read_to_string(folder.path().join("format")).unwrap(), "openclaw-store format 2\n");
    assert_eq!(store.item("film").await.unwrap().map(|stats| (stats.count, stats.mean)), Some((2, 5.5)));
    let batch = vec![rating("ann", "film", 4.0, 1_800_000_000_000), rating("cid", "film", 9.0, 1)];
    store.put(batch).await.unwrap();
    store.close().await;
    let store = open(folder.path()).unwrap();
    assert_eq!(store.item("film").await.unwrap().map(|stats| (stats.count, stats.mean)), Some((3, 7.0)));
    let recount = store.recount().await.unwrap();
    assert_eq!((recount.ratings, recount.differences), (3, 0), "{:?}", recount.described);
}

#[test]
fn damaged_folders_are_named_as_such() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()).unwrap());
    fs::write(folder.path().join("format"), "something else").unwrap();
    assert!(matches!(open(folder.path()), Err(OpenError::Corrupted { .. })), "an unreadable format line");

    fs::write(folder.path().join("format"), "openclaw-store format 2\n").unwrap();
    fs::write(folder.path().join("engine/version"), "garbage").unwrap();
    assert!(matches!(open(folder.path()), Err(OpenError::Corrupted { .. })), "an engine file overwritten");

    fs::remove_dir_all(folder.path().join("engine")).unwrap();
    assert!(refusal(folder.path()).contains("engine is missing"), "never silently an empty store");
}

#[test]
fn folder_with_other_peoples_files_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("thesis.tex"), "precious").unwrap();
    let refused = refusal(folder.path());
    assert!(refused.contains("thesis.tex") && refused.contains("choose an empty folder"), "{refused}");
}

#[test]
fn creation_that_was_cut_short_begins_again() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("engine.new/keyspaces")).unwrap();
    fs::write(folder.path().join("engine.new/0.jnl"), "half").unwrap();
    open(folder.path()).unwrap();
}

#[test]
fn path_that_is_a_file_is_refused_in_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ratings");
    fs::write(&path, "").unwrap();
    assert!(refusal(&path).contains(&path.display().to_string()));
}

#[test]
fn other_score_range_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()).unwrap());
    let settings = StoreSettings {
        scale: openclaw_store::ScoreScale::new(0.0, 5.0, 6).unwrap(),
        ..StoreSettings::default()
    };
    let refused = Store::open(folder.path(), settings).unwrap_err().to_string();
    assert!(refused.contains("0 to 10 in 11 bins") && refused.contains("0 to 5 in 6 bins"), "{refused}");
}

#[test]
fn impossible_settings_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let settings = StoreSettings { queue_ratings_max: 0, ..StoreSettings::default() };
    assert!(matches!(Store::open(folder.path(), settings), Err(OpenError::Settings(_))));
}

#[tokio::test]
async fn ratings_waiting_when_the_last_handle_goes_are_stored() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    assert_eq!(store.health(), Health::Ready);
    // Polled once, so that the batch is in the queue, then dropped unanswered.
    let put = store.put(vec![rating("u", "i", 5.0, 1)]);
    let waited = tokio::time::timeout(std::time::Duration::ZERO, put).await;
    drop((waited, store));
    let store = open(folder.path()).unwrap();
    assert_eq!(store.ratings_total().await.unwrap(), 1);
}
