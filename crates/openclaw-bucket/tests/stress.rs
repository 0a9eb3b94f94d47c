//! Zero overshoot under stress: two threads hammer a few keys with all their might, rounds of fixed
//! parameters and rounds of changing ones, and after every round each key's books must balance.
//!
//! `OPENCLAW_PROVE_DECISIONS=100000000 cargo test --release -p openclaw-bucket --test stress` runs the full count.
#![cfg(not(loom))]

use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};

use openclaw_bucket::{BucketParams, HashSeed, KeyedBuckets, Settings};

const THREADS: u64 = 2;
const KEYS: usize = 8;
/// At whole 512ths of a second every refill is a whole number of units, so the books balance exactly.
const TICK_NS: u64 = 1_953_125;
const TICKS_PER_ROUND: u64 = 512;
const DECISIONS_PER_ROUND: u64 = 1_000_000;

#[test]
fn two_threads_never_overshoot_whatever_changes_under_them() {
    let rounds = decisions().div_ceil(DECISIONS_PER_ROUND).max(2);
    let buckets = KeyedBuckets::new(Settings::new(params(200.0, 300.0), KEYS, HashSeed::new([2026, 11])));
    let mut books = Books { now_ns: TICK_NS, allowed: 0, overshoots: Vec::new() };
    for round in 0..rounds {
        play(&buckets, round, &mut books);
    }
    println!("{} decisions, {} tokens allowed", rounds * DECISIONS_PER_ROUND, books.allowed);
    assert!(books.allowed > 0, "nothing was tested");
    assert!(books.overshoots.is_empty(), "{} overshoots: {:#?}", books.overshoots.len(), books.overshoots);
}

/// What the rounds came to.
struct Books {
    now_ns: u64,
    allowed: u64,
    overshoots: Vec<String>,
}

/// How many decisions to make in all.
fn decisions() -> u64 {
    match std::env::var("OPENCLAW_PROVE_DECISIONS") {
        Ok(number) => number.parse().expect("OPENCLAW_PROVE_DECISIONS is a whole number"),
        Err(_) => 4 * DECISIONS_PER_ROUND,
    }
}

fn params(capacity: f64, refill_rate: f64) -> BucketParams {
    BucketParams::new(capacity, refill_rate).expect("constants in range")
}

fn key(index: usize) -> String {
    format!("key-{index}")
}

/// The parameters that a round of changes switches between; whole numbers, so that sums of tokens are exact.
fn drawn(step: u64, scale: f64) -> BucketParams {
    params(scale * (100.0 + (step % 7) as f64 * 50.0), scale * (100.0 + (step % 5) as f64 * 100.0))
}

/// The fastest that [`drawn`] and the fixed rounds refill.
const REFILL_RATE_MAX: f64 = 500.0;

/// One round: both threads decide until their share is used up; in every other round they also change
/// parameters, one call in a hundred. Then what each key was given is held against what it had.
fn play(buckets: &KeyedBuckets, round: u64, books: &mut Books) {
    let changing = round % 2 == 1;
    let (start_ns, end_ns) = (books.now_ns, books.now_ns + TICKS_PER_ROUND * TICK_NS);
    // Rounds in which most is refused, and rounds in which half is allowed.
    let scale = if round % 4 < 2 { 1.0 } else { 500.0 };
    let fixed = drawn(round, scale);
    for index in (0..KEYS).step_by(2) {
        buckets.set_params(&key(index), fixed, start_ns).expect("room for every key");
    }
    let held: Vec<f64> = (0..KEYS).map(|index| level(buckets, index, start_ns)).collect();
    let taken: Vec<AtomicU64> = (0..KEYS).map(|_| AtomicU64::new(0)).collect();
    let start_line = Barrier::new(THREADS as usize);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (taken, start_line) = (&taken, &start_line);
            scope.spawn(move || {
                start_line.wait();
                let change = changing.then_some(scale);
                hammer(buckets, round * THREADS + thread, start_ns, change, taken);
            });
        }
    });
    let seconds = (end_ns - start_ns) as f64 / 1e9;
    for index in 0..KEYS {
        let given = taken[index].load(Ordering::Relaxed) as f64;
        let refill_rate = match (changing, index % 2) {
            (true, 0) => scale * REFILL_RATE_MAX,
            (false, 0) => fixed.refill_rate(),
            _ => buckets.defaults().refill_rate(),
        };
        let left = level(buckets, index, end_ns);
        // Exact: whole tokens and multiples of 2^-20 of them, far below 2^53.
        if given + left > held[index] + refill_rate * seconds {
            let had = held[index];
            books
                .overshoots
                .push(format!("round {round}, key {index}: given {given}, holds {left}, had {had}"));
        }
        books.allowed += taken[index].load(Ordering::Relaxed);
    }
    books.now_ns = end_ns;
}

fn level(buckets: &KeyedBuckets, index: usize, now_ns: u64) -> f64 {
    // A key not seen yet stands where an idle one does: full.
    buckets.peek(&key(index), now_ns).map_or_else(|| buckets.defaults().capacity(), |snapshot| snapshot.level)
}

/// One thread's share of a round, its clock running from the round's start to its end.
fn hammer(buckets: &KeyedBuckets, seed: u64, start_ns: u64, change: Option<f64>, taken: &[AtomicU64]) {
    let keys: Vec<String> = (0..KEYS).map(key).collect();
    let calls = DECISIONS_PER_ROUND / THREADS;
    let step_ns = TICKS_PER_ROUND * TICK_NS / calls;
    let mut draw = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for call in 0..calls {
        draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let index = (draw >> 61) as usize;
        let now_ns = start_ns + call * step_ns;
        if let Some(scale) = change
            && call.is_multiple_of(100)
            && index.is_multiple_of(2)
        {
            buckets.set_params(&keys[index], drawn(draw >> 32, scale), now_ns).expect("room for every key");
        }
        let cost = 1 + (draw >> 40) % 3;
        if buckets.try_acquire(&keys[index], cost as f64, now_ns).is_allowed() {
            taken[index].fetch_add(cost, Ordering::Relaxed);
        }
    }
}
