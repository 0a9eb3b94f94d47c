//! An outage with a spool: nothing is lost that fits, what is lost is counted, and all of it arrives afterwards.

use std::collections::HashSet;
use std::path::Path;

use super::*;
use crate::spool::SpoolSettings;

fn spooling(edge: &EdgeDouble, folder: &Path, bytes_max: u64) -> CollectorSettings {
    let spool = SpoolSettings { folder: folder.to_owned(), bytes_max, sync: Duration::from_secs(1) };
    let drain = Duration::from_millis(500);
    CollectorSettings { queue_max: 1_000, spool: Some(spool), drain, ..settings(Some(edge.target())) }
}

/// Attempts in portions that memory takes; waits until none of them is in the queue any more.
async fn attempts(collector: &Collector, count: u64) {
    let admission = collector.admission();
    for _ in 0..count / 250 {
        let before = accounted(&collector.status());
        (0..250).for_each(|n| assert!(attempt(&admission, &format!("u{}", n % 7))));
        until("the portion is accounted for", || accounted(&collector.status()) >= before + 250).await;
    }
}

/// Every event is in one of these places.
fn accounted(status: &CollectorStatus) -> u64 {
    status.events_delivered + status.events_dropped + status.events_spooled + status.events_waiting as u64
}

fn ids(edge: &EdgeDouble) -> HashSet<String> {
    edge.events().iter().map(|event| event.event_id.clone().unwrap().to_string()).collect()
}

#[tokio::test]
async fn every_event_of_an_outage_longer_than_memory_arrives_afterwards_and_new_ones_do_not_wait_for_them() {
    let folder = tempfile::tempdir().unwrap();
    let edge = EdgeDouble::start(Mode::Status(503), tokens(1e6), 60_000).await;
    let collector = Collector::start(spooling(&edge, folder.path(), 64 << 20)).unwrap();
    attempts(&collector, 5_000).await;
    until("all are on disk", || collector.status().events_spooled == 5_000).await;
    until("the circuit is open", || collector.status().circuit == Circuit::Open).await;
    edge.set(Mode::Answer);
    until("the first late batch is there", || edge.batches().iter().any(|batch| batch.late)).await;
    assert!(attempt(&collector.admission(), "fresh"));
    until("the fresh event is there", || edge.events().iter().any(|event| &*event.user_id == "fresh")).await;
    let batches = edge.batches();
    let fresh = batches.iter().position(|batch| batch.events.iter().any(|event| &*event.user_id == "fresh"));
    assert!(!batches[fresh.unwrap()].late, "in a batch that tells of now");
    assert!(edge.events().len() < 5_001, "before all the others");
    until("all are there", || edge.events().len() == 5_001).await;
    let first = batches.iter().find(|batch| !batch.events.is_empty()).unwrap();
    assert!(first.late && first.events[0].event_id.as_ref().unwrap().ends_with("-0"), "the oldest first");
    assert_eq!(ids(&edge).len(), 5_001);
    until("the spool is empty", || collector.status().events_spooled == 0).await;
    let status = stopped(collector).await;
    assert_eq!((status.events_delivered, status.events_dropped, status.circuit), (5_001, 0, Circuit::Closed));
    assert_eq!(edge.counts()["u0"].0, 5_000 / 250 * 36, "and the counters are whole");
}

#[tokio::test]
async fn what_an_edge_did_not_take_until_the_end_waits_for_the_next_process() {
    let folder = tempfile::tempdir().unwrap();
    for mode in [Mode::Status(503), Mode::Silent] {
        let edge = EdgeDouble::start(mode, tokens(1e6), 60_000).await;
        let collector = Collector::start(spooling(&edge, folder.path(), 64 << 20)).unwrap();
        attempts(&collector, 500).await;
        let status = stopped(collector).await;
        assert_eq!(
            (status.events_delivered, status.events_dropped, status.events_waiting),
            (0, 0, 0),
            "{mode:?}"
        );
        assert_eq!(status.events_spooled, 500);
        edge.set(Mode::Answer);
        let next = Collector::start(spooling(&edge, folder.path(), 64 << 20)).unwrap();
        assert_eq!(next.status().events_spooled, 500);
        until("all are there", || ids(&edge).len() == 500).await;
        until("the spool is empty", || next.status().events_spooled == 0).await;
        next.stop().await;
    }
}

#[tokio::test]
async fn a_collector_that_is_killed_leaves_its_spool_to_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let edge = EdgeDouble::start(Mode::Status(503), tokens(1e6), 60_000).await;
    let collector = Collector::start(spooling(&edge, folder.path(), 64 << 20)).unwrap();
    attempts(&collector, 500).await;
    until("all are on disk", || collector.status().events_spooled == 500).await;
    // What a killed process leaves is what the system has of its files now.
    let left = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, left.path().join(path.file_name().unwrap())).unwrap();
    }
    edge.set(Mode::Answer);
    let next = Collector::start(spooling(&edge, left.path(), 64 << 20)).unwrap();
    until("all are there", || ids(&edge).len() == 500).await;
    next.stop().await;
    collector.stop().await;
    assert_eq!(ids(&edge).len(), 500, "delivered twice, under the same ids");
}

#[tokio::test]
async fn a_spool_that_is_full_drops_the_oldest_and_counts_them_exactly() {
    let folder = tempfile::tempdir().unwrap();
    let edge = EdgeDouble::start(Mode::Status(503), tokens(1e6), 60_000).await;
    let collector = Collector::start(spooling(&edge, folder.path(), 64 << 10)).unwrap();
    attempts(&collector, 2_000).await;
    until("nothing is in memory", || collector.status().events_waiting == 0).await;
    let dropped = collector.status().events_dropped;
    assert!((1_000..2_000).contains(&dropped) && collector.status().spool_bytes <= 64 << 10);
    edge.set(Mode::Answer);
    until("what is left arrives", || edge.events().len() as u64 == 2_000 - dropped).await;
    let status = stopped(collector).await;
    assert_eq!((status.events_delivered, status.events_dropped), (2_000 - dropped, dropped));
}

#[tokio::test]
async fn an_edge_of_single_events_gets_what_was_kept_too() {
    let folder = tempfile::tempdir().unwrap();
    let edge = EdgeDouble::start(Mode::Status(503), tokens(1e6), 60_000).await;
    let collector = Collector::start(spooling(&edge, folder.path(), 64 << 20)).unwrap();
    attempts(&collector, 500).await;
    until("all are on disk", || collector.status().events_spooled == 500).await;
    edge.set(Mode::SinglesOnly);
    until("all are there", || edge.singles().len() == 500).await;
    let status = stopped(collector).await;
    assert_eq!((ids(&edge).len(), status.events_delivered, status.events_dropped), (500, 500, 0));
}

#[tokio::test]
async fn late_batches_that_are_too_large_are_sent_in_smaller_ones() {
    let folder = tempfile::tempdir().unwrap();
    let edge = EdgeDouble::start(Mode::Status(503), tokens(1e6), 60_000).await;
    let collector = Collector::start(spooling(&edge, folder.path(), 64 << 20)).unwrap();
    attempts(&collector, 250).await;
    until("all are on disk", || collector.status().events_spooled == 250).await;
    edge.set(Mode::AtMost(7));
    until("all are there", || ids(&edge).len() == 250).await;
    let status = stopped(collector).await;
    assert_eq!((status.events_delivered, status.events_dropped), (250, 0));
}
