//! What goes in comes out in order, whatever a crash leaves, and no more than fits.

use std::fs::OpenOptions;

use openclaw_protocol::{ItemId, UserId};
use proptest::prelude::*;

use super::*;

fn event(n: u64) -> RatingEvent {
    let mut event = RatingEvent::new(UserId::new("ann").unwrap(), ItemId::new("film").unwrap(), 5.0, n);
    event.event_id = Some(format!("c-{n}").into());
    event
}

fn events(range: std::ops::Range<u64>) -> Vec<RatingEvent> {
    range.map(event).collect()
}

fn settings(folder: &Path, bytes_max: u64) -> SpoolSettings {
    SpoolSettings { folder: folder.to_owned(), bytes_max, sync: Duration::from_secs(1) }
}

fn open(folder: &Path) -> Spool {
    Spool::open(settings(folder, 1 << 20), 0).unwrap()
}

/// Returns how many gave way.
fn append(spool: &mut Spool, range: std::ops::Range<u64>) -> u64 {
    let appended = spool.append(&events(range), 0);
    assert!(appended.error.is_none(), "{appended:?}");
    appended.gave_way
}

/// Takes everything out, `at_once` at a time.
fn drain(spool: &mut Spool, at_once: usize) -> Vec<u64> {
    let mut found = Vec::new();
    while let Some(oldest) = spool.oldest(at_once).filter(|oldest| !oldest.events().is_empty()) {
        found.extend(oldest.events().iter().map(|event| event.timestamp));
        spool.done(&oldest, oldest.events().len());
    }
    found
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some());
    paths.sort();
    paths
}

#[test]
fn events_come_out_oldest_first_and_leave_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = open(folder.path());
    for start in (0..5_000).step_by(500) {
        assert_eq!(append(&mut spool, start..start + 500), 0);
    }
    assert!(files(folder.path()).len() > 3 && spool.events() == 5_000);
    assert_eq!(drain(&mut spool, 70), (0..5_000).collect::<Vec<_>>());
    assert_eq!((spool.events(), spool.bytes(), files(folder.path()).len()), (0, 0, 0));
    append(&mut spool, 9..10);
    assert_eq!(drain(&mut spool, 70), [9]);
}

#[test]
fn what_was_not_delivered_is_there_for_the_next_process() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = open(folder.path());
    append(&mut spool, 0..3_000);
    let oldest = spool.oldest(100).unwrap();
    spool.done(&oldest, 100);
    drop(spool);
    let mut spool = open(folder.path());
    assert_eq!(
        spool.events(),
        3_000,
        "the part of a file that was delivered comes again, and the edge knows it by its id"
    );
    append(&mut spool, 3_000..3_010);
    assert_eq!(drain(&mut spool, 1_000), (0..3_010).collect::<Vec<_>>());
}

#[test]
fn a_folder_serves_one_process_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let _spool = open(folder.path());
    let error = Spool::open(settings(folder.path(), 1 << 20), 0).unwrap_err().to_string();
    assert!(error.contains("does another one use it?"), "{error}");
}

#[test]
fn a_full_spool_gives_up_the_oldest_and_counts_each() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(settings(folder.path(), 64 << 10), 0).unwrap();
    let mut gave_way = 0;
    for start in (0..10_000).step_by(100) {
        gave_way += append(&mut spool, start..start + 100);
        let on_disk: u64 = files(folder.path()).iter().map(|path| fs::metadata(path).unwrap().len()).sum();
        assert!(on_disk <= 64 << 10, "{on_disk}");
        assert_eq!(on_disk, spool.bytes());
    }
    let left = drain(&mut spool, 1_000);
    assert_eq!(gave_way + left.len() as u64, 10_000);
    assert_eq!(left, (gave_way..10_000).collect::<Vec<_>>(), "the newest are kept");
}

#[test]
fn a_file_that_made_room_while_it_was_delivered_leaves_the_next_one_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(settings(folder.path(), 64 << 10), 0).unwrap();
    append(&mut spool, 0..500);
    let oldest = spool.oldest(10).unwrap();
    append(&mut spool, 500..5_000);
    let before = spool.events();
    spool.done(&oldest, 10);
    assert_eq!(spool.events(), before);
}

#[test]
fn a_disk_that_takes_nothing_costs_these_events_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = open(folder.path());
    append(&mut spool, 0..10);
    spool.settings.folder = folder.path().join("gone");
    spool.newest = None;
    let appended = spool.append(&events(10..30), 0);
    assert_eq!(appended.gave_way, 20);
    assert!(appended.error.unwrap().to_string().contains("adding a file failed"));
    assert_eq!(drain(&mut spool, 100), (0..10).collect::<Vec<_>>());
}

#[test]
fn what_is_no_segment_is_not_touched_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let stranger = folder.path().join("events-5.spool");
    fs::write(&stranger, b"another program's file").unwrap();
    let error = Spool::open(settings(folder.path(), 1 << 20), 0).unwrap_err().to_string();
    assert!(error.contains("events-5.spool") && error.contains("move it away"), "{error}");
    assert!(stranger.exists());
}

#[test]
fn a_damaged_record_costs_its_file_and_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = open(folder.path());
    append(&mut spool, 0..100);
    let path = files(folder.path()).remove(0);
    let mut bytes = fs::read(&path).unwrap();
    bytes[40] ^= 1;
    fs::write(&path, bytes).unwrap();
    let oldest = spool.oldest(10).unwrap();
    assert_eq!((oldest.lost, oldest.events().len(), spool.events()), (100, 0, 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Wherever a crash cuts the newest file, the events before the cut are there, and only they.
    #[test]
    fn a_crash_leaves_a_prefix(count in 1_u64..60, cut in 0.0..1.0_f64, garbage in prop::collection::vec(any::<u8>(), 0..40)) {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = open(folder.path());
        append(&mut spool, 0..count);
        drop(spool);
        let path = files(folder.path()).remove(0);
        let whole = fs::metadata(&path).unwrap().len();
        let length = (whole as f64 * cut) as u64;
        OpenOptions::new().write(true).open(&path).unwrap().set_len(length).unwrap();
        if length >= 16 {
            OpenOptions::new().append(true).open(&path).unwrap().write_all(&garbage).unwrap();
        }
        let mut spool = open(folder.path());
        let found = drain(&mut spool, 7);
        prop_assert_eq!(&found, &(0..found.len() as u64).collect::<Vec<_>>());
        let per_event = (whole - 16) as f64 / count as f64;
        prop_assert!(found.len() as f64 >= (length as f64 - 16.0) / per_event - 2.0);
        append(&mut spool, 500..501);
        prop_assert_eq!(drain(&mut spool, 7), [500]);
    }
}
