//! Request bodies as collectors send them; `turn` makes each differ as real ones do.

use std::fmt::Write;

use bytes::Bytes;

/// Events in a batch: what a collector sends at most at a time.
pub(crate) const BATCH_EVENTS: usize = 1000;
/// Users that the events are spread over.
const USERS: u64 = 200;

/// One event with everything that OpenClaw's own collector tells.
pub(crate) fn event(turn: u64) -> Bytes {
    let mut body = String::with_capacity(200);
    write_event(&mut body, turn);
    body.into()
}

fn write_event(body: &mut String, turn: u64) {
    // A permutation of the users that is not in order.
    let user = turn.wrapping_mul(7919) % USERS;
    let _ = write!(
        body,
        r#"{{"userId":"user-{user:03}","itemId":"item-{}","score":{}.5,"timestamp":1710841234567,"latencyMs":{}.25,"outcome":"accepted"}}"#,
        turn % 5000,
        turn % 10,
        20 + turn % 60
    );
}

/// One collector's batch; its counters grow with `turn`.
pub(crate) fn batch(turn: u64) -> Bytes {
    let done = (turn + 1) * BATCH_EVENTS as u64;
    let mut body = String::with_capacity(170 * BATCH_EVENTS);
    let _ = write!(
        body,
        r#"{{"collector":{{"id":"bench","service":"bench","epoch":1}},"seq":{},"inFlight":40,"totals":{{"attempts":{done},"accepted":{done},"throttled":0,"completed":{done},"failed":0}},"users":["#,
        turn + 1
    );
    for user in 0..USERS {
        let comma = if user == 0 { "" } else { "," };
        let _ =
            write!(body, r#"{comma}{{"userId":"user-{user:03}","attempts":{},"throttled":0}}"#, done / USERS);
    }
    body.push_str(r#"],"events":["#);
    for index in 0..BATCH_EVENTS as u64 {
        if index > 0 {
            body.push(',');
        }
        write_event(&mut body, turn * BATCH_EVENTS as u64 + index);
    }
    body.push_str("]}");
    body.into()
}
