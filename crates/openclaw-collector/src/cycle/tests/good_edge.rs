//! What a collector and an edge that answers make of each other.

use super::*;

async fn until_edge_controls(collector: &Collector) {
    until("the edge controls", || collector.status().controlled_by == ControlledBy::Edge).await;
}

#[tokio::test]
async fn batches_carry_cumulative_counters_of_everyone_active_also_of_the_throttled_only() {
    let edge = EdgeDouble::start(Mode::Answer, tokens(2.0), 60_000).await;
    let collector =
        Collector::start(CollectorSettings { defaults: tokens(2.0), ..settings(Some(edge.target())) })
            .unwrap();
    let admission = collector.admission();
    until_edge_controls(&collector).await;
    let allowed = (0..5).filter(|_| attempt(&admission, "greedy")).count();
    assert!(allowed == 2 && attempt(&admission, "modest"));
    until("the first six attempts are reported", || {
        edge.counts() == HashMap::from([("greedy".into(), (5, 3)), ("modest".into(), (1, 0))])
    })
    .await;
    let before = edge.batches().len();
    assert!(!attempt(&admission, "greedy"));
    until("a throttled attempt is reported", || edge.counts()["greedy"] == (6, 4)).await;
    let later: Vec<_> = edge.batches().split_off(before);
    assert!(later.iter().all(|batch| batch.events.is_empty()));
    assert_eq!(later.iter().map(|batch| batch.users.len()).sum::<usize>(), 1, "only who was active");

    let batches = edge.batches();
    assert!(batches.iter().all(|batch| batch.collector == batches[0].collector));
    assert!(
        batches.is_sorted_by(|one, next| one.seq < next.seq && one.totals.attempts <= next.totals.attempts)
    );
    assert_eq!(batches[0].round_trip_ms, None, "nothing was exchanged before the first batch");
    assert!(batches[1..].iter().all(|batch| batch.round_trip_ms.is_some_and(|ms| ms > 0.0)));
    let totals = batches.last().unwrap().totals;
    assert_eq!((totals.attempts, totals.accepted, totals.throttled), (7, 3, 4));
    assert_eq!((totals.completed, totals.failed), (3, 0));
    let events = edge.events();
    assert_eq!(events.len(), 3);
    assert!(
        events.iter().all(|event| event.latency_ms == Some(20.0) && event.outcome == Some(Outcome::Accepted))
    );
    assert_eq!(stopped(collector).await.events_delivered, 3);
}

#[tokio::test]
async fn answers_are_applied_as_leases_and_unsound_policies_are_not() {
    let edge = EdgeDouble::start(Mode::Answer, tokens(500.0), 60_000).await;
    edge.give("unsound", BucketPolicy { bucket_size: -1.0, refill_rate: 1.0 });
    edge.give("own", tokens(300.0));
    let collector = Collector::start(settings(Some(edge.target()))).unwrap();
    let admission = collector.admission();
    let capacity = |user: &str| {
        attempt(&admission, user);
        admission.take(&UserId::new(user).unwrap(), &Context::default()).params().capacity()
    };
    until("the lease of one user", || capacity("own") == 300.0).await;
    assert_eq!(capacity("never-seen"), 500.0, "the defaults are leased too");
    assert!(attempt(&admission, "unsound"));
    until("an answer names the user", || edge.counts().contains_key("unsound")).await;
    let (named, posts) = (edge.batches().len(), || edge.batches().len());
    // One batch at a time: when the next is there, that answer has been applied.
    until("another batch is posted", || posts() > named).await;
    assert_eq!(capacity("unsound"), 500.0);
    let status = collector.status();
    assert_eq!(
        (status.controlled_by, status.policy_version.as_deref()),
        (ControlledBy::Edge, Some("double"))
    );
    assert!(status.leases >= 1);
    stopped(collector).await;
}

#[tokio::test]
async fn an_edge_of_single_events_gets_them_and_its_answers_are_applied() {
    let edge = EdgeDouble::start(Mode::SinglesOnly, tokens(300.0), 60_000).await;
    let collector = Collector::start(settings(Some(edge.target()))).unwrap();
    let admission = collector.admission();
    assert!(attempt(&admission, "u"));
    until("the answer is applied", || {
        admission.take(&UserId::new("u").unwrap(), &Context::default()).params().capacity() == 300.0
    })
    .await;
    assert_eq!(edge.singles().len(), 1);
    assert_eq!(edge.singles()[0].latency_ms, Some(20.0));
    assert!(edge.batches().is_empty());
    let status = stopped(collector).await;
    assert_eq!((status.controlled_by, status.edge_error), (ControlledBy::Edge, None));
}

#[tokio::test]
async fn leases_lapse_to_the_local_loop_and_the_edge_takes_over_again() {
    let edge = EdgeDouble::start(Mode::Answer, tokens(500.0), 200).await;
    let collector =
        Collector::start(CollectorSettings { guard: true, ..settings(Some(edge.target())) }).unwrap();
    let admission = collector.admission();
    for _ in 0..2 {
        until("the edge controls", || {
            attempt(&admission, "u");
            let status = collector.status();
            status.controlled_by == ControlledBy::Edge && status.guard_ms == Some(90.0)
        })
        .await;
        edge.set(Mode::Status(503));
        until("the local loop controls, with its own guard time and its own limits", || {
            attempt(&admission, "u");
            let status = collector.status();
            let params = admission.take(&UserId::new("u").unwrap(), &Context::default()).params();
            status.controlled_by == ControlledBy::Local
                && status.policy_version.is_none()
                && status.guard_ms.is_some_and(|ms| ms != 90.0)
                && params.capacity() != 500.0
        })
        .await;
        assert!(collector.status().edge_error.unwrap().contains("503"));
        edge.set(Mode::Answer);
    }
    until("the edge is back", || collector.status().edge_error.is_none()).await;
    stopped(collector).await;
}

#[tokio::test]
async fn without_an_edge_the_local_loop_decides_and_nothing_waits() {
    let collector = Collector::start(settings(None)).unwrap();
    let admission = collector.admission();
    (0..500).for_each(|n| assert!(attempt(&admission, &format!("u{}", n % 7))));
    until("the local loop has seen latencies", || collector.status().p95_ms.is_some()).await;
    let status = stopped(collector).await;
    assert_eq!(status.controlled_by, ControlledBy::Local);
    assert_eq!((status.totals.attempts, status.totals.completed), (500, 500));
    assert_eq!((status.events_waiting, status.events_dropped, status.events_delivered), (0, 0, 0));
}

#[tokio::test]
async fn a_rating_that_finishes_twice_is_not_in_flight_for_ever() {
    let edge = EdgeDouble::start(Mode::Answer, tokens(500.0), 60_000).await;
    let collector = Collector::start(settings(Some(edge.target()))).unwrap();
    let admission = collector.admission();
    assert!(attempt(&admission, "u"));
    admission.finished(finished(UserId::new("u").unwrap()));
    until("both events arrive", || edge.events().len() == 2).await;
    assert!(edge.batches().iter().all(|batch| batch.in_flight <= 1));
    assert_eq!(edge.batches().last().unwrap().in_flight, 0);
    stopped(collector).await;
}
