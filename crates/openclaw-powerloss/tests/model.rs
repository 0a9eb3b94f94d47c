//! The model itself: what survives and what does not, shown by a child process that writes in known ways.
//!
//! The child is this test program again, running the one ignored test below with a scenario's name.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "tests stop at the first surprise, their fixtures too")]

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use openclaw_powerloss::{Fault, Survived, Syncs, Watch};

const SCENARIO: &str = "POWERLOSS_TEST_SCENARIO";
const FOLDER: &str = "POWERLOSS_TEST_FOLDER";

#[test]
#[ignore = "the other tests run it as their child process"]
fn child() {
    let (Ok(scenario), Ok(folder)) = (std::env::var(SCENARIO), std::env::var(FOLDER)) else { return };
    let folder = Path::new(&folder);
    let sync_folder = || File::open(folder).unwrap().sync_all().unwrap();
    let write = |name: &str, content: &str| fs::write(folder.join(name), content).unwrap();
    let synced = |name: &str, content: &str| {
        let mut file = File::create(folder.join(name)).unwrap();
        file.write_all(content.as_bytes()).unwrap();
        file.sync_data().unwrap();
        file
    };
    match scenario.as_str() {
        "content" => {
            let mut file = synced("synced", "kept");
            sync_folder();
            file.write_all(b" and lost").unwrap();
            write("never-synced", "lost");
            synced("name-never-synced", "lost too");
        }
        "positions" => {
            let file = synced("file", "aaaabbbbcccc");
            sync_folder();
            file.write_all_at(b"XX", 4).unwrap();
            file.sync_all().unwrap();
            file.write_all_at(b"YY", 0).unwrap();
        }
        "lengths" => {
            let file = synced("file", "0123456789");
            sync_folder();
            file.set_len(4).unwrap();
            file.set_len(8).unwrap();
            file.sync_all().unwrap();
            file.set_len(2).unwrap();
        }
        "names" => {
            synced("old", "renamed");
            synced("removed", "back again");
            sync_folder();
            fs::rename(folder.join("old"), folder.join("new")).unwrap();
            sync_folder();
            fs::remove_file(folder.join("removed")).unwrap();
        }
        "folders" => {
            fs::create_dir_all(folder.join("half/made")).unwrap();
            synced("half/file", "synced in a folder");
            File::open(folder.join("half")).unwrap().sync_all().unwrap();
            fs::rename(folder.join("half"), folder.join("whole")).unwrap();
            sync_folder();
        }
        "failing-sync" => {
            let mut file = synced("file", "first ");
            sync_folder();
            file.write_all(b"second ").unwrap();
            fs::write(folder.join("../shadow/failing-sync"), "").unwrap();
            assert_eq!(file.sync_all().unwrap_err().raw_os_error(), Some(5));
            fs::remove_file(folder.join("../shadow/failing-sync")).unwrap();
            file.write_all(b"third").unwrap();
            file.sync_all().unwrap();
        }
        "full" => {
            let mut file = File::options().append(true).open(folder.join("before")).unwrap();
            assert_eq!(file.write(b"more").unwrap_err().kind(), std::io::ErrorKind::StorageFull);
        }
        "pages" => {
            let file = synced("file", "");
            file.set_len(64 * 4096).unwrap();
            file.sync_all().unwrap();
            sync_folder();
            file.write_all_at(&[1; 64 * 4096], 0).unwrap();
        }
        other => panic!("unknown scenario {other}"),
    }
    // As a killed process ends: nothing flushed, nothing closed in order.
    std::process::abort();
}

struct Run {
    root: tempfile::TempDir,
    watch: Watch,
}

/// Runs a scenario in a folder that holds one durable file.
fn run(scenario: &str, syncs: Syncs, fault: Option<Fault>) -> Run {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("watched");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("before"), "durable").unwrap();
    let watch = Watch::begin(&folder, &root.path().join("shadow")).unwrap();
    if let Some(fault) = fault {
        watch.set_fault(fault, true).unwrap();
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["child", "--exact", "--ignored", "--nocapture"]).env(SCENARIO, scenario).env(FOLDER, &folder);
    watch.observe(&mut child, syncs).unwrap();
    let output = child.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code().is_none() && !errors.contains("panicked"), "{errors}");
    Run { root, watch }
}

impl Run {
    /// Loses power and lists the folder: path and content of every file.
    fn lose_power(&mut self, survived: Survived) -> Vec<(String, String)> {
        self.watch.lose_power(survived).unwrap();
        let mut files = Vec::new();
        collect(&self.root.path().join("watched"), "", &mut files);
        files
    }
}

fn collect(folder: &Path, prefix: &str, into: &mut Vec<(String, String)>) {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(Result::unwrap).collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = format!("{prefix}{}", entry.file_name().into_string().unwrap());
        if entry.file_type().unwrap().is_dir() {
            collect(&entry.path(), &format!("{name}/"), into);
        } else {
            into.push((name, String::from_utf8(fs::read(entry.path()).unwrap()).unwrap()));
        }
    }
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|&(name, content)| (name.to_owned(), content.to_owned())).collect()
}

const BEFORE: (&str, &str) = ("before", "durable");

#[test]
fn content_lasts_once_file_and_folder_were_synced() {
    let survived = run("content", Syncs::Honoured, None).lose_power(Survived::OnlySynced);
    assert_eq!(survived, pairs(&[BEFORE, ("synced", "kept")]));
}

#[test]
fn ignored_syncs_keep_nothing() {
    let survived = run("content", Syncs::Ignored, None).lose_power(Survived::OnlySynced);
    assert_eq!(survived, pairs(&[BEFORE]));
}

#[test]
fn writes_at_positions_last_exactly_where_they_were_synced() {
    let survived = run("positions", Syncs::Honoured, None).lose_power(Survived::OnlySynced);
    assert_eq!(survived, pairs(&[BEFORE, ("file", "aaaaXXbbcccc")]));
}

#[test]
fn lengths_last_once_synced_and_what_was_cut_off_does_not_return() {
    let survived = run("lengths", Syncs::Honoured, None).lose_power(Survived::OnlySynced);
    assert_eq!(survived, pairs(&[BEFORE, ("file", "0123\0\0\0\0")]));
}

#[test]
fn renames_and_removals_last_once_the_folder_was_synced() {
    let survived = run("names", Syncs::Honoured, None).lose_power(Survived::OnlySynced);
    assert_eq!(survived, pairs(&[BEFORE, ("new", "renamed"), ("removed", "back again")]));
}

#[test]
fn renamed_folders_keep_what_was_synced_in_them() {
    let survived = run("folders", Syncs::Honoured, None).lose_power(Survived::OnlySynced);
    assert_eq!(survived, pairs(&[BEFORE, ("whole/file", "synced in a folder")]));
}

#[test]
fn what_a_failed_sync_covered_is_a_hole_that_later_syncs_do_not_fill() {
    let survived = run("failing-sync", Syncs::Honoured, None).lose_power(Survived::OnlySynced);
    assert_eq!(survived, pairs(&[BEFORE, ("file", "first \0\0\0\0\0\0\0third")]));
}

#[test]
fn full_disk_refuses_writes() {
    run("full", Syncs::Honoured, Some(Fault::DiskFull));
}

#[test]
fn some_unsynced_pages_survive_by_seed() {
    let mut run = run("pages", Syncs::Honoured, None);
    let survived = run.lose_power(Survived::Some { seed: 1 });
    let [_, (_, content)] = survived.as_slice() else { panic!("two files") };
    let pages = content.as_bytes().chunks(4096).filter(|page| page.iter().all(|&byte| byte == 1)).count();
    assert!((10..=54).contains(&pages), "{pages} of 64 pages survived, each with probability 1/2");
}

#[test]
fn loss_without_an_observed_process_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let mut watch = Watch::begin(&root.path().join("watched"), &root.path().join("shadow")).unwrap();
    let refused = watch.lose_power(Survived::OnlySynced).unwrap_err().to_string();
    assert!(refused.contains("nothing was observed"), "{refused}");
}

#[test]
fn shadow_inside_the_watched_folder_is_refused() {
    let root = tempfile::tempdir().unwrap();
    assert!(Watch::begin(root.path(), &root.path().join("shadow")).is_err());
}
