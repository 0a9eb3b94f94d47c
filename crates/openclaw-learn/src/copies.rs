//! Copies of a single environment as a [`VecEnv`], stepped by as many threads as asked for.
//!
//! Each copy draws from a seed of its own and each thread owns a run of whole copies, so that no result depends on how
//! the threads take turns. Threads are scoped to one step: starting them costs tens of microseconds, which a pool with
//! channels would save, but only steps of a millisecond and more are worth sharing out at all.

use crate::environment::{ActionSpace, Actions, End, EnvSpec, StepOut, VecEnv};
use openclaw_controller::policy::Layout;
use std::num::NonZeroUsize;
use std::thread;

/// One world in which one action is taken at a time.
pub trait Env: Send {
    /// The shape of what it takes.
    fn action(&self) -> ActionSpace;

    /// How observation and action are cut.
    fn layout(&self) -> Layout;

    /// Begins an episode that follows from the seed and the actions alone, and writes its first observation.
    fn reset(&mut self, seed: u64, observation: &mut [f32]);

    /// Takes one action, writes the observation after it and gives the reward and whether the episode goes on.
    fn step(&mut self, action: Action<'_>, observation: &mut [f32]) -> (f32, End);
}

/// One action in one copy.
#[derive(Debug, Clone, Copy)]
pub enum Action<'a> {
    /// Each number in [-1, 1].
    Continuous(&'a [f32]),
    /// One of the choices.
    Discrete(u32),
}

/// Copies of one environment.
#[derive(Debug)]
pub struct Copies<E> {
    copies: Vec<Copy<E>>,
    threads: usize,
}

#[derive(Debug)]
struct Copy<E> {
    env: E,
    seed: u64,
    episode: u64,
}

impl<E: Env> Copies<E> {
    /// Copies that may differ in their settings but not in their shapes.
    ///
    /// # Panics
    /// Where there is none, or two differ in shape.
    #[must_use]
    pub fn new(envs: Vec<E>, threads: NonZeroUsize) -> Self {
        assert!(!envs.is_empty(), "at least one environment is needed");
        let shape = (envs[0].action(), envs[0].layout());
        assert!(envs.iter().all(|env| (env.action(), env.layout()) == shape), "environments differ in shape");
        let copies = envs.into_iter().map(|env| Copy { env, seed: 0, episode: 0 }).collect();
        Self { copies, threads: threads.get() }
    }
}

impl<E: Env> VecEnv for Copies<E> {
    fn spec(&self) -> EnvSpec {
        let first = &self.copies[0].env;
        let layout = first.layout();
        let observation_len = layout.observation();
        EnvSpec { envs: self.copies.len(), observation_len, action: first.action(), layout }
    }

    fn reset(&mut self, seed: u64, observations: &mut [f32]) {
        let rows = observations.chunks_exact_mut(self.spec().observation_len);
        for (index, (copy, row)) in (0..).zip(self.copies.iter_mut().zip(rows)) {
            (copy.seed, copy.episode) = (mix(seed ^ mix(index)), 0);
            copy.begin(row);
        }
    }

    fn step(&mut self, actions: Actions<'_>, out: &mut StepOut) {
        let spec = self.spec();
        let share = self.copies.len().div_ceil(self.threads);
        let wide = share * spec.observation_len;
        let mut shares = self
            .copies
            .chunks_mut(share)
            .zip(cut(actions, &spec, share))
            .zip(out.observations.chunks_mut(wide))
            .zip(out.final_observations.chunks_mut(wide))
            .zip(out.rewards.chunks_mut(share))
            .zip(out.ends.chunks_mut(share))
            .map(|(((((copies, actions), observations), finals), rewards), ends)| Share {
                copies,
                actions,
                observations,
                finals,
                rewards,
                ends,
            });
        let Some(own) = shares.next() else { return };
        thread::scope(|scope| {
            for share in shares {
                scope.spawn(|| share.step(&spec));
            }
            own.step(&spec);
        });
    }
}

impl<E: Env> Copy<E> {
    fn begin(&mut self, observation: &mut [f32]) {
        self.env.reset(mix(self.seed ^ mix(self.episode)), observation);
        self.episode += 1;
    }
}

/// What one thread steps.
struct Share<'a, E> {
    copies: &'a mut [Copy<E>],
    actions: Actions<'a>,
    observations: &'a mut [f32],
    finals: &'a mut [f32],
    rewards: &'a mut [f32],
    ends: &'a mut [End],
}

impl<E: Env> Share<'_, E> {
    fn step(self, spec: &EnvSpec) {
        let wide = spec.observation_len;
        let rows = self.observations.chunks_exact_mut(wide).zip(self.finals.chunks_exact_mut(wide));
        let results = self.rewards.iter_mut().zip(self.ends.iter_mut());
        let rows = rows.zip(results);
        for (index, (copy, ((observation, last), (reward, end)))) in
            self.copies.iter_mut().zip(rows).enumerate()
        {
            (*reward, *end) = copy.env.step(one(self.actions, spec, index), observation);
            if *end != End::Running {
                last.copy_from_slice(observation);
                copy.begin(observation);
            }
        }
    }
}

/// The actions of each thread's copies.
fn cut<'a>(actions: Actions<'a>, spec: &EnvSpec, share: usize) -> Vec<Actions<'a>> {
    match actions {
        Actions::Continuous(actions) => {
            actions.chunks(share * spec.layout.outputs()).map(Actions::Continuous).collect()
        }
        Actions::Discrete(actions) => actions.chunks(share).map(Actions::Discrete).collect(),
    }
}

/// The action of one copy.
fn one<'a>(actions: Actions<'a>, spec: &EnvSpec, index: usize) -> Action<'a> {
    match actions {
        Actions::Continuous(actions) => {
            let len = spec.layout.outputs();
            Action::Continuous(&actions[index * len..(index + 1) * len])
        }
        Actions::Discrete(actions) => Action::Discrete(actions[index]),
    }
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): neighbouring numbers give unrelated seeds.
pub(crate) const fn mix(number: u64) -> u64 {
    let z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests;
