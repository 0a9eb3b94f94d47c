//! Deep Q-learning (Mnih et al. 2015) for discrete choices, with the double estimate of van Hasselt et al. ("Deep
//! Reinforcement Learning with Double Q-learning", 2016): the online network chooses the next action, the target
//! network says what it is worth, which keeps lucky errors from being believed.
//!
//! The details that matter: experience replay; Huber loss, so that a surprise pulls with at most its sign; a target
//! network that follows by Polyak averaging (Lillicrap et al. 2016) instead of jumping every few thousand steps, which
//! is smoother at no cost; exploration by a random choice whose probability falls linearly; truncated steps are
//! bootstrapped from their final observation. Duelling heads, prioritised replay and n-step returns were left out.

use crate::adam::{Learned, LearnedState};
use crate::checkpoint;
use crate::compute::{Compute, numbers};
use crate::distributions::chosen;
use crate::environment::{ActionSpace, Actions, EnvSpec, VecEnv};
use crate::interaction::{Interaction, InteractionState};
use crate::learner::{CheckpointError, LearnError, Learner, Progress, check};
use crate::networks::ActorNetwork;
use crate::parameters::Parameters;
use crate::policy::{Output, Policy, choice};
use crate::replay::{Batch, Replay};
use crate::rows::row_len;
use burn_tensor::Tensor;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

const NAME: &str = "dqn";

/// What DQN learns by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct DqnSettings {
    /// Widths of the hidden layers.
    pub hidden: Vec<usize>,
    /// Ticks of every copy in an iteration.
    pub ticks: usize,
    /// Gradient steps after each tick.
    pub updates_per_tick: usize,
    /// Steps drawn for a gradient step.
    pub batch: usize,
    /// Steps that are kept.
    pub replay_steps: usize,
    /// Steps before the first gradient step.
    pub warmup_steps: u64,
    /// Adam's step.
    pub learning_rate: f64,
    /// What a reward one step later is worth.
    pub gamma: f64,
    /// How far the target network moves towards the online one at each gradient step.
    pub target_fraction: f64,
    /// The probability of a random choice at the end; it is 1 at the beginning.
    pub exploration_end: f64,
    /// Steps until it is reached.
    pub exploration_steps: u64,
    /// The longest gradient.
    pub gradient_norm_max: f64,
    /// Whether observations are normalised by the mean and deviation they had in the warm-up.
    pub normalise_observations: bool,
}

impl Default for DqnSettings {
    fn default() -> Self {
        Self {
            hidden: vec![64, 64],
            ticks: 32,
            updates_per_tick: 4,
            batch: 128,
            replay_steps: 100_000,
            warmup_steps: 1_000,
            learning_rate: 5e-4,
            gamma: 0.97,
            target_fraction: 0.01,
            exploration_end: 0.05,
            exploration_steps: 20_000,
            gradient_norm_max: 10.0,
            normalise_observations: true,
        }
    }
}

impl DqnSettings {
    fn check(&self) -> Result<(), LearnError> {
        check(NAME, "hidden", "one or more widths above 0", {
            !self.hidden.is_empty() && self.hidden.iter().all(|width| *width > 0)
        })?;
        check(NAME, "ticks, batch and replay_steps", "above 0", {
            self.ticks > 0 && self.batch > 0 && self.replay_steps > 0
        })?;
        let positive = self.learning_rate > 0.0 && self.gradient_norm_max > 0.0;
        check(NAME, "learning_rate and gradient_norm_max", "above 0", positive)?;
        let fractions = [self.gamma, self.target_fraction, self.exploration_end];
        let within = fractions.iter().all(|value| (0.0..=1.0).contains(value));
        check(NAME, "gamma, target_fraction and exploration_end", "from 0 to 1", within)
    }
}

/// A DQN run.
#[derive(Debug)]
pub struct Dqn {
    settings: DqnSettings,
    compute: Compute,
    interaction: Interaction,
    network: ActorNetwork,
    online: Learned,
    target: Parameters,
    replay: Replay,
    rng: ChaCha8Rng,
}

#[derive(Serialize, Deserialize)]
struct State {
    interaction: InteractionState,
    online: LearnedState,
    target: Vec<f32>,
    replay: Replay,
}

/// Sums over an iteration.
#[derive(Default)]
struct Report {
    loss: f64,
    value: f64,
    updates: f64,
}

impl Dqn {
    /// Begins a run.
    ///
    /// # Errors
    /// The shapes do not fit together, actions are not discrete, or a setting is out of its range.
    pub fn new(
        settings: DqnSettings,
        spec: EnvSpec,
        seed: u64,
        compute: Compute,
    ) -> Result<Self, LearnError> {
        spec.check()?;
        settings.check()?;
        if !matches!(spec.action, ActionSpace::Discrete { .. }) {
            return Err(LearnError::Actions { algorithm: NAME, needs: "discrete" });
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let network = ActorNetwork::new(spec.layout, &settings.hidden, 0, 1, 1.0);
        let online = Learned::begin(network.matrices(), 1e-8, &compute, &mut rng);
        let replay = Replay::new(settings.replay_steps, &spec.layout);
        // A normaliser that went on moving would change what every kept value means.
        let interaction = Interaction::new(spec, settings.normalise_observations, settings.warmup_steps);
        let target = online.parameters().clone();
        Ok(Self { settings, compute, interaction, network, online, target, replay, rng })
    }

    /// Acts once in every copy and keeps what came of it.
    fn tick(&mut self, env: &mut dyn VecEnv) -> Result<(), LearnError> {
        let count = self.interaction.spec.layout.actions_shared;
        let rows = self.compute.matrix(self.interaction.rows.clone(), row_len(&self.interaction.spec.layout));
        let scores = numbers(self.network.forward(&self.online.matrices(), &rows).swap_remove(0));
        let exploration = self.exploration();
        let mut one_hot = vec![0.0; scores.len()];
        let mut choices = Vec::with_capacity(self.interaction.spec.envs);
        for (scores, one_hot) in scores.chunks_exact(count).zip(one_hot.chunks_exact_mut(count)) {
            let random = self.rng.random_range(0.0..1.0) < exploration;
            let taken = if random { self.rng.random_range(0..count) } else { choice(scores) };
            one_hot[taken] = 1.0;
            choices.push(u32::try_from(taken).expect("few choices"));
        }
        let seen = self.interaction.out.observations.clone();
        self.interaction.step(env, Actions::Discrete(&choices))?;
        self.replay.keep(&seen, &one_hot, &self.interaction.out);
        Ok(())
    }

    /// One gradient step.
    fn update(&mut self, report: &mut Report) {
        let batch = self.replay.draw(self.settings.batch, &self.interaction, &self.compute, &mut self.rng);
        let targets = self.targets(&batch);
        let leaves = self.online.leaves();
        let scores = self.network.forward(&leaves, &batch.rows).swap_remove(0);
        let values = chosen(scores, batch.actions);
        let loss = huber(values.clone() - targets);
        report.loss += f64::from(numbers(loss.clone().inner())[0]);
        report.value += f64::from(numbers(values.inner().mean())[0]);
        report.updates += 1.0;
        let norm_max = Some(self.settings.gradient_norm_max);
        self.online.descend(&leaves, &loss, self.settings.learning_rate, norm_max);
        self.target.blend(self.online.parameters(), self.settings.target_fraction);
    }

    fn targets(&self, batch: &Batch) -> Tensor<2> {
        let online = self.network.forward(&self.online.matrices(), &batch.next_rows).swap_remove(0);
        let target = self.network.forward(&self.target.matrices(), &batch.next_rows).swap_remove(0);
        let next = double_estimate(online, target);
        batch.rewards.clone() + batch.lives.clone() * next.mul_scalar(self.settings.gamma)
    }

    /// The probability of a random choice now.
    fn exploration(&self) -> f64 {
        let done = (self.interaction.steps() as f64 / self.settings.exploration_steps.max(1) as f64).min(1.0);
        1.0 - (1.0 - self.settings.exploration_end) * done
    }
}

impl Learner for Dqn {
    fn iterate(&mut self, env: &mut dyn VecEnv) -> Result<Progress, LearnError> {
        self.interaction.begin(env, &mut self.rng)?;
        let mut report = Report::default();
        for _ in 0..self.settings.ticks {
            self.tick(env)?;
            if self.interaction.steps() >= self.settings.warmup_steps {
                (0..self.settings.updates_per_tick).for_each(|_| self.update(&mut report));
            }
        }
        let updates = report.updates.max(1.0);
        self.interaction.progress(vec![
            ("loss/value", report.loss / updates),
            ("critic/value", report.value / updates),
            ("policy/exploration", self.exploration()),
            ("replay/steps", self.replay.len() as f64),
        ])
    }

    fn policy(&self) -> Policy {
        let normaliser = self.interaction.normaliser().clone();
        Policy { network: self.network.network(&self.online.matrices(), normaliser), output: Output::Choice }
    }

    fn checkpoint(&mut self) -> Vec<u8> {
        let state = State {
            interaction: self.interaction.save(&self.rng),
            online: self.online.state(),
            target: self.target.numbers(),
            replay: self.replay.clone(),
        };
        checkpoint::write(NAME, &self.settings, &self.interaction.spec, &state)
    }

    fn resume(&mut self, checkpoint: &[u8]) -> Result<(), CheckpointError> {
        let state: State = checkpoint::read(NAME, &self.settings, &self.interaction.spec, checkpoint)?;
        let odd = CheckpointError::Damaged("lengths");
        let online = self.online.with(state.online, &self.compute).ok_or(odd.clone())?;
        let target = self.target.with(state.target, &self.compute).ok_or(odd.clone())?;
        if !state.replay.fits(&self.replay) {
            return Err(odd);
        }
        (self.online, self.target, self.replay) = (online, target, state.replay);
        self.rng = state.interaction.rng.restore();
        self.interaction.restore(state.interaction);
        Ok(())
    }
}

/// What the target network thinks of the online network's choices, `[rows, 1]`.
fn double_estimate(online: Tensor<2>, target: Tensor<2>) -> Tensor<2> {
    let choices = online.argmax(1);
    target.gather(1, choices)
}

/// Half the square of an error up to 1, its size less a half beyond; averaged.
fn huber(errors: Tensor<2>) -> Tensor<1> {
    let held = errors.clone().clamp(-1.0, 1.0);
    (held.clone() * (errors - held.mul_scalar(0.5))).mean()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(values: &[f32], columns: usize) -> Tensor<2> {
        Compute::cpu().matrix(values.to_vec(), columns)
    }

    fn dqn() -> Dqn {
        let spec = EnvSpec::plain(1, 2, ActionSpace::Discrete { count: 2 });
        Dqn::new(DqnSettings::default(), spec, 1, Compute::cpu()).unwrap()
    }

    #[test]
    fn the_huber_loss_and_its_gradient_are_those_of_the_textbook() {
        for (error, loss, gradient) in
            [(0.5, 0.125, 0.5), (-0.5, 0.125, -0.5), (3.0, 2.5, 1.0), (-3.0, 2.5, -1.0)]
        {
            let errors = matrix(&[error], 1).autodiff().require_grad();
            let found = huber(errors.clone());
            let slope = errors.grad_remove(&mut found.backward()).unwrap();
            assert_eq!((numbers(found.inner())[0], numbers(slope)[0]), (loss, gradient));
        }
    }

    #[test]
    fn the_online_network_chooses_and_the_target_network_judges() {
        let found = double_estimate(matrix(&[1.0, 2.0, 5.0, 4.0], 2), matrix(&[10.0, 20.0, 30.0, 40.0], 2));
        assert_eq!(numbers(found), [20.0, 30.0]);
    }

    #[test]
    fn a_bellman_target_leaves_out_what_follows_a_termination() {
        let dqn = dqn();
        let next_rows = matrix(&[0.3, -0.2, 0.3, -0.2], 2);
        let scores = dqn.network.forward(&dqn.online.matrices(), &next_rows).swap_remove(0);
        let best = numbers(scores)[..2].iter().copied().fold(f32::MIN, f32::max);
        let batch = Batch {
            rows: next_rows.clone(),
            next_rows,
            actions: matrix(&[1.0, 0.0, 1.0, 0.0], 2),
            mask: None,
            next_mask: None,
            rewards: matrix(&[3.0, 3.0], 1),
            lives: matrix(&[1.0, 0.0], 1),
        };
        let found = numbers(dqn.targets(&batch));
        assert!((found[0] - (3.0 + 0.97 * best)).abs() < 1e-6 && found[1] == 3.0, "{found:?}, best {best}");
    }

    #[test]
    fn continuous_actions_are_refused() {
        let spec = EnvSpec::plain(1, 2, ActionSpace::Continuous { len: 2 });
        let error = Dqn::new(DqnSettings::default(), spec, 1, Compute::cpu()).unwrap_err().to_string();
        assert_eq!(error, "dqn needs discrete actions, but the environment takes others");
    }

    #[test]
    fn exploration_falls_to_its_end() {
        assert!((dqn().exploration() - 1.0).abs() < 1e-12);
    }
}
