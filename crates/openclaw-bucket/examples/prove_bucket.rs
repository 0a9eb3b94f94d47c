//! Zero overshoot under stress: two threads hammer a few keys with all their might, rounds of fixed
//! parameters and rounds of changing ones, and after every round each key's books must balance.
//!
//! `cargo run --release -p openclaw-bucket --example prove_bucket -- [--decisions N]` (10^8 unless given)

use std::process::ExitCode;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};

use openclaw_bucket::{BucketParams, HashSeed, KeyedBuckets, Settings};

const THREADS: u64 = 2;
const KEYS: usize = 8;
/// At whole 512ths of a second every refill is a whole number of units, so the books balance exactly.
const TICK_NS: u64 = 1_953_125;
const TICKS_PER_ROUND: u64 = 512;
const DECISIONS_PER_ROUND: u64 = 1_000_000;

fn main() -> ExitCode {
    let decisions = match decisions(std::env::args().skip(1)) {
        Ok(decisions) => decisions,
        Err(problem) => {
            eprintln!("error: {problem}\nusage: prove_bucket [--decisions N]");
            return ExitCode::from(2);
        }
    };
    let rounds = decisions.div_ceil(DECISIONS_PER_ROUND).max(2);
    let defaults = params(200.0, 300.0);
    let buckets = KeyedBuckets::new(Settings::new(defaults, KEYS, HashSeed::new([2026, 11])));
    let mut books = Books { now_ns: TICK_NS, allowed: 0, violations: 0 };
    for round in 0..rounds {
        play(&buckets, round, &mut books);
    }
    report(rounds * DECISIONS_PER_ROUND, &books)
}

/// What the rounds came to.
struct Books {
    now_ns: u64,
    allowed: u64,
    violations: u64,
}

fn decisions(mut args: impl Iterator<Item = String>) -> Result<u64, String> {
    match (args.next().as_deref(), args.next(), args.next()) {
        (None, ..) => Ok(100_000_000),
        (Some("--decisions"), Some(number), None) => {
            number.parse().map_err(|_| format!("{number:?} is not a number of decisions"))
        }
        (Some(other), ..) => Err(format!("{other:?} was not understood")),
    }
}

fn params(capacity: f64, refill_rate: f64) -> BucketParams {
    BucketParams::new(capacity, refill_rate).expect("constants in range")
}

fn key(index: usize) -> String {
    format!("key-{index}")
}

/// The parameters that a round of changes switches between; whole numbers, so that sums of tokens are exact.
fn drawn(step: u64) -> BucketParams {
    params(100.0 + (step % 7) as f64 * 50.0, 100.0 + (step % 5) as f64 * 100.0)
}

/// The fastest that [`drawn`] and the fixed rounds refill.
const REFILL_RATE_MAX: f64 = 500.0;

/// One round: both threads decide until their share is used up; in every other round they also change
/// parameters, one call in a hundred. Then what each key was given is held against what it had.
fn play(buckets: &KeyedBuckets, round: u64, books: &mut Books) {
    let changing = round % 2 == 1;
    let (start_ns, end_ns) = (books.now_ns, books.now_ns + TICKS_PER_ROUND * TICK_NS);
    let fixed = drawn(round);
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
                hammer(buckets, round * THREADS + thread, start_ns, changing, taken);
            });
        }
    });
    let seconds = (end_ns - start_ns) as f64 / 1e9;
    for index in 0..KEYS {
        let given = taken[index].load(Ordering::Relaxed) as f64;
        let refill_rate = match (changing, index % 2) {
            (true, _) => REFILL_RATE_MAX,
            (false, 0) => fixed.refill_rate(),
            (false, _) => buckets.defaults().refill_rate(),
        };
        let left = level(buckets, index, end_ns);
        // Exact: whole tokens and multiples of 2^-20 of them, far below 2^53.
        if given + left > held[index] + refill_rate * seconds {
            eprintln!(
                "overshoot in round {round}: {} was given {given} and holds {left}, had {}",
                key(index),
                held[index]
            );
            books.violations += 1;
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
fn hammer(buckets: &KeyedBuckets, seed: u64, start_ns: u64, changing: bool, taken: &[AtomicU64]) {
    let keys: Vec<String> = (0..KEYS).map(key).collect();
    let calls = DECISIONS_PER_ROUND / THREADS;
    let step_ns = TICKS_PER_ROUND * TICK_NS / calls;
    let mut draw = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for call in 0..calls {
        draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let index = (draw >> 61) as usize;
        let now_ns = start_ns + call * step_ns;
        if changing && call.is_multiple_of(100) && index.is_multiple_of(2) {
            buckets.set_params(&keys[index], drawn(draw >> 32), now_ns).expect("room for every key");
        }
        let cost = 1 + (draw >> 40) % 3;
        if buckets.try_acquire(&keys[index], cost as f64, now_ns).is_allowed() {
            taken[index].fetch_add(cost, Ordering::Relaxed);
        }
    }
}

#[expect(clippy::print_stdout, reason = "the verdict is what a proof is run for")]
fn report(decisions: u64, books: &Books) -> ExitCode {
    println!("{decisions} decisions, {} tokens allowed, {} overshoots", books.allowed, books.violations);
    if books.violations == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
