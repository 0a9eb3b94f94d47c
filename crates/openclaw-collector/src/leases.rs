//! Parameters hold for a time, not for ever.
//!
//! A user's lease is renewed by every answer that names the user; when it lapses the user is one of the
//! newcomers again. When no answer has come for a whole time to live, the local loop takes over.

use std::collections::HashMap;

use openclaw_protocol::{BatchAnswer, BucketPolicy, PolicyAnswer, UserId};

use crate::admission::Admission;

/// Longest time to live that an answer may ask for: an hour. A lease beyond that is no lease.
const TTL_MS_MAX: u64 = 3_600_000;

/// What is leased, and until when.
#[derive(Debug, Default)]
pub(crate) struct Leases {
    users: HashMap<UserId, u64>,
    edge_until_ns: Option<u64>,
    pub(crate) policy_version: Option<String>,
    pub(crate) guard_ms: Option<f64>,
}

impl Leases {
    /// Whether an answer of the edge still holds.
    pub(crate) fn edge_holds(&self, now_ns: u64) -> bool {
        self.edge_until_ns.is_some_and(|until_ns| now_ns < until_ns)
    }

    pub(crate) fn users(&self) -> usize {
        self.users.len()
    }

    /// Applies the edge's answer to a batch.
    pub(crate) fn apply(&mut self, answer: &BatchAnswer, admission: &Admission, now_ns: u64) {
        let until_ns = until(answer.ttl_ms, now_ns);
        for (user, policy) in &answer.policies {
            self.grant(user, *policy, until_ns, admission, now_ns);
        }
        let newcomers = answer.newcomers.filter(BucketPolicy::is_sound);
        if answer.defaults.is_sound() {
            admission.assign_everyone(answer.defaults, newcomers, now_ns);
        }
        admission.set_guard_s(answer.guard_ms.map(|ms| ms / 1e3));
        self.guard_ms = answer.guard_ms;
        self.edge_until_ns = Some(until_ns);
        self.policy_version = Some(answer.policy_version.clone());
    }

    /// Applies the edge's answer to a single event. One without a guard time changes nothing about the guard:
    /// the brief's answer has only the two numbers.
    pub(crate) fn apply_single(
        &mut self,
        user: &UserId,
        answer: &PolicyAnswer,
        ttl_ms: u64,
        admission: &Admission,
        now_ns: u64,
    ) {
        let until_ns = until(answer.ttl_ms.unwrap_or(ttl_ms), now_ns);
        self.grant(user, answer.policy, until_ns, admission, now_ns);
        if answer.guard_ms.is_some() {
            admission.set_guard_s(answer.guard_ms.map(|ms| ms / 1e3));
            self.guard_ms = answer.guard_ms;
        }
        self.edge_until_ns = Some(until_ns);
        self.policy_version.clone_from(&answer.policy_version);
    }

    /// Gives a user parameters until `until_ns`. A policy that is no number is not applied.
    pub(crate) fn grant(
        &mut self,
        user: &UserId,
        policy: BucketPolicy,
        until_ns: u64,
        admission: &Admission,
        now_ns: u64,
    ) {
        if !policy.is_sound() {
            metrics::counter!("openclaw_collector_policies_refused_total").increment(1);
            return;
        }
        if admission.assign(user, policy, now_ns).is_ok() {
            self.users.insert(user.clone(), until_ns);
        }
    }

    /// Takes away what has lapsed.
    pub(crate) fn sweep(&mut self, admission: &Admission, now_ns: u64) {
        self.users.retain(|user, until_ns| {
            let holds = now_ns < *until_ns;
            if !holds {
                admission.unassign(user, now_ns);
            }
            holds
        });
    }
}

fn until(ttl_ms: u64, now_ns: u64) -> u64 {
    now_ns.saturating_add(ttl_ms.min(TTL_MS_MAX) * 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::CollectorSettings;

    fn answer(refill_rate: f64) -> BatchAnswer {
        let policy = BucketPolicy { bucket_size: 1.0, refill_rate };
        BatchAnswer {
            policies: [(UserId::new("u").unwrap(), policy)].into(),
            defaults: policy,
            newcomers: None,
            guard_ms: Some(90.0),
            ttl_ms: 5_000,
            policy_version: "v".into(),
            reason: None,
            classes: Vec::new(),
            dependencies: Vec::new(),
            rejected: Vec::new(),
        }
    }

    fn refill_rate_of(admission: &Admission, user: &str) -> f64 {
        admission.take(&UserId::new(user).unwrap()).params().refill_rate()
    }

    #[test]
    fn a_lease_holds_for_its_time_to_live_and_then_the_user_is_a_newcomer_again() {
        let admission = Admission::new(&CollectorSettings::default());
        let mut leases = Leases::default();
        let mut given = answer(3.0);
        given.defaults = BucketPolicy { bucket_size: 5.0, refill_rate: 7.0 };
        leases.apply(&given, &admission, 0);
        assert!((refill_rate_of(&admission, "u") - 3.0).abs() < 1e-3);
        leases.sweep(&admission, 4_999_999_999);
        assert!(leases.edge_holds(4_999_999_999) && leases.users() == 1);
        leases.sweep(&admission, 5_000_000_000);
        assert!(!leases.edge_holds(5_000_000_000) && leases.users() == 0);
        assert!((refill_rate_of(&admission, "u") - 7.0).abs() < 1e-3);
    }

    #[test]
    fn an_answer_that_is_no_number_is_not_applied() {
        let admission = Admission::new(&CollectorSettings::default());
        let mut leases = Leases::default();
        leases.apply(&answer(f64::NAN), &admission, 0);
        leases.apply(&answer(-1.0), &admission, 0);
        assert_eq!(leases.users(), 0);
        assert!((refill_rate_of(&admission, "u") - 10.0).abs() < 1e-3, "the configured default stands");
    }

    #[test]
    fn an_absurd_time_to_live_is_cut_to_an_hour() {
        assert_eq!(until(u64::MAX, 1), 3_600_000_000_001);
    }
}
