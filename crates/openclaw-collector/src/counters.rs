//! Cumulative counters: of everything, and of every user.
//!
//! They are updated on the request's own path, not derived from queued events, so that an event dropped under
//! pressure loses no count. Users are spread over shards, each behind a mutex held for one map operation.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use metrics::Counter;
use openclaw_protocol::{Context, Totals, UserCounts, UserId};
use parking_lot::Mutex;

const SHARDS: usize = 16;

/// Which counter of a user moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Accepted,
    Throttled,
}

#[derive(Debug)]
struct User {
    attempts: u64,
    throttled: u64,
    /// Of the newest attempt.
    context: Context,
    /// Whether the user is on the list of those active since the last drain.
    listed: bool,
    /// Whether any drain has named the user since it was last forgotten.
    drained: bool,
    seen_ns: u64,
}

#[derive(Debug, Default)]
struct Shard {
    users: HashMap<UserId, User>,
    active: Vec<UserId>,
}

/// Counters of one collector.
#[derive(Debug)]
pub(crate) struct Counters {
    accepted: AtomicU64,
    throttled: AtomicU64,
    completed: AtomicU64,
    failed: AtomicU64,
    shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
    shard_users_max: usize,
    untracked: Counter,
}

impl Counters {
    pub(crate) fn new(users_max: usize, untracked: Counter) -> Self {
        Self {
            accepted: AtomicU64::new(0),
            throttled: AtomicU64::new(0),
            completed: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            shards: Default::default(),
            hasher: RandomState::new(),
            shard_users_max: users_max.div_ceil(SHARDS),
            untracked,
        }
    }

    fn shard(&self, user: &UserId) -> &Mutex<Shard> {
        &self.shards[self.hasher.hash_one(user) as usize % SHARDS]
    }

    /// Counts one attempt. Where the table is full, an unknown user is counted in the totals only.
    pub(crate) fn attempt(&self, user: &UserId, context: &Context, verdict: Verdict, now_ns: u64) {
        let throttled = verdict == Verdict::Throttled;
        if throttled { &self.throttled } else { &self.accepted }.fetch_add(1, Relaxed);

        let mut shard = self.shard(user).lock();
        let shard = &mut *shard;
        if let Some(known) = shard.users.get_mut(user) {
            known.attempts += 1;
            known.throttled += u64::from(throttled);
            known.seen_ns = now_ns;
            if known.context != *context {
                known.context = context.clone();
            }
            if !known.listed {
                known.listed = true;
                shard.active.push(user.clone());
            }
        } else if shard.users.len() < self.shard_users_max {
            let throttled = u64::from(throttled);
            let context = context.clone();
            let new = User { attempts: 1, throttled, context, listed: true, drained: false, seen_ns: now_ns };
            shard.users.insert(user.clone(), new);
            shard.active.push(user.clone());
        } else {
            self.untracked.increment(1);
        }
    }

    pub(crate) fn completed(&self) {
        self.completed.fetch_add(1, Relaxed);
    }

    pub(crate) fn failed(&self) {
        self.failed.fetch_add(1, Relaxed);
    }

    /// The totals. What is counted between two of these loads shows in the next report. What ends is read
    /// before what begins, and attempts are a sum, so that no report has more endings than attempts.
    pub(crate) fn totals(&self) -> Totals {
        let (completed, failed) = (self.completed.load(Relaxed), self.failed.load(Relaxed));
        let (accepted, throttled) = (self.accepted.load(Relaxed), self.throttled.load(Relaxed));
        Totals { attempts: accepted + throttled, accepted, throttled, completed, failed }
    }

    /// The counters of everyone active since the last drain.
    ///
    /// A user that was forgotten and came back counts from zero, but cumulative counters never fall: what
    /// `undelivered` has of it, the edge has not heard of, and is added.
    pub(crate) fn drain_active<'a>(
        &self,
        undelivered: impl Fn(&UserId) -> Option<&'a UserCounts>,
    ) -> Vec<UserCounts> {
        let mut drained = Vec::new();
        for shard in &self.shards {
            let mut shard = shard.lock();
            let shard = &mut *shard;
            for id in shard.active.drain(..) {
                let Some(user) = shard.users.get_mut(&id) else { continue };
                user.listed = false;
                if !std::mem::replace(&mut user.drained, true)
                    && let Some(before) = undelivered(&id)
                {
                    user.attempts += before.attempts;
                    user.throttled += before.throttled;
                }
                let (attempts, throttled, context) = (user.attempts, user.throttled, user.context.clone());
                drained.push(UserCounts { user_id: id, attempts, throttled, context });
            }
        }
        drained
    }

    /// Forgets users idle for `idle_ns`, in one shard per call: `turn` says which.
    pub(crate) fn sweep(&self, turn: u64, idle_ns: u64, now_ns: u64) {
        let mut shard = self.shards[turn as usize % SHARDS].lock();
        shard.users.retain(|_, user| user.listed || now_ns.saturating_sub(user.seen_ns) < idle_ns);
    }

    pub(crate) fn users_tracked(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().users.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> UserId {
        UserId::new(name).unwrap()
    }

    fn counters(users_max: usize) -> Counters {
        Counters::new(users_max, Counter::noop())
    }

    #[test]
    fn a_drain_names_everyone_active_since_the_last_one_with_cumulative_counts() {
        let counters = counters(100);
        counters.attempt(&user("a"), &Context::default(), Verdict::Accepted, 0);
        counters.attempt(&user("a"), &Context::default(), Verdict::Throttled, 0);
        counters.attempt(&user("b"), &Context::default(), Verdict::Throttled, 0);
        let mut drained = counters.drain_active(|_| None);
        drained.sort_by(|one, other| one.user_id.cmp(&other.user_id));
        assert_eq!(drained.iter().map(|u| (u.attempts, u.throttled)).collect::<Vec<_>>(), [(2, 1), (1, 1)]);
        counters.attempt(&user("b"), &Context::default(), Verdict::Accepted, 0);
        let again = counters.drain_active(|_| None);
        assert_eq!(again, [UserCounts::new(user("b"), 2, 1)]);
        assert!(counters.drain_active(|_| None).is_empty());
    }

    #[test]
    fn a_user_is_reported_in_the_circumstances_of_its_newest_attempt() {
        let counters = counters(100);
        let tv = Context { device_type: Some("tv".into()), ..Context::default() };
        counters.attempt(&user("a"), &tv, Verdict::Throttled, 0);
        assert_eq!(counters.drain_active(|_| None)[0].context, tv, "also of a user who was only throttled");
        counters.attempt(&user("a"), &Context::default(), Verdict::Accepted, 0);
        assert!(counters.drain_active(|_| None)[0].context.is_empty());
    }

    #[test]
    fn made_up_ids_fill_no_more_than_the_table_and_still_count_in_the_totals() {
        let counters = counters(160);
        for n in 0..10_000 {
            counters.attempt(&user(&format!("made-up-{n}")), &Context::default(), Verdict::Throttled, 0);
        }
        assert!(counters.users_tracked() <= 160);
        assert_eq!(counters.totals().attempts, 10_000);
        assert_eq!(counters.totals().throttled, 10_000);
    }

    #[test]
    fn idle_users_are_forgotten_but_not_before_they_were_reported() {
        let counters = counters(100);
        counters.attempt(&user("a"), &Context::default(), Verdict::Accepted, 0);
        (0..SHARDS as u64).for_each(|turn| counters.sweep(turn, 10, 1_000));
        assert_eq!(counters.users_tracked(), 1, "not reported yet");
        counters.drain_active(|_| None);
        (0..SHARDS as u64).for_each(|turn| counters.sweep(turn, 10, 1_000));
        assert_eq!(counters.users_tracked(), 0);
    }

    #[test]
    fn a_user_who_was_forgotten_and_comes_back_keeps_what_the_edge_has_not_heard_of() {
        let counters = counters(100);
        let waiting = UserCounts::new(user("a"), 10, 4);
        counters.attempt(&user("a"), &Context::default(), Verdict::Throttled, 0);
        let drained = counters.drain_active(|_| Some(&waiting));
        assert_eq!((drained[0].attempts, drained[0].throttled), (11, 5));
        counters.attempt(&user("a"), &Context::default(), Verdict::Accepted, 0);
        let drained = counters.drain_active(|_| Some(&waiting));
        assert_eq!((drained[0].attempts, drained[0].throttled), (12, 5), "added once");
    }

    #[test]
    fn two_threads_lose_no_count() {
        let counters = counters(1000);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    (0..50_000).for_each(|n| {
                        counters.attempt(
                            &user(&format!("u{}", n % 7)),
                            &Context::default(),
                            Verdict::Accepted,
                            0,
                        );
                    })
                });
            }
        });
        assert_eq!(counters.drain_active(|_| None).iter().map(|user| user.attempts).sum::<u64>(), 100_000);
        assert_eq!(counters.totals().accepted, 100_000);
    }
}
