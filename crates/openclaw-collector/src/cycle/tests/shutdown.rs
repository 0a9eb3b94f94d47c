//! The end: what waits is delivered or counted as dropped, and no task stays behind.

use super::*;

/// A collector whose cycle does not come by itself.
fn resting(edge: &EdgeDouble) -> CollectorSettings {
    CollectorSettings { flush_interval: Duration::from_secs(3600), ..settings(Some(edge.target())) }
}

#[tokio::test]
async fn stop_delivers_everything_that_waits() {
    for mode in [Mode::Answer, Mode::SinglesOnly] {
        let edge = EdgeDouble::start(mode, tokens(1e6), 60_000).await;
        let collector = Collector::start(resting(&edge)).unwrap();
        let admission = collector.admission();
        (0..255).for_each(|n| assert!(attempt(&admission, &format!("u{}", n % 7))));
        let status = stopped(collector).await;
        assert_eq!(edge.events().len(), 255, "{mode:?}");
        assert_eq!((status.events_delivered, status.events_dropped, status.events_waiting), (255, 0, 0));
    }
}

#[tokio::test]
async fn what_an_edge_does_not_take_in_the_end_is_counted_as_dropped() {
    for mode in [Mode::Status(503), Mode::Silent] {
        let edge = EdgeDouble::start(mode, tokens(1e6), 60_000).await;
        let collector = Collector::start(resting(&edge)).unwrap();
        let admission = collector.admission();
        (0..255).for_each(|n| assert!(attempt(&admission, &format!("u{}", n % 7))));
        let status = stopped(collector).await;
        assert_eq!((status.events_delivered, status.events_dropped, status.events_waiting), (0, 255, 0));
    }
}

#[tokio::test]
async fn a_collector_that_is_dropped_leaves_no_task_behind() {
    let edge = EdgeDouble::start(Mode::Answer, tokens(1e6), 60_000).await;
    let collector = Collector::start(settings(Some(edge.target()))).unwrap();
    let admission = collector.admission();
    until("a batch has arrived", || !edge.batches().is_empty()).await;
    drop(collector);
    until("only the test holds the admission", || Arc::strong_count(&admission) == 1).await;
}

#[tokio::test]
async fn a_collector_is_live_while_its_cycle_comes_and_says_so_when_it_no_longer_does() {
    let edge = EdgeDouble::start(Mode::Answer, tokens(1e6), 60_000).await;
    let collector = Collector::start(settings(Some(edge.target()))).unwrap();
    assert_eq!(collector.liveness_provider()(), Ok(()));
    let (interval, s) = (Duration::from_millis(100), Duration::from_secs);
    assert_eq!(crate::cycle::live(Duration::from_millis(4_900), interval), Ok(()), "a busy machine");
    let reason = crate::cycle::live(s(7), interval).unwrap_err();
    assert!(reason.contains("have not moved for 7.0 s"), "{reason}");
    assert_eq!(crate::cycle::live(s(7), s(1)), Ok(()), "a slow interval");
    collector.stop().await;
}
