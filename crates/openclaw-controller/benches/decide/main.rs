//! `cargo bench -p openclaw-controller --bench decide [-- --json FILE]`: what one decision of a learned policy costs, and
//! one water level over a million users.
//!
//! Two goals are absolute, so their peer is the budget itself. The forward pass stands beside the same network
//! written as plain loops over its weights, which is what a first implementation would do.

mod plain;
mod world;

use std::process::ExitCode;
use std::time::Instant;

use openclaw_benchkit::{Bench, Better, Options, RUNS_MIN, Row, median, ns_per_call, paired};
use openclaw_controller::policy::{Forward, LAYOUT, Network, OBSERVATION, Path, PolicyHead};
use openclaw_controller::{Action, Controller, LittleGuard, SharedAction};

use world::{Parts, START_PER_S, World};

/// What a decision may cost.
const DECISION_NS: f64 = 1_000.0;
/// What the water level of a tick may cost.
const LEVEL_NS: f64 = 10_000.0;
const TICKS: usize = 2_000;
const CALLS: u64 = 20_000;
const LEVEL_CALLS: u64 = 200;

fn main() -> ExitCode {
    let options = match Options::from_args(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => return error.report(),
    };
    let mut bench = Bench::new("decide");
    let network = world::network();
    decisions(&mut bench, &network);
    parts(&mut bench, &network);
    forward_passes(&mut bench, &network);
    water_level(&mut bench);
    bench.finish(&options)
}

/// A whole decision on a service with four classes and two dependencies that is reported to between decisions, and on a
/// plain one.
fn decisions(bench: &mut Bench, network: &Network) {
    let mut world = World::warm(1_000, Parts::Many);
    let mut policy = world::policy(network);
    let learned = median_of_runs(|| world.p50_ns(TICKS, &mut policy));
    row(
        bench,
        "decision, learned: observe, features, forward pass, guardrails",
        learned,
        "budget",
        DECISION_NS,
        1.0,
    );
    let mut plain = World::warm(1_000, Parts::Plain);
    let mut policy = world::policy(network);
    let learned = median_of_runs(|| plain.p50_ns(TICKS, &mut policy));
    row(bench, "decision, learned: one class, no dependency", learned, "budget", DECISION_NS, 1.0);
    let mut classical = LittleGuard::new(START_PER_S);
    let little_guard = median_of_runs(|| world.p50_ns(TICKS, &mut classical));
    row(bench, "decision, little-guard: observe, rule", little_guard, "budget", DECISION_NS, 1.0);
}

/// Where the time of a decision goes.
fn parts(bench: &mut Bench, network: &Network) {
    let seen = World::warm(1_000, Parts::Many).observation();
    let mut policy = world::policy(network);
    let mut head = PolicyHead::new(START_PER_S);
    let (mut observation, outputs) = ([0.0; OBSERVATION], vec![0.25; LAYOUT.outputs()]);
    let (all, features) = paired(
        RUNS_MIN,
        || ns_per_call(CALLS, |_| policy.decide(&seen)),
        || ns_per_call(CALLS, |_| head.features(&seen, &mut observation)),
    );
    inform(bench, "features, forward pass, guardrails", all, "features alone", features);
    let (actions, features) = paired(
        RUNS_MIN,
        || ns_per_call(CALLS, |_| head.action(&seen, &outputs).guardrail),
        || {
            let mut head = PolicyHead::new(START_PER_S);
            ns_per_call(CALLS, |_| head.features(&seen, &mut observation))
        },
    );
    inform(bench, "guardrails and action", actions, "features alone", features);
}

fn forward_passes(bench: &mut Bench, network: &Network) {
    let mut head = PolicyHead::new(START_PER_S);
    let mut observation = [0.0; OBSERVATION];
    head.features(&World::warm(1_000, Parts::Many).observation(), &mut observation);
    let mut output = vec![0.0; network.layout.outputs()];
    for path in Path::available() {
        let Ok(forward) = Forward::new(network).map(|forward| forward.over(path)) else { continue };
        let Ok(forward) = forward else { continue };
        let mut scratch = forward.scratch();
        let calls = if path == Path::Scalar { CALLS / 20 } else { CALLS };
        let (value, peer) = paired(
            RUNS_MIN,
            || ns_per_call(calls, |_| forward.run(&observation, &mut scratch, &mut output)),
            || ns_per_call(CALLS / 4, |_| plain::run(network, &observation)),
        );
        let goal = (path != Path::Scalar).then_some(0.5);
        let case = format!("forward pass, {path:?}");
        bench.row(Row {
            case: &case,
            unit: "ns",
            value,
            peer: "plain loops",
            peer_value: peer,
            goal,
            better: Better::Lower,
        });
    }
}

/// The share of a tick that depends on the number of users.
fn water_level(bench: &mut Bench) {
    let mut few = World::warm(1_000, Parts::Many);
    let mut many = World::warm(1_000_000, Parts::Many);
    let action = Action::Shared(SharedAction::new(300.0, Some(0.1), 1.5, 2.9));
    let (observation_few, observation_many) = (few.observation(), many.observation());
    let (many_ns, few_ns) = paired(
        RUNS_MIN,
        || ns_per_call(LEVEL_CALLS, |_| many.act(&observation_many, action)),
        || ns_per_call(LEVEL_CALLS, |_| few.act(&observation_few, action)),
    );
    row(bench, "water level, 1M users", many_ns, "budget", LEVEL_NS, 1.0);
    inform(bench, "water level, 1M users, beside few", many_ns, "1,000 users", few_ns);
}

fn median_of_runs(mut run: impl FnMut() -> f64) -> f64 {
    let mut runs: Vec<f64> = (0..RUNS_MIN).map(|_| run()).collect();
    median(&mut runs)
}

fn row(bench: &mut Bench, case: &str, value: f64, peer: &str, peer_value: f64, goal: f64) {
    bench.row(Row { case, unit: "ns", value, peer, peer_value, goal: Some(goal), better: Better::Lower });
}

fn inform(bench: &mut Bench, case: &str, value: f64, peer: &str, peer_value: f64) {
    bench.row(Row { case, unit: "ns", value, peer, peer_value, goal: None, better: Better::Lower });
}

/// Nanoseconds of one call.
fn timed_ns<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let start = Instant::now();
    let result = work();
    (start.elapsed().as_nanos() as f64, result)
}
