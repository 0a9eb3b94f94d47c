//! PPO beside stable-baselines3's, at equal settings on one thread each: steps per second of the whole training, and
//! the return of what was trained. Beside them, stable-baselines3's own defaults (its threads included), and how long
//! the learning of a whole run for the service takes.

mod peer;

use openclaw_benchkit::{Bench, Better, Options, RUNS_MIN, Row, median, paired};
use openclaw_learn::problems::CartPole;
use openclaw_learn::{
    Action, ActionSpace, Actions, Actor, Compute, Copies, End, Env, EnvSpec, Layout, Learner, Policy, Ppo,
    PpoSettings, StepOut, VecEnv, choice,
};
use peer::Peer;
use std::cell::RefCell;
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::time::Instant;

/// What both sides are given.
struct Case {
    name: &'static str,
    envs: usize,
    ticks: usize,
    minibatch: usize,
    epochs: usize,
    steps: u64,
}

const EQUAL: Case = Case { name: "equal", envs: 8, ticks: 256, minibatch: 256, epochs: 4, steps: 102_400 };
/// stable-baselines3's defaults; the peer takes all of its others as well.
const DEFAULT: Case =
    Case { name: "default", envs: 1, ticks: 2048, minibatch: 64, epochs: 10, steps: 20_480 };

fn main() -> ExitCode {
    let options = match Options::from_args(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => return error.report(),
    };
    let peer = match Peer::start() {
        Ok(peer) => RefCell::new(peer),
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut bench = Bench::new("train");
    let named = peer.borrow().name();
    compare(&mut bench, &EQUAL, &peer, &named);
    compare(&mut bench, &DEFAULT, &peer, &named);
    whole_run(&mut bench);
    bench.finish(&options)
}

fn compare(bench: &mut Bench, case: &Case, peer: &RefCell<Peer>, named: &str) {
    let (mut returns, mut peer_returns) = (Vec::new(), Vec::new());
    let mut seeds = 1..;
    let (value, peer_value) = paired(
        RUNS_MIN,
        || {
            let (steps_per_s, mean_return) = train(case, seeds.next().expect("seeds do not end"));
            returns.push(mean_return);
            steps_per_s
        },
        || {
            let seed = peer_returns.len() as u64 + 1;
            let (steps_per_s, mean_return) = peer.borrow_mut().train(case, seed);
            peer_returns.push(mean_return);
            steps_per_s
        },
    );
    let Case { name, envs, ticks, minibatch, epochs, steps } = case;
    let shape = format!("{envs} x {ticks} steps, minibatch {minibatch}, {epochs} epochs, 2 x 64");
    let equal = *name == EQUAL.name;
    let whose = if equal { String::new() } else { ", its defaults".to_owned() };
    bench.row(Row {
        case: &format!("PPO on CartPole, {shape}"),
        unit: "steps/s",
        value,
        peer: &format!("{named}{whose}"),
        peer_value,
        goal: equal.then_some(5.0),
        better: Better::Higher,
    });
    bench.row(Row {
        case: &format!("return after {steps} of these steps"),
        unit: "mean return",
        value: median(&mut returns),
        peer: &format!("{named}{whose}"),
        peer_value: median(&mut peer_returns),
        goal: equal.then_some(0.95),
        better: Better::Higher,
    });
}

/// Steps per second, and the mean return of the policy that came of it over 20 fresh episodes.
fn train(case: &Case, seed: u64) -> (f64, f64) {
    let settings = PpoSettings {
        hidden: vec![64, 64],
        steps: case.steps,
        ticks: case.ticks,
        minibatch: case.minibatch,
        epochs: case.epochs,
        learning_rate: 1e-3,
        gamma: 0.98,
        kl_stop: 0.0,
        normalise_observations: false,
        ..PpoSettings::default()
    };
    let mut env = Copies::new(vec![CartPole::default(); case.envs], NonZeroUsize::MIN);
    let (learner, seconds) = timed(settings, &mut env, seed);
    (case.steps as f64 / seconds, mean_return(&learner.policy(), 20))
}

/// A whole run, and the seconds it took.
fn timed(settings: PpoSettings, env: &mut dyn VecEnv, seed: u64) -> (Ppo, f64) {
    let steps = settings.steps;
    let mut learner =
        Ppo::new(settings, env.spec(), seed, Compute::cpu()).expect("the settings fit the environment");
    let start = Instant::now();
    while learner.iterate(env).expect("learning goes well").steps < steps {}
    (learner, start.elapsed().as_secs_f64())
}

fn mean_return(policy: &Policy, episodes: u64) -> f64 {
    let mut actor = Actor::new(policy).expect("what was learned is a network");
    let mut cart = CartPole::default();
    let (mut observation, mut scores) = ([0.0; 4], [0.0; 2]);
    let mut sum = 0.0;
    for episode in 0..episodes {
        cart.reset(u64::MAX - episode, &mut observation);
        loop {
            actor.act(&observation, &mut scores);
            let (reward, end) = cart.step(Action::Discrete(choice(&scores) as u32), &mut observation);
            sum += f64::from(reward);
            if end != End::Running {
                break;
            }
        }
    }
    sum / episodes as f64
}

/// The learning of a run with the service's shapes, in an environment that costs nothing: one update's worth of steps
/// is measured several times, and a run has so many of them. The peer is the minute that it may take.
fn whole_run(bench: &mut Bench) {
    const MINUTE: f64 = 60.0;
    let defaults = PpoSettings::default();
    for (name, slots) in [("45 features", 0), ("45 features, 4 of them in each of 4 slots", 4)] {
        let mut env = Idle { layout: shapes(slots) };
        let iteration = (env.spec().envs * defaults.ticks) as u64;
        let mut seconds = (1..=RUNS_MIN as u64)
            .map(|seed| {
                let settings = PpoSettings { steps: 5 * iteration, kl_stop: 0.0, ..defaults.clone() };
                timed(settings, &mut env, seed).1 / 5.0
            })
            .collect::<Vec<_>>();
        bench.row(Row {
            case: &format!("learning of 2,500,000 steps, 64 x 128 steps, {name}"),
            unit: "s",
            value: median(&mut seconds) * defaults.steps as f64 / iteration as f64,
            peer: "a minute",
            peer_value: MINUTE,
            goal: Some(1.0),
            better: Better::Lower,
        });
    }
}

fn shapes(slots: usize) -> Layout {
    match slots {
        0 => Layout { shared: 45, slots: 0, slot: 0, actions_shared: 2, actions_slot: 0 },
        _ => Layout { shared: 45 - 4 * slots, slots, slot: 4, actions_shared: 2, actions_slot: 2 },
    }
}

/// Shows noise and rewards nothing that is done.
struct Idle {
    layout: Layout,
}

impl Idle {
    fn show(&self, seed: u64, observations: &mut [f32]) {
        let mut state = seed | 1;
        for value in observations.iter_mut() {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            *value = (state % 2000) as f32 / 1000.0 - 1.0;
        }
        for row in observations.chunks_exact_mut(self.layout.observation()) {
            row[self.layout.shared..]
                .chunks_exact_mut(self.layout.slot.max(1))
                .for_each(|slot| slot[0] = 1.0);
        }
    }
}

impl VecEnv for Idle {
    fn spec(&self) -> EnvSpec {
        let action = ActionSpace::Continuous { len: self.layout.outputs() };
        EnvSpec { envs: 64, observation_len: self.layout.observation(), action, layout: self.layout }
    }

    fn reset(&mut self, seed: u64, observations: &mut [f32]) {
        self.show(seed, observations);
    }

    fn step(&mut self, actions: Actions<'_>, out: &mut StepOut) {
        let Actions::Continuous(actions) = actions else { return };
        self.show(u64::from(actions[0].to_bits()), &mut out.observations);
        let len = self.layout.outputs();
        for (reward, action) in out.rewards.iter_mut().zip(actions.chunks_exact(len)) {
            *reward = action[0];
        }
    }
}
