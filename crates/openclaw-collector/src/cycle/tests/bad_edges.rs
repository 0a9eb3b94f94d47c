//! Nothing that an edge does or fails to do blocks admission, loses a count, or loses an event uncounted.

use super::*;
use crate::RetrySettings;

/// Counters of all users and all events once everything is delivered.
async fn until_all_reported(edge: &EdgeDouble, attempts: u64) {
    until("every attempt is in its user's counter", || {
        edge.counts().values().map(|(attempts, _)| attempts).sum::<u64>() == attempts
    })
    .await;
    until("every attempt is in the totals", || {
        edge.batches().last().is_some_and(|batch| batch.totals.attempts == attempts)
    })
    .await;
}

#[tokio::test]
async fn a_lost_batch_loses_neither_counts_nor_events() {
    let edge = EdgeDouble::start(Mode::Status(500), tokens(1e6), 60_000).await;
    let collector = Collector::start(settings(Some(edge.target()))).unwrap();
    let admission = collector.admission();
    for round in 1..=3 {
        (0..50).for_each(|n| assert!(attempt(&admission, &format!("u{}", n % 7))));
        until("another batch is lost", || edge.requests() >= round).await;
    }
    edge.set(Mode::Answer);
    until_all_reported(&edge, 150).await;
    until("all events are there", || edge.events().len() == 150).await;
    let status = stopped(collector).await;
    assert_eq!((status.events_delivered, status.events_dropped), (150, 0));
}

#[tokio::test]
async fn events_wait_in_bounded_number_and_what_gives_way_is_counted_exactly() {
    let edge = EdgeDouble::start(Mode::Status(503), tokens(1e6), 60_000).await;
    let collector =
        Collector::start(CollectorSettings { queue_max: 100, ..settings(Some(edge.target())) }).unwrap();
    let admission = collector.admission();
    (0..300).for_each(|_| assert!(attempt(&admission, "u")));
    until("a hundred wait and the others gave way", || {
        let status = collector.status();
        (status.events_waiting, status.events_dropped) == (100, 200)
    })
    .await;
    assert_eq!(edge.events().len(), 0);
    edge.set(Mode::Answer);
    until("those that waited arrive", || edge.events().len() == 100).await;
    let status = stopped(collector).await;
    assert_eq!((status.events_waiting, status.events_dropped, status.events_delivered), (0, 200, 100));
    assert_eq!(edge.counts()["u"], (300, 0), "no count gave way");
}

#[tokio::test]
async fn an_edge_that_asks_to_be_left_alone_is() {
    let edge = EdgeDouble::start(Mode::Busy(3600), tokens(1e6), 60_000).await;
    let quick = |retry_after_max| {
        let (pause_min, pause_max) = (Duration::from_millis(1), Duration::from_millis(2));
        let retry = RetrySettings { pause_min, pause_max, retry_after_max, ..RetrySettings::default() };
        Collector::start(CollectorSettings { retry, ..settings(Some(edge.target())) }).unwrap()
    };
    let deaf = quick(Duration::ZERO);
    until("who does not listen comes again and again", || edge.requests() >= 5).await;
    stopped(deaf).await;

    let before = edge.requests();
    let listening = quick(Duration::from_secs(3600));
    let admission = listening.admission();
    until("it asks once", || listening.status().edge_error.is_some()).await;
    (0..20).for_each(|_| assert!(attempt(&admission, "u")));
    // Fifty cycles, in which the one that does not listen asks at least five times.
    tokio::time::sleep(Duration::from_millis(250)).await;
    assert_eq!((edge.requests() - before, listening.status().events_waiting), (1, 20));
    edge.set(Mode::Answer);
    assert_eq!(stopped(listening).await.events_delivered, 20, "whoever stops asks once more");
}

#[tokio::test]
async fn a_batch_that_is_too_large_is_sent_in_smaller_ones() {
    let edge = EdgeDouble::start(Mode::AtMost(7), tokens(1e6), 60_000).await;
    let collector = Collector::start(settings(Some(edge.target()))).unwrap();
    let admission = collector.admission();
    (0..100).for_each(|n| assert!(attempt(&admission, &format!("u{}", n % 7))));
    until("all events are there", || edge.events().len() == 100).await;
    until_all_reported(&edge, 100).await;
    assert_eq!(stopped(collector).await.events_dropped, 0);
}

#[tokio::test]
async fn a_batch_that_no_edge_would_take_does_not_hold_up_the_others() {
    for first in [Mode::Poison, Mode::SinglesOnly] {
        let edge = EdgeDouble::start(first, tokens(1e6), 60_000).await;
        let collector = Collector::start(settings(Some(edge.target()))).unwrap();
        let admission = collector.admission();
        if first == Mode::SinglesOnly {
            assert!(attempt(&admission, "u"));
            until("the edge is known to take single events only", || edge.singles().len() == 1).await;
            edge.set(Mode::Poison);
        }
        assert!(attempt(&admission, "poison"));
        until("the poison is given up", || collector.status().events_dropped == 1).await;
        assert!(attempt(&admission, "after"));
        until("what follows arrives", || edge.events().iter().any(|event| &*event.user_id == "after")).await;
        let status = stopped(collector).await;
        assert_eq!((status.events_dropped, status.edge_error), (1, None));
    }
}

#[tokio::test]
async fn a_slow_edge_gets_everything() {
    let edge = EdgeDouble::start(Mode::Slow(Duration::from_millis(50)), tokens(1e6), 60_000).await;
    let collector = Collector::start(settings(Some(edge.target()))).unwrap();
    let admission = collector.admission();
    (0..200).for_each(|n| assert!(attempt(&admission, &format!("u{}", n % 7))));
    until("all events are there", || edge.events().len() == 200).await;
    assert_eq!(stopped(collector).await.events_delivered, 200);
}

/// The collector works on without this edge, says what is wrong with it, and accounts for every event.
async fn expect_harmless(address: SocketAddr, complaint: &str) {
    let collector = Collector::start(settings(Some(edge_double::target(address)))).unwrap();
    let admission = collector.admission();
    let entered: Vec<_> = (0..200)
        .map(|n| admission.enter(&UserId::new(&format!("u{n}")).unwrap(), &Context::default()))
        .collect();
    assert!(entered.iter().all(Result::is_ok));
    (0..200).for_each(|n| assert!(attempt(&admission, &format!("u{}", n % 7))));
    until(complaint, || collector.status().edge_error.is_some_and(|error| error.contains(complaint))).await;
    assert!(attempt(&admission, "u"));
    until("the local loop has seen latencies", || collector.status().p95_ms.is_some()).await;
    assert_eq!(collector.status().controlled_by, ControlledBy::Local);
    let status = stopped(collector).await;
    assert_eq!((status.events_delivered, status.events_dropped, status.events_waiting), (0, 201, 0));
}

#[tokio::test]
async fn edges_that_answer_wrongly_or_never_are_harmless() {
    let modes = [
        (Mode::Status(500), "answered 500: refused"),
        (Mode::Status(401), "answered 401"),
        (Mode::Status(307), "answered 307"),
        (Mode::Garbage, "something else than policies"),
        (Mode::Silent, "cannot be reached"),
    ];
    for (mode, complaint) in modes {
        let edge = EdgeDouble::start(mode, tokens(1.0), 60_000).await;
        expect_harmless(edge.address, complaint).await;
        assert!(edge.singles().is_empty(), "a redirection is not followed");
    }
}

#[tokio::test]
async fn edges_that_break_off_or_never_end_their_answer_are_harmless() {
    let broken: &[(&'static [u8], bool, &str)] = &[
        (b"{\"policies\":{", false, "cannot be reached"),
        (&[b' '; 4096], true, "it is longer than"),
        (b"", false, "cannot be reached"),
    ];
    for &(bytes, endless, complaint) in broken {
        let (address, server) = raw_edge(bytes, endless).await;
        expect_harmless(address, complaint).await;
        server.abort();
    }
}

#[tokio::test]
async fn an_edge_that_is_not_there_is_harmless() {
    let (address, server) = raw_edge(b"", false).await;
    server.abort();
    assert!(server.await.unwrap_err().is_cancelled(), "the port is closed now");
    expect_harmless(address, "cannot be reached").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_threads_of_attempts_lose_no_counts_to_an_edge_that_fails_every_third_time() {
    let edge = EdgeDouble::start(Mode::Flaky, tokens(1000.0), 60_000).await;
    let collector =
        Collector::start(CollectorSettings { defaults: tokens(1000.0), ..settings(Some(edge.target())) })
            .unwrap();
    let threads: Vec<_> = (0..2)
        .map(|thread| {
            let admission = collector.admission();
            std::thread::spawn(move || {
                (0..10_000).filter(|n| attempt(&admission, &format!("u{}", (n + thread) % 7))).count() as u64
            })
        })
        .collect();
    let working = || threads.iter().any(|thread| !thread.is_finished());
    until("the threads are done", || !working()).await;
    let accepted: u64 = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    edge.set(Mode::Answer);
    until_all_reported(&edge, 20_000).await;
    let throttled: u64 = edge.counts().values().map(|(_, throttled)| throttled).sum();
    assert_eq!(accepted + throttled, 20_000);
    let status = stopped(collector).await;
    assert_eq!((status.totals.attempts, status.totals.completed), (20_000, accepted));
    assert_eq!((status.events_delivered, status.events_dropped), (accepted, 0));
    assert_eq!(edge.events().len() as u64, accepted);
}
