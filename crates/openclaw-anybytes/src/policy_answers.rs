//! What an edge answers, as a collector reads it: no answer panics, and one that is read can be written and read
//! again.

use openclaw_protocol::{BatchAnswer, PolicyAnswer};

/// Checks an answer, as one to a batch and as one to an event.
///
/// # Panics
/// Where the promise does not hold.
pub fn check(body: &[u8]) {
    if let Ok(answer) = serde_json::from_slice::<BatchAnswer>(body) {
        let written = serde_json::to_vec(&answer).expect("what was read can be written");
        let again: BatchAnswer = serde_json::from_slice(&written).expect("what was written can be read");
        assert_eq!(again, answer);
        // JSON has neither NaN nor infinity, so all that can be wrong with a policy is its sign.
        for policy in answer.policies.values() {
            assert_eq!(policy.is_sound(), policy.bucket_size >= 0.0 && policy.refill_rate >= 0.0);
        }
    }
    if let Ok(answer) = serde_json::from_slice::<PolicyAnswer>(body) {
        let written = serde_json::to_vec(&answer).expect("what was read can be written");
        let again: PolicyAnswer = serde_json::from_slice(&written).expect("what was written can be read");
        assert_eq!(again, answer);
    }
}
