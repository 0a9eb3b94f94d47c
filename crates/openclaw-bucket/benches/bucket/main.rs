//! `cargo bench -p openclaw-bucket --bench bucket [-- --json FILE]`: a decision beside governor's, and beside
//! a bare table that only does one compare-and-swap per key.

mod bare;
mod key;
mod memory;
mod sides;

use std::process::ExitCode;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use openclaw_benchkit::{Bench, Better, Options, Row, paired};

use bare::Bare;
use key::{Draws, Key};
use sides::{Governor, Ours, Side};

const RUNS: usize = 7;
const MANY: u32 = 1_000_000;
const FEW: u32 = 1_000;
const VERY_MANY: u32 = 10_000_000;
const CALLS_PER_THREAD: u32 = 1_000_000;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, side, keys, ..] = &args[..]
        && flag == memory::FLAG
    {
        print_figure(memory::measure(side, keys.parse().unwrap_or(MANY)));
        return ExitCode::SUCCESS;
    }
    let options = match Options::from_args(args) {
        Ok(options) => options,
        Err(error) => return error.report(),
    };
    let mut bench = Bench::new("bucket");
    uniform(&mut bench);
    few(&mut bench);
    one_hot_key(&mut bench);
    changes(&mut bench);
    memory_rows(&mut bench);
    bench.finish(&options)
}

#[expect(clippy::print_stdout, reason = "the figure is what the parent process reads")]
fn print_figure(bytes: f64) {
    println!("{bytes}");
}

fn uniform(bench: &mut Bench) {
    let governor = Governor::with_keys(MANY);
    let bare = Bare::with_keys(MANY);
    for (standing, ours) in [("assigned", Ours::assigned(MANY)), ("defaults", Ours::at_defaults(MANY))] {
        for threads in [1, 2] {
            let case = format!("1M keys, {standing}, {threads} thr");
            row(bench, &case, "governor", Some(0.65), &ours, &governor, threads, MANY);
            row(bench, &case, "bare table", Some(1.25), &ours, &bare, threads, MANY);
        }
    }
}

fn few(bench: &mut Bench) {
    let governor = Governor::with_keys(FEW);
    let bare = Bare::with_keys(FEW);
    for (standing, ours) in [("assigned", Ours::assigned(FEW)), ("defaults", Ours::at_defaults(FEW))] {
        for threads in [1, 2] {
            let case = format!("1k keys, {standing}, {threads} thr");
            row(bench, &case, "governor", Some(0.85), &ours, &governor, threads, FEW);
            row(bench, &case, "bare table", None, &ours, &bare, threads, FEW);
        }
    }
}

fn one_hot_key(bench: &mut Bench) {
    let governor = Governor::with_keys(1);
    let bare = Bare::with_keys(1);
    for (standing, ours) in [("assigned", Ours::assigned(1)), ("defaults", Ours::at_defaults(1))] {
        let case = format!("one hot key, {standing}, 2 thr");
        row(bench, &case, "governor", Some(1.0), &ours, &governor, 2, 1);
        row(bench, &case, "bare table", None, &ours, &bare, 2, 1);
    }
}

/// The table beside itself: every hundredth call changes parameters instead of deciding.
fn changes(bench: &mut Bench) {
    for (name, keys) in [("1M", MANY), ("1k", FEW)] {
        let ours = Ours::assigned(keys);
        for threads in [1, 2] {
            let (value, peer_value) =
                paired(RUNS, || time(&ours, threads, keys, 100), || time(&ours, threads, keys, u32::MAX));
            let case = format!("{name} keys, 1 % changes, {threads} thr");
            let (peer, goal) = ("no changes", Some(1.1));
            bench.row(Row { case: &case, unit: "ns", value, peer, peer_value, goal, better: Better::Lower });
        }
    }
}

fn memory_rows(bench: &mut Bench) {
    let peer_value = memory::bytes_per_key("governor", MANY);
    for (name, keys, goal) in [("1M", MANY, Some(0.6)), ("10M", VERY_MANY, None)] {
        let case = format!("memory, {name} keys");
        let value = memory::bytes_per_key("ours", keys);
        let peer = "governor, String, 1M";
        bench.row(Row { case: &case, unit: "B/key", value, peer, peer_value, goal, better: Better::Lower });
    }
}

#[expect(clippy::too_many_arguments, reason = "a row has this many facts, and only this file makes rows")]
fn row(
    bench: &mut Bench,
    case: &str,
    peer: &str,
    goal: Option<f64>,
    ours: &impl Side,
    other: &impl Side,
    threads: u32,
    keys: u32,
) {
    let (value, peer_value) =
        paired(RUNS, || time(ours, threads, keys, u32::MAX), || time(other, threads, keys, u32::MAX));
    bench.row(Row { case, unit: "ns", value, peer, peer_value, goal, better: Better::Lower });
}

/// Nanoseconds of computing time per call on each of `threads`, over uniformly drawn keys; every `change_every`th call
/// changes parameters instead.
fn time(side: &impl Side, threads: u32, keys: u32, change_every: u32) -> f64 {
    let start_line = &StartLine { arrived: AtomicU32::new(0), threads };
    let elapsed_ns: f64 = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..threads)
            .map(|thread| {
                scope.spawn(move || {
                    run(side, start_line, Draws::new(u64::from(thread) + 1), keys, change_every)
                })
            })
            .collect();
        runs.into_iter().map(|run| run.join().expect("no call panics")).sum()
    });
    elapsed_ns / f64::from(threads)
}

/// Where threads wait for each other, awake: those that sleep are woken one after the other and often onto one core,
/// where they take turns instead of competing.
struct StartLine {
    arrived: AtomicU32,
    threads: u32,
}

impl StartLine {
    fn wait(&self) {
        self.arrived.fetch_add(1, Ordering::AcqRel);
        while self.arrived.load(Ordering::Acquire) < self.threads {
            // Gives way only where another thread is ready: there may be fewer cores than threads.
            std::thread::yield_now();
        }
    }
}

fn run(side: &impl Side, start_line: &StartLine, mut draws: Draws, keys: u32, change_every: u32) -> f64 {
    start_line.wait();
    let start = cpu_time();
    let mut allowed = 0_u32;
    let mut until_change = change_every;
    for call in 0..CALLS_PER_THREAD {
        let key = Key::new(draws.below(keys));
        until_change -= 1;
        if until_change == 0 {
            until_change = change_every;
            side.change(key, call);
        } else {
            allowed += u32::from(side.decide(key));
        }
    }
    let elapsed = cpu_time() - start;
    // A refusal would spare the write and flatter its side.
    assert!(allowed > CALLS_PER_THREAD / 100 * 98, "only {allowed} calls were allowed");
    elapsed.as_nanos() as f64 / f64::from(CALLS_PER_THREAD)
}

/// What this thread has computed so far: unlike the time of day, it stands still while another process has
/// the core.
fn cpu_time() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(now).expect("time that was used is not negative")
}
