//! What a table of buckets promises its callers, one promise a test.

use std::time::Duration;

use openclaw_bucket::{BucketParams, Decision, HashSeed, KeyedBuckets, RefusedBy, Settings, Standing};

const SECOND: u64 = 1_000_000_000;
const MILLISECOND: u64 = 1_000_000;

fn params(capacity: f64, refill_rate: f64) -> BucketParams {
    BucketParams::new(capacity, refill_rate).expect("valid parameters")
}

fn table(defaults: BucketParams, keys_max: usize) -> KeyedBuckets {
    KeyedBuckets::new(Settings::new(defaults, keys_max, HashSeed::new([7, 11])))
}

fn allowed_in_a_row(buckets: &KeyedBuckets, key: &str, now_ns: u64) -> usize {
    (0..1000).take_while(|_| buckets.try_acquire(key, 1.0, now_ns).is_allowed()).count()
}

#[test]
fn a_key_has_its_capacity_at_once_and_its_refill_rate_after() {
    let buckets = table(params(10.0, 10.0), 100);
    assert_eq!(allowed_in_a_row(&buckets, "a", SECOND), 10);
    assert_eq!(allowed_in_a_row(&buckets, "a", SECOND + 100 * MILLISECOND), 1);
    assert_eq!(allowed_in_a_row(&buckets, "a", 2 * SECOND + 100 * MILLISECOND), 10);
    assert_eq!(allowed_in_a_row(&buckets, "b", 2 * SECOND), 10);
}

#[test]
fn allowed_tells_what_remains_and_when_the_bucket_is_full() {
    let buckets = table(params(10.0, 10.0), 100);
    let Decision::Allowed(allowed) = buckets.try_acquire("a", 4.0, 0) else { panic!("refused") };
    assert_eq!(allowed.remaining, 6.0);
    assert_eq!(allowed.reset_after, Duration::from_millis(400));
    assert_eq!(allowed.standing, Standing::Default);
    assert_eq!(allowed.params, params(10.0, 10.0));
}

#[test]
fn limited_tells_the_first_instant_at_which_a_retry_is_allowed() {
    let buckets = table(params(10.0, 10.0), 100);
    assert_eq!(allowed_in_a_row(&buckets, "a", 0), 10);
    let Decision::Limited(limited) = buckets.try_acquire("a", 2.0, 50 * MILLISECOND) else {
        panic!("allowed")
    };
    assert_eq!(limited.retry_after, Some(Duration::from_millis(150)));
    assert_eq!(limited.refused_by, RefusedBy::Own);
    assert!(!buckets.try_acquire("a", 2.0, 199 * MILLISECOND).is_allowed());
    assert!(buckets.try_acquire("a", 2.0, 200 * MILLISECOND).is_allowed());
}

#[test]
fn a_cost_that_can_never_be_paid_has_no_retry_time() {
    let buckets = table(params(10.0, 10.0), 100);
    for cost in [10.5, f64::INFINITY, f64::NAN, -1.0, f64::MAX] {
        let Decision::Limited(limited) = buckets.try_acquire("a", cost, 0) else { panic!("{cost} allowed") };
        assert_eq!(limited.retry_after, None, "{cost}");
    }
    assert_eq!(allowed_in_a_row(&buckets, "a", 0), 10);
}

#[test]
fn a_cost_of_zero_is_allowed_even_by_an_empty_bucket() {
    let buckets = table(params(1.0, 0.0), 100);
    assert_eq!(allowed_in_a_row(&buckets, "a", 0), 1);
    assert!(buckets.try_acquire("a", 0.0, 0).is_allowed());
    assert!(buckets.try_acquire("unseen", -0.0, 0).is_allowed());
}

#[test]
fn without_refill_the_capacity_is_allowed_once() {
    let buckets = table(params(3.0, 0.0), 100);
    assert_eq!(allowed_in_a_row(&buckets, "a", 0), 3);
    let Decision::Limited(limited) = buckets.try_acquire("a", 1.0, u64::MAX) else { panic!("allowed") };
    assert_eq!(limited.retry_after, None);
}

#[test]
fn a_raised_limit_is_felt_by_the_next_decision_and_mints_nothing() {
    let buckets = table(params(10.0, 1.0), 100);
    assert_eq!(allowed_in_a_row(&buckets, "a", 0), 10);
    buckets.set_params("a", params(100.0, 50.0), SECOND).unwrap();
    // One token from the second at the old rate; from here on 50 per second.
    assert_eq!(allowed_in_a_row(&buckets, "a", SECOND), 1);
    assert_eq!(allowed_in_a_row(&buckets, "a", 2 * SECOND), 50);
    assert_eq!(buckets.try_acquire("a", 1.0, 2 * SECOND).standing(), Standing::Assigned);
}

#[test]
fn a_lowered_limit_caps_what_was_saved_up() {
    let buckets = table(params(100.0, 10.0), 100);
    assert!(buckets.try_acquire("a", 1.0, 0).is_allowed());
    buckets.set_params("a", params(5.0, 1.0), SECOND).unwrap();
    assert_eq!(allowed_in_a_row(&buckets, "a", SECOND), 5);
    assert_eq!(allowed_in_a_row(&buckets, "a", 2 * SECOND), 1);
}

#[test]
fn idle_time_before_a_change_is_paid_at_the_old_refill_rate() {
    let buckets = table(params(1000.0, 1.0), 100);
    assert!(buckets.try_acquire("a", 1000.0, 0).is_allowed());
    buckets.set_params("a", params(1000.0, 100.0), 10 * SECOND).unwrap();
    assert_eq!(buckets.peek("a", 10 * SECOND).unwrap().level, 10.0);
    assert_eq!(buckets.peek("a", 11 * SECOND).unwrap().level, 110.0);
}

#[test]
fn a_lapsed_lease_puts_a_key_back_to_the_defaults_without_minting() {
    let buckets = table(params(10.0, 1.0), 100);
    buckets.set_params("a", params(100.0, 100.0), 0).unwrap();
    assert_eq!(allowed_in_a_row(&buckets, "a", 0), 10);
    buckets.clear_params("a", 20 * MILLISECOND);
    let snapshot = buckets.peek("a", 20 * MILLISECOND).unwrap();
    assert_eq!((snapshot.level, snapshot.standing), (2.0, Standing::Default));
    buckets.clear_params("never seen", 0);
    assert_eq!(buckets.len(), 1);
}

#[test]
fn changed_defaults_hold_for_seen_and_unseen_keys_alike() {
    let buckets = table(params(10.0, 10.0), 100);
    assert_eq!(allowed_in_a_row(&buckets, "seen", SECOND), 10);
    buckets.set_defaults(params(20.0, 1.0), SECOND + 500 * MILLISECOND);
    // Half a second at the old rate gave 5, one second at the new rate 1.
    assert_eq!(buckets.peek("seen", SECOND + 500 * MILLISECOND).unwrap().level, 5.0);
    assert_eq!(buckets.peek("seen", 2 * SECOND + 500 * MILLISECOND).unwrap().level, 6.0);
    // An unseen key stands where an idle one stands: 10 tokens when the defaults changed, then 1 per second.
    assert_eq!(allowed_in_a_row(&buckets, "unseen", 2 * SECOND + 500 * MILLISECOND), 11);
    assert_eq!(buckets.try_acquire("other", 1.0, 100 * SECOND).remaining(), 19.0);
}

#[test]
fn every_epoch_of_the_defaults_caps_the_keys_that_slept_through_it() {
    let buckets = table(params(100.0, 10.0), 100);
    assert!(buckets.try_acquire("sleeper", 1.0, 0).is_allowed());
    buckets.set_defaults(params(2.0, 10.0), SECOND);
    buckets.set_defaults(params(100.0, 10.0), 2 * SECOND);
    assert_eq!(buckets.peek("sleeper", 3 * SECOND).unwrap().level, 12.0);
    assert_eq!(buckets.try_acquire("unseen", 1.0, 3 * SECOND).remaining(), 11.0);
}

#[test]
fn newcomers_share_one_bucket_on_top_of_their_own() {
    let buckets = table(params(10.0, 10.0), 100);
    buckets.set_newcomers(Some(params(15.0, 5.0)), 0);
    assert_eq!(allowed_in_a_row(&buckets, "a", 0), 10);
    assert_eq!(allowed_in_a_row(&buckets, "b", 0), 5);
    let Decision::Limited(limited) = buckets.try_acquire("c", 1.0, 0) else { panic!("allowed") };
    assert_eq!((limited.refused_by, limited.remaining), (RefusedBy::Newcomers, 10.0));
    assert_eq!(limited.retry_after, Some(Duration::from_millis(200)));
    assert_eq!(buckets.peek("c", 0), None, "a refused newcomer is not remembered");
    buckets.set_params("vip", params(10.0, 10.0), 0).unwrap();
    assert_eq!(allowed_in_a_row(&buckets, "vip", 0), 10);
    buckets.set_newcomers(None, 0);
    assert_eq!(allowed_in_a_row(&buckets, "c", 0), 10);
}

#[test]
fn an_exhausted_key_does_not_drain_the_newcomers() {
    let buckets = table(params(2.0, 0.0), 100);
    buckets.set_newcomers(Some(params(10.0, 0.0)), 0);
    assert_eq!(allowed_in_a_row(&buckets, "greedy", 0), 2);
    for _ in 0..100 {
        assert!(!buckets.try_acquire("greedy", 1.0, 0).is_allowed());
    }
    let others: usize = (0..10).map(|i| allowed_in_a_row(&buckets, &format!("other{i}"), 0)).sum();
    assert_eq!(others, 8);
}

#[test]
fn only_full_buckets_at_defaults_are_forgotten() {
    let buckets = table(params(10.0, 1.0), 100);
    assert!(buckets.try_acquire("idle", 1.0, 0).is_allowed());
    assert!(buckets.try_acquire("busy", 5.0, 0).is_allowed());
    buckets.set_params("assigned", params(1.0, 1.0), 0).unwrap();
    assert_eq!(buckets.forget_idle(SECOND), 1);
    assert_eq!(buckets.len(), 2);
    assert!(buckets.peek("idle", SECOND).is_none());
    assert_eq!(buckets.peek("busy", SECOND).unwrap().level, 6.0);
    assert_eq!(buckets.peek("assigned", SECOND).unwrap().params, params(1.0, 1.0));
    assert_eq!(buckets.forget_idle(5 * SECOND), 1);
    buckets.clear_params("assigned", 5 * SECOND);
    assert_eq!(buckets.forget_idle(20 * SECOND), 1);
    assert!(buckets.is_empty());
}

#[test]
fn a_forgotten_key_comes_back_as_if_it_had_been_kept() {
    let buckets = table(params(10.0, 1.0), 100);
    assert!(buckets.try_acquire("kept", 1.0, 0).is_allowed());
    assert!(buckets.try_acquire("forgotten", 1.0, 0).is_allowed());
    assert!(buckets.try_acquire("kept", 0.5, SECOND).is_allowed());
    assert_eq!(buckets.forget_idle(SECOND), 1);
    buckets.set_defaults(params(1000.0, 1.0), 2 * SECOND);
    assert_eq!(allowed_in_a_row(&buckets, "forgotten", 2 * SECOND), 10);
    assert_eq!(allowed_in_a_row(&buckets, "kept", 2 * SECOND), 10);
}

#[test]
fn when_the_table_is_full_unseen_keys_share_one_bucket_and_known_keys_keep_theirs() {
    let buckets = table(params(10.0, 1.0), 8);
    for key in 0..8 {
        assert!(buckets.try_acquire(&format!("known{key}"), 7.0, 0).is_allowed());
    }
    let shared: usize =
        (0..1000).filter(|i| buckets.try_acquire(&format!("flood{i}"), 1.0, 0).is_allowed()).count();
    assert_eq!(shared, 10);
    let Decision::Limited(limited) = buckets.try_acquire("late", 1.0, 0) else { panic!("allowed") };
    assert_eq!((limited.refused_by, limited.standing), (RefusedBy::Overflow, Standing::Overflow));
    assert!(buckets.set_params("late", params(1.0, 1.0), 0).is_err());
    for key in 0..8 {
        assert_eq!(buckets.peek(&format!("known{key}"), 0).unwrap().level, 3.0);
    }
    assert_eq!(buckets.len(), 8);
}

#[test]
fn a_full_table_makes_room_by_forgetting_what_is_idle() {
    let buckets = table(params(10.0, 10.0), 64);
    for key in 0..64 {
        assert!(buckets.try_acquire(&format!("old{key}"), 1.0, 0).is_allowed());
    }
    // A second later all of them are full again, so that new keys find room, a sweep's part at a time.
    let welcome = (0..64)
        .filter(|key| buckets.try_acquire(&format!("new{key}"), 1.0, SECOND).standing() == Standing::Default)
        .count();
    assert!(welcome > 0);
    assert!(buckets.len() <= 64);
}

#[test]
fn the_overflow_bucket_shares_the_newcomers_bucket_too() {
    let buckets = table(params(10.0, 0.0), 0);
    buckets.set_newcomers(Some(params(3.0, 0.0)), 0);
    let allowed = (0..20).filter(|i| buckets.try_acquire(&format!("k{i}"), 1.0, 0).is_allowed()).count();
    assert_eq!(allowed, 3);
    assert!(buckets.is_empty());
}

#[test]
fn requests_of_lower_priority_leave_the_reserve_to_others() {
    let buckets = table(params(10.0, 10.0), 100);
    let low = |now| buckets.try_acquire_reserving("a", 1.0, 0.4, now);
    assert_eq!((0..20).filter(|_| low(0).is_allowed()).count(), 6);
    let Decision::Limited(limited) = low(0) else { panic!("allowed") };
    assert_eq!((limited.remaining, limited.retry_after), (4.0, Some(Duration::from_millis(100))));
    assert_eq!(allowed_in_a_row(&buckets, "a", 0), 4);
    assert!(!low(500 * MILLISECOND - 1).is_allowed());
    assert!(low(500 * MILLISECOND).is_allowed());
    assert!(!buckets.try_acquire_reserving("b", 1.0, 1.0, 0).is_allowed(), "all is reserved");
    assert!(buckets.try_acquire_reserving("b", 1.0, f64::NAN, 0).is_allowed(), "no reserve");
}

#[test]
fn a_clock_that_goes_back_neither_mints_nor_locks_out() {
    let buckets = table(params(10.0, 10.0), 100);
    let now = 1000 * SECOND;
    assert_eq!(allowed_in_a_row(&buckets, "a", now), 10);
    // An hour back: nothing is there until the clock has caught up, and no more than before.
    assert_eq!(allowed_in_a_row(&buckets, "a", now - 600 * SECOND), 0);
    buckets.set_params("a", params(10.0, 10.0), now - 600 * SECOND).unwrap();
    assert_eq!(allowed_in_a_row(&buckets, "a", now), 0);
    assert_eq!(allowed_in_a_row(&buckets, "a", now + 100 * MILLISECOND), 1);
}

#[test]
fn threads_whose_clocks_differ_cannot_mint_by_changing_in_turns() {
    let buckets = table(params(1000.0, 100.0), 100);
    let (slow, fast) = (params(1000.0, 100.0), params(1000.0, 500.0));
    assert_eq!(allowed_in_a_row(&buckets, "k", SECOND), 1000);
    let mut allowed = 0;
    for turn in 0..100 {
        // One thread's clock stands at the start of the second, the other's at its end.
        buckets.set_params("k", fast, SECOND + turn).unwrap();
        allowed += allowed_in_a_row(&buckets, "k", 2 * SECOND);
        buckets.set_params("k", slow, 2 * SECOND).unwrap();
        allowed += allowed_in_a_row(&buckets, "k", 2 * SECOND);
    }
    assert!(allowed <= 500, "{allowed} allowed in one second");
}

#[test]
fn years_of_idleness_leave_a_bucket_full() {
    const YEAR: u64 = 365 * 24 * 3600 * SECOND;
    let buckets = table(params(10.0, 10.0), 100);
    buckets.set_params("slow", params(5.0, 0.001), 0).unwrap();
    for now in [SECOND, 20 * YEAR, 200 * YEAR] {
        assert_eq!(allowed_in_a_row(&buckets, "a", now), 10);
        assert_eq!(allowed_in_a_row(&buckets, "slow", now), 5);
    }
}

#[test]
fn the_fastest_bucket_is_full_after_any_idle_time() {
    let fastest = params(1e6, openclaw_bucket::REFILL_RATE_MAX);
    for idle_s in [1, 55, 59, 60, 61, 63, 64, 65, 68, 100, 1000, 100_000, 5_000_000_000] {
        let buckets = table(fastest, 100);
        buckets.set_params("assigned", params(2e6, openclaw_bucket::REFILL_RATE_MAX), 0).unwrap();
        for key in ["assigned", "default"] {
            assert!(buckets.try_acquire(key, 1e6, SECOND).is_allowed());
        }
        for key in ["assigned", "default"] {
            assert!(
                buckets.try_acquire(key, 1e6, (1 + idle_s) * SECOND).is_allowed(),
                "{key} after {idle_s} s"
            );
        }
    }
}

#[test]
fn a_rate_raised_between_long_idle_times_does_not_confuse_old_positions() {
    let buckets = table(params(10.0, 1.0), 100);
    let mut now = SECOND;
    for key in ["a", "b", "c"] {
        assert_eq!(allowed_in_a_row(&buckets, key, now), 10);
    }
    for exponent in 0..30 {
        now += 3600 * SECOND;
        buckets.set_defaults(params(10.0, 2_f64.powi(exponent)), now);
    }
    now += 70 * SECOND;
    for key in ["a", "b", "c", "unseen"] {
        assert!(allowed_in_a_row(&buckets, key, now) >= 10, "{key}");
    }
}

#[test]
fn the_fastest_and_the_slowest_buckets_hold_their_rates() {
    let buckets = table(params(1.0, 1.0), 100);
    let fastest = params(openclaw_bucket::CAPACITY_MAX, openclaw_bucket::REFILL_RATE_MAX);
    buckets.set_params("fast", fastest, 0).unwrap();
    assert!(buckets.try_acquire("fast", 1.0, 0).is_allowed());
    assert_eq!(buckets.peek("fast", 2 * SECOND).unwrap().level, 2.0 * openclaw_bucket::REFILL_RATE_MAX);
    let slowest = params(1.0, f64::from_bits(1));
    buckets.set_params("slow", slowest, 0).unwrap();
    assert!(buckets.try_acquire("slow", 1.0, 0).is_allowed());
    assert_eq!(buckets.peek("slow", u64::MAX).unwrap().level, 0.0);
}

#[test]
fn the_same_seed_and_calls_give_the_same_decisions() {
    let run = || {
        let buckets = table(params(5.0, 3.0), 10);
        (0..500u64)
            .map(|i| buckets.try_acquire(&format!("k{}", i * 7919 % 23), 1.0, i * 20 * MILLISECOND))
            .collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
}
