//! The whole collector against real edges on loopback sockets, most of them bad ones.

use std::collections::HashMap;
use std::future::Future;
use std::net::SocketAddr;

use openclaw_bucket::Decision;
use openclaw_controller::Bounds;
use openclaw_protocol::{BucketPolicy, Context, ItemId, Outcome, UserId};

use super::*;
use crate::admission::Finished;
use crate::settings::EdgeTarget;

mod bad_edges;
mod edge_double;
mod good_edge;
mod shutdown;
mod spooling;
mod tls;

use edge_double::{EdgeDouble, Mode, raw_edge};

/// A bucket that allows `tokens` and never refills.
fn tokens(tokens: f64) -> BucketPolicy {
    BucketPolicy { bucket_size: tokens, refill_rate: 0.0 }
}

/// Quick cycles, and bounds that leave an edge its way.
fn settings(edge: Option<EdgeTarget>) -> CollectorSettings {
    CollectorSettings {
        edge,
        flush_interval: Duration::from_millis(5),
        batch_max: 40,
        queue_max: 100_000,
        defaults: tokens(1e6),
        bounds: Bounds { refill_rate_min: 0.0, ..Bounds::default() },
        guard: false,
        ..CollectorSettings::default()
    }
}

#[test]
fn however_many_cycles_there_are_one_in_an_interval_looks_over_everyone() {
    let (interval, ms) = (Duration::from_millis(100), 1_000_000);
    let mut sweeps = Sweeps { number: 0, last_ns: 0 };
    let begun: Vec<u64> = (0..500).filter(|at_ms| sweeps.begin(interval, at_ms * ms)).collect();
    assert_eq!((begun, sweeps.number), (vec![80, 160, 240, 320, 400, 480], 6));
    let mut sweeps = Sweeps { number: 0, last_ns: 0 };
    assert!([99, 200, 299, 400].iter().all(|at_ms| sweeps.begin(interval, at_ms * ms)), "cycles on time");
}

/// One attempt to the end. Returns whether it was allowed.
fn attempt(admission: &Admission, user: &str) -> bool {
    let user_id = UserId::new(user).unwrap();
    let allowed = matches!(admission.take(&user_id, &Context::default()), Decision::Allowed(_));
    if allowed {
        let latency = Duration::from_millis(20);
        admission.request_done(latency, true);
        admission.finished(finished(user_id));
    }
    allowed
}

fn finished(user_id: UserId) -> Finished {
    Finished {
        user_id,
        item_id: ItemId::new("i").unwrap(),
        score: 7.0,
        timestamp_ms: 1,
        context: Context::default(),
        latency: Duration::from_millis(20),
        outcome: Outcome::Accepted,
        work: None,
        dependency_ms: None,
    }
}

/// Waits for `condition`; fails after a time that no machine needs.
#[track_caller]
fn until(what: &str, mut condition: impl FnMut() -> bool) -> impl Future<Output = ()> {
    let (what, caller) = (what.to_owned(), std::panic::Location::caller());
    async move {
        for _ in 0..12_000 {
            if condition() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("waited a minute in vain at {caller}: {what}");
    }
}

/// Ends the collector and says what came of its events; fails where it does not end.
async fn stopped(collector: Collector) -> CollectorStatus {
    let status = collector.status_provider();
    tokio::time::timeout(Duration::from_secs(60), collector.stop()).await.expect("stop ends");
    status()
}
