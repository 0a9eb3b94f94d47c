//! Every atomic protocol of this crate under loom, which runs all interleavings and all values a read
//! may see: `RUSTFLAGS="--cfg loom" cargo test -p openclaw-bucket --release --test loom`.
#![cfg(loom)]

use loom::sync::Arc;
use loom::thread;
use openclaw_bucket::{
    Bucket, BucketParams, Decision, HashSeed, InFlightGuard, KeyedBuckets, Settings, Standing,
};

const SECOND: u64 = 1_000_000_000;

/// All interleavings with up to this many forced switches between threads.
fn model(preemptions: usize, check: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(check);
}

fn params(capacity: f64, refill_rate: f64) -> BucketParams {
    BucketParams::new(capacity, refill_rate).expect("valid parameters")
}

fn table(defaults: BucketParams, keys_max: usize) -> Arc<KeyedBuckets> {
    Arc::new(KeyedBuckets::new(Settings::new(defaults, keys_max, HashSeed::new([1, 2]))))
}

#[test]
fn two_decisions_never_share_a_token() {
    model(3, || {
        let bucket = Arc::new(Bucket::new(params(1.0, 0.0)));
        let other = Arc::clone(&bucket);
        let thread = thread::spawn(move || other.try_acquire(1.0, 1).is_allowed());
        let here = bucket.try_acquire(1.0, 1).is_allowed();
        assert!(here ^ thread.join().unwrap());
    });
}

#[test]
fn a_change_neither_mints_nor_loses_while_decisions_run() {
    model(3, || {
        let bucket = Arc::new(Bucket::new(params(2.0, 0.0)));
        let changer = Arc::clone(&bucket);
        let thread = thread::spawn(move || changer.set_params(params(1.0, 0.0), 1));
        let allowed = (0..2).filter(|_| bucket.try_acquire(1.0, 1).is_allowed()).count();
        thread.join().unwrap();
        // Change first: one is left. Change in the middle or last: both were allowed.
        assert!((1..=2).contains(&allowed));
        assert_eq!(bucket.peek(1).level, 0.0);
        assert_eq!(bucket.peek(1).params, params(1.0, 0.0));
    });
}

#[test]
fn capacity_and_refill_rate_are_never_mixed_from_two_changes() {
    model(3, || {
        let sets = [params(1.0, 10.0), params(2.0, 20.0), params(3.0, 30.0)];
        let bucket = Arc::new(Bucket::new(sets[0]));
        let changer = Arc::clone(&bucket);
        let thread = thread::spawn(move || {
            changer.set_params(sets[1], 1);
            changer.set_params(sets[2], 1);
        });
        let decision = bucket.try_acquire(1.0, 1);
        assert!(sets.contains(&decision.params()), "{decision:?}");
        // A refusal commits nothing, so its parameters must be right by themselves.
        let refusal = bucket.try_acquire(1.0, 1);
        assert!(!refusal.is_allowed());
        assert!(sets.contains(&refusal.params()), "{refusal:?}");
        thread.join().unwrap();
        assert_eq!(bucket.peek(1).params, sets[2]);
        assert_eq!(bucket.peek(1).level, 0.0);
    });
}

#[test]
fn changes_of_two_keys_of_one_region_do_not_mix() {
    model(2, || {
        let buckets = table(params(1.0, 0.0), 2);
        buckets.set_params("a", params(2.0, 0.0), 1).unwrap();
        let other = Arc::clone(&buckets);
        let thread = thread::spawn(move || {
            other.set_params("a", params(3.0, 0.0), 1).unwrap();
            other.set_params("b", params(5.0, 0.0), 1).unwrap();
        });
        let decision = buckets.try_acquire("a", 1.0, 1);
        assert!([2.0, 3.0].contains(&decision.params().capacity()), "{decision:?}");
        thread.join().unwrap();
        assert_eq!(buckets.peek("a", 1).unwrap().params, params(3.0, 0.0));
        assert_eq!(buckets.peek("b", 1).unwrap().params, params(5.0, 0.0));
    });
}

#[test]
fn two_threads_that_meet_a_key_make_one_bucket_of_it() {
    model(2, || {
        let buckets = table(params(1.0, 0.0), 2);
        let other = Arc::clone(&buckets);
        let thread = thread::spawn(move || other.try_acquire("k", 1.0, 1).is_allowed());
        let here = buckets.try_acquire("k", 1.0, 1).is_allowed();
        assert!(here ^ thread.join().unwrap());
        assert_eq!(buckets.len(), 1);
    });
}

#[test]
fn changed_defaults_mint_nothing_for_a_key_that_is_being_decided() {
    model(2, || {
        let buckets = table(params(1.0, 1.0), 1);
        assert!(buckets.try_acquire("k", 1.0, SECOND).is_allowed());
        let other = Arc::clone(&buckets);
        let thread = thread::spawn(move || {
            other.set_defaults(params(5.0, 0.0), 2 * SECOND);
            other.set_defaults(params(9.0, 0.0), 2 * SECOND);
        });
        // One token was refilled in the second before the changes; whatever the order, only that one is there.
        let decision = buckets.try_acquire("k", 1.0, 2 * SECOND);
        assert!(decision.is_allowed(), "{decision:?}");
        assert!([1.0, 5.0, 9.0].contains(&decision.params().capacity()));
        thread.join().unwrap();
        assert!(!buckets.try_acquire("k", 1.0, 3 * SECOND).is_allowed());
    });
}

#[test]
fn newcomers_never_share_a_token_of_their_common_bucket() {
    model(2, || {
        let buckets = table(params(1.0, 0.0), 2);
        buckets.set_newcomers(Some(params(1.0, 0.0)), 1);
        let other = Arc::clone(&buckets);
        let thread = thread::spawn(move || other.try_acquire("a", 1.0, 1).is_allowed());
        let here = buckets.try_acquire("b", 1.0, 1).is_allowed();
        assert!(here ^ thread.join().unwrap());
    });
}

#[test]
fn newcomers_get_back_what_an_exhausted_key_did_not_use() {
    model(2, || {
        let buckets = table(params(1.0, 0.0), 2);
        buckets.set_newcomers(Some(params(2.0, 0.0)), 1);
        let other = Arc::clone(&buckets);
        let thread = thread::spawn(move || other.try_acquire("a", 1.0, 1).is_allowed());
        let here = buckets.try_acquire("a", 1.0, 1).is_allowed();
        assert!(here ^ thread.join().unwrap());
        assert!(buckets.try_acquire("b", 1.0, 1).is_allowed(), "the second token was not given back");
        assert!(!buckets.try_acquire("c", 1.0, 1).is_allowed());
    });
}

#[test]
fn a_key_that_is_being_forgotten_keeps_every_token_it_takes() {
    model(2, || {
        let buckets = table(params(1.0, 0.0), 2);
        // Known, and full again: its own parameters came and went.
        buckets.set_params("k", params(1.0, 0.0), 1).unwrap();
        buckets.clear_params("k", 1);
        let other = Arc::clone(&buckets);
        let thread = thread::spawn(move || other.forget_idle(1));
        assert!(buckets.try_acquire("k", 1.0, 1).is_allowed());
        thread.join().unwrap();
        assert!(!buckets.try_acquire("k", 1.0, 1).is_allowed(), "the token was taken twice");
    });
}

#[test]
fn a_slot_that_changes_hands_is_charged_to_the_right_key() {
    model(2, || {
        let buckets = table(params(1.0, 0.0), 1);
        buckets.set_params("old", params(1.0, 0.0), 1).unwrap();
        buckets.clear_params("old", 1);
        let other = Arc::clone(&buckets);
        let own = |decision: Decision| decision.is_allowed() && decision.standing() != Standing::Overflow;
        let thread = thread::spawn(move || {
            other.forget_idle(1);
            let first = own(other.try_acquire("new", 1.0, 1));
            let second = own(other.try_acquire("new", 1.0, 1));
            (first, second)
        });
        let old = own(buckets.try_acquire("old", 1.0, 1));
        let (first, second) = thread.join().unwrap();
        assert!(!(first && second), "the new key was given the old key's token");
        assert!(!(old && own(buckets.try_acquire("old", 1.0, 1))), "the old key was not charged");
        assert!(buckets.len() <= 1);
    });
}

#[test]
fn a_decision_that_slept_does_not_charge_the_slots_next_key() {
    model(3, || {
        let buckets = table(params(1.0, 0.0), 1);
        let other = Arc::clone(&buckets);
        let thread = thread::spawn(move || {
            // The old key may be known already and not charged yet: it is full, and can be forgotten.
            other.forget_idle(1);
            other.try_acquire("new", 1.0, 1)
        });
        let _ = buckets.try_acquire("old", 1.0, 1);
        let new = thread.join().unwrap();
        assert!(new.is_allowed() || new.standing() == Standing::Overflow, "{new:?}");
    });
}

#[test]
fn the_guard_counts_exactly_and_keeps_its_ceiling() {
    model(3, || {
        let guard = std::sync::Arc::new(InFlightGuard::new(1));
        let other = std::sync::Arc::clone(&guard);
        let thread = thread::spawn(move || {
            let entered = other.try_enter("a");
            assert!(other.in_flight() <= other.ceiling());
            drop(entered);
        });
        let first = guard.try_enter("b");
        let second = guard.try_enter("b");
        assert!(guard.in_flight() <= guard.ceiling());
        drop((first, second));
        thread.join().unwrap();
        assert_eq!(guard.in_flight(), 0);
        assert!(guard.try_enter("c").is_ok());
    });
}

#[test]
fn a_request_with_a_smaller_cap_never_passes_that_caps_ceiling() {
    model(3, || {
        // Its own cap leaves room for five; the smaller one for one, and one more for whoever has none.
        let guard = std::sync::Arc::new(InFlightGuard::new(5));
        let other = std::sync::Arc::clone(&guard);
        let thread = thread::spawn(move || other.try_enter_capped("a", 1));
        let second = guard.try_enter_capped("b", 1);
        let third = guard.try_enter_capped("b", 1);
        let first = thread.join().unwrap();
        assert!(guard.in_flight() <= 2, "{}", guard.in_flight());
        let entered = [&first, &second, &third].into_iter().filter(|entry| entry.is_ok()).count();
        assert_eq!(guard.in_flight() as usize, entered);
        assert!(guard.try_enter("c").is_ok(), "the guard's own cap still has room");
        drop((first, second, third));
        assert_eq!(guard.in_flight(), 0);
    });
}
