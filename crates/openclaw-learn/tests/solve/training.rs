//! Training and judging on the standard problems.

use openclaw_learn::{Action, ActionSpace, Actor, Copies, End, Env, Learner, Policy, choice};
use std::num::NonZeroUsize;

/// Copies of one problem, stepped on this thread.
pub(crate) fn copies<E: Env + Default>(count: usize) -> Copies<E> {
    Copies::new((0..count).map(|_| E::default()).collect(), NonZeroUsize::MIN)
}

/// Runs iterations until so many steps are done.
pub(crate) fn train<E: Env>(learner: &mut dyn Learner, env: &mut Copies<E>, steps: u64) {
    while learner.iterate(env).expect("learning goes well").steps < steps {}
}

/// The mean sum of rewards of a policy without exploration, over episodes that were not trained on.
pub(crate) fn mean_return<E: Env + Default>(policy: &Policy, episodes: u64) -> f64 {
    let mut actor = Actor::new(policy).expect("what was learned is a network");
    let mut env = E::default();
    let layout = env.layout();
    let (mut observation, mut action) = (vec![0.0; layout.observation()], vec![0.0; layout.outputs()]);
    let mut sum = 0.0;
    for episode in 0..episodes {
        env.reset(u64::MAX - episode, &mut observation);
        loop {
            actor.act(&observation, &mut action);
            let taken = match env.action() {
                ActionSpace::Continuous { .. } => Action::Continuous(&action),
                ActionSpace::Discrete { .. } => Action::Discrete(choice(&action) as u32),
            };
            let (reward, end) = env.step(taken, &mut observation);
            sum += f64::from(reward);
            if end != End::Running {
                break;
            }
        }
    }
    sum / episodes as f64
}
