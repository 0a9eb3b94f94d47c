//! Proximal policy optimisation (Schulman et al. 2017), for continuous actions (independent normal distributions whose
//! spread does not depend on the state) and for discrete choices.
//!
//! The details that decide whether it works, after Huang et al., "The 37 Implementation Details of Proximal Policy
//! Optimization" (2022), with their numbers there: copies of the environment stepped together (1), orthogonal
//! weights with small gains at the end (2), Adam's epsilon of 1e-5 (3), a learning rate that falls linearly (4),
//! generalised advantage estimates (5), shuffled minibatches (6), advantages normalised within each of them (7), the
//! clipped surrogate (8), an entropy bonus (10), the gradient's global norm clipped (11), separate networks for actor
//! and critic (13), a state-independent log-std (continuous 2), actions clipped only where the environment takes them
//! (continuous 4), observations normalised by their running moments and clipped (continuous 5, 6). Truncated episodes
//! are bootstrapped (Pardo et al. 2018). Left out: clipping of the value loss (9), which Andrychowicz et al. ("What
//! Matters In On-Policy Reinforcement Learning?", 2021) found to hurt.
//!
//! Actor and critic share one flat parameter vector, so that one Adam step moves both.

use crate::adam::{Learned, LearnedState};
use crate::advantage::{Steps, advantages, normalised};
use crate::checkpoint;
use crate::compute::{Compute, numbers};
use crate::distributions::{
    categorical, categorical_entropy, chosen, draw_choice, draw_gaussian, gaussian_entropy, gaussian_log_prob,
};
use crate::environment::{ActionSpace, Actions, End, EnvSpec, VecEnv};
use crate::interaction::{Interaction, InteractionState};
use crate::learner::{CheckpointError, LearnError, Learner, Progress, check};
use crate::moments::RewardScale;
use crate::networks::{ActorNetwork, Mlp, every_action};
use crate::parameters::{Begin, Matrix, Parameters};
use crate::policy::{Output, Policy};
use crate::rows::{has_slot_head, mask, row_len};
use burn_tensor::Tensor;
use openclaw_controller::policy::Layout;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

mod report;

use report::Report;

const NAME: &str = "ppo";

/// What PPO learns by. The defaults are those that worked for the service: 100 ms ticks, 64 copies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct PpoSettings {
    /// Widths of the hidden layers, of the actor's trunk and of the critic alike.
    pub hidden: Vec<usize>,
    /// Width of the slots' hidden layer.
    pub slot_hidden: usize,
    /// Steps of the whole run; the learning rate reaches its end there and stays.
    pub steps: u64,
    /// Steps in each copy between two updates.
    pub ticks: usize,
    /// Passes over these steps in an update.
    pub epochs: usize,
    /// Steps in a minibatch.
    pub minibatch: usize,
    /// Adam's step at the beginning.
    pub learning_rate: f64,
    /// What is left of it at the end.
    pub learning_rate_end: f64,
    /// What a reward one step later is worth.
    pub gamma: f64,
    /// How far advantage estimates trust rewards (1) rather than the critic (0).
    pub gae_lambda: f64,
    /// How far the probability of an action may move in an update, as a fraction.
    pub clip: f64,
    /// Weight of the entropy bonus.
    pub entropy: f64,
    /// Weight of the critic's squared error.
    pub value: f64,
    /// The longest gradient.
    pub gradient_norm_max: f64,
    /// An update ends after the epoch whose mean divergence from the old policy is over this; 0 for never.
    pub kl_stop: f64,
    /// The logarithm of the standard deviation at the beginning, for continuous actions.
    pub log_std: f64,
    /// By how much it falls over the second half of the run, evenly, beside what is learned. What is judged in the end
    /// is the mean, and one that only ever acted amid wide noise was never taught where a small step matters.
    pub narrowing: f64,
    /// Share of the newest parameters in a policy after each update, the rest being a running mean of those before; 1
    /// for the newest alone. A single update's parameters do well or badly by chance (Polyak, Juditsky 1992).
    pub averaging: f64,
    /// Whether observations are normalised by their running mean and deviation.
    pub normalise_observations: bool,
    /// Whether rewards are divided by the running deviation of the discounted return.
    pub normalise_rewards: bool,
}

impl Default for PpoSettings {
    fn default() -> Self {
        Self {
            hidden: vec![48, 48],
            slot_hidden: 32,
            steps: 2_500_000,
            ticks: 128,
            epochs: 4,
            minibatch: 1024,
            learning_rate: 8e-4,
            learning_rate_end: 0.05,
            gamma: 0.97,
            gae_lambda: 0.95,
            clip: 0.2,
            entropy: 0.001,
            value: 0.5,
            gradient_norm_max: 0.5,
            kl_stop: 0.03,
            log_std: -0.9,
            narrowing: 0.0,
            averaging: 1.0,
            normalise_observations: true,
            normalise_rewards: false,
        }
    }
}

impl PpoSettings {
    fn check(&self) -> Result<(), LearnError> {
        let positive = |count: usize| count > 0;
        check(NAME, "hidden", "one or more widths above 0", {
            !self.hidden.is_empty()
                && self.hidden.iter().all(|width| *width > 0)
                && positive(self.slot_hidden)
        })?;
        check(NAME, "ticks, epochs and minibatch", "above 0", {
            positive(self.ticks) && positive(self.epochs) && positive(self.minibatch)
        })?;
        check(NAME, "learning_rate", "above 0", self.learning_rate > 0.0)?;
        let fraction = |value: f64| (0.0..=1.0).contains(&value);
        check(NAME, "learning_rate_end, gamma and gae_lambda", "from 0 to 1", {
            fraction(self.learning_rate_end) && fraction(self.gamma) && fraction(self.gae_lambda)
        })?;
        check(NAME, "clip", "above 0", self.clip > 0.0)?;
        check(NAME, "gradient_norm_max", "above 0", self.gradient_norm_max > 0.0)?;
        check(NAME, "entropy, value, kl_stop", "0 or more", {
            self.entropy >= 0.0 && self.value >= 0.0 && self.kl_stop >= 0.0
        })?;
        check(NAME, "averaging", "above 0 and at most 1", self.averaging > 0.0 && self.averaging <= 1.0)?;
        check(NAME, "log_std", "from -10 to 2", (-10.0..=2.0).contains(&self.log_std))?;
        check(NAME, "narrowing", "from 0 to 5", (0.0..=5.0).contains(&self.narrowing))
    }
}

/// A PPO run.
#[derive(Debug)]
pub struct Ppo {
    settings: PpoSettings,
    compute: Compute,
    interaction: Interaction,
    actor: ActorNetwork,
    critic: Mlp,
    /// The actor's matrices, the log-std for continuous actions, the critic's matrices.
    learned: Learned,
    /// Their running mean, which is what a policy is made of.
    averaged: Parameters,
    actor_matrices: usize,
    rng: ChaCha8Rng,
    reward_scale: RewardScale,
}

#[derive(Serialize, Deserialize)]
struct State {
    interaction: InteractionState,
    learned: LearnedState,
    averaged: Vec<f32>,
    reward_scale: RewardScale,
}

/// The steps between two updates, row `tick * envs + copy`.
#[derive(Debug, Default)]
struct Rollout {
    rows: Vec<f32>,
    /// As drawn: not clipped, or one-hot.
    actions: Vec<f32>,
    /// 1 for each action that was real; empty where all are.
    masks: Vec<f32>,
    log_probs: Vec<f32>,
    /// Taken off every log-std while they were drawn.
    narrowed: f64,
    rewards: Vec<f32>,
    ends: Vec<End>,
    /// The final observations of truncated steps, in the order of the rows.
    truncated_rows: Vec<f32>,
}

impl Ppo {
    /// Begins a run.
    ///
    /// # Errors
    /// The shapes do not fit together or a setting is out of its range.
    pub fn new(
        settings: PpoSettings,
        spec: EnvSpec,
        seed: u64,
        compute: Compute,
    ) -> Result<Self, LearnError> {
        spec.check()?;
        settings.check()?;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let layout = spec.layout;
        let actor = ActorNetwork::new(layout, &settings.hidden, settings.slot_hidden, 1, 0.01);
        let critic = Mlp::new(row_len(&layout), &settings.hidden, 1, 1.0);
        let mut shapes = actor.matrices();
        let actor_matrices = shapes.len();
        let begin = Begin::Constant(settings.log_std as f32);
        // Slots share their spread, as they share their weights. For choices it has no effect and no gradient.
        shapes.push(Matrix { inputs: 1, outputs: layout.actions_shared + layout.actions_slot, begin });
        shapes.extend(critic.matrices());
        let learned = Learned::begin(shapes, 1e-5, &compute, &mut rng);
        let reward_scale = RewardScale::new(spec.envs);
        let interaction = Interaction::new(spec, settings.normalise_observations, u64::MAX);
        let averaged = learned.parameters().clone();
        Ok(Self {
            settings,
            compute,
            interaction,
            actor,
            critic,
            learned,
            averaged,
            actor_matrices,
            rng,
            reward_scale,
        })
    }

    fn layout(&self) -> Layout {
        self.interaction.spec.layout
    }

    /// Acts for `ticks` steps in every copy with the policy as it is.
    fn gather(&mut self, env: &mut dyn VecEnv) -> Result<Rollout, LearnError> {
        let (layout, envs) = (self.layout(), self.interaction.spec.envs);
        let matrices = self.learned.matrices();
        let narrowed = self.narrowed();
        let log_std = matrices[self.actor_matrices].clone().sub_scalar(narrowed);
        let log_std = numbers(every_action(&layout, log_std));
        let discrete = matches!(self.interaction.spec.action, ActionSpace::Discrete { .. });
        let len = layout.outputs();
        let (mut actions, mut real) = (vec![0.0; envs * len], vec![1.0; envs * len]);
        let (mut clipped, mut choices) = (vec![0.0; envs * len], vec![0; envs]);
        let mut rollout = Rollout { narrowed, ..Rollout::default() };
        for _ in 0..self.settings.ticks {
            let rows = self.compute.matrix(self.interaction.rows.clone(), row_len(&layout));
            let means = numbers(self.actor.forward(&matrices[..self.actor_matrices], &rows).swap_remove(0));
            for (copy, row) in self.interaction.rows.chunks_exact(row_len(&layout)).enumerate() {
                let range = copy * len..(copy + 1) * len;
                let (mean, action) = (&means[range.clone()], &mut actions[range.clone()]);
                let log_prob = if discrete {
                    let (choice, log_prob) = draw_choice(mean, &mut self.rng, action);
                    choices[copy] = choice;
                    log_prob
                } else {
                    mask(&layout, row, &mut real[range.clone()]);
                    draw_gaussian(mean, &log_std, &real[range], &mut self.rng, action)
                };
                rollout.log_probs.push(log_prob);
            }
            clipped.iter_mut().zip(&actions).for_each(|(to, from)| *to = f32::clamp(*from, -1.0, 1.0));
            rollout.rows.extend_from_slice(&self.interaction.rows);
            rollout.actions.extend_from_slice(&actions);
            if has_slot_head(&layout) {
                rollout.masks.extend_from_slice(&real);
            }
            let taken = if discrete { Actions::Discrete(&choices) } else { Actions::Continuous(&clipped) };
            self.interaction.step(env, taken)?;
            self.keep_results(&mut rollout);
        }
        Ok(rollout)
    }

    fn keep_results(&mut self, rollout: &mut Rollout) {
        let out = &self.interaction.out;
        for copy in (0..out.ends.len()).filter(|copy| out.ends[*copy] == End::Truncated) {
            rollout.truncated_rows.extend(self.interaction.final_row(copy));
        }
        rollout.ends.extend_from_slice(&out.ends);
        if self.settings.normalise_rewards {
            let scale = &mut self.reward_scale;
            scale.add(&out.rewards, &out.ends, self.settings.gamma);
            rollout.rewards.extend(out.rewards.iter().map(|reward| scale.apply(*reward)));
        } else {
            rollout.rewards.extend_from_slice(&out.rewards);
        }
    }

    /// The advantage of each step, and what the critic should have said.
    fn estimate(&self, rollout: &Rollout) -> (Vec<f32>, Vec<f32>) {
        let width = row_len(&self.layout());
        let matrices = self.learned.matrices();
        let rows = [rollout.rows.as_slice(), &self.interaction.rows, &rollout.truncated_rows].concat();
        let rows = self.compute.matrix(rows, width);
        let all = numbers(self.critic.forward(&matrices[self.actor_matrices + 1..], rows));
        let (values, rest) = all.split_at(rollout.rewards.len());
        let (last_values, truncated_values) = rest.split_at(self.interaction.spec.envs);
        let Rollout { rewards, ends, .. } = rollout;
        let envs = self.interaction.spec.envs;
        let steps = Steps { envs, rewards, ends, values, last_values, truncated_values };
        let advantages = advantages(&steps, self.settings.gamma, self.settings.gae_lambda);
        let returns = advantages.iter().zip(values).map(|(advantage, value)| advantage + value).collect();
        (advantages, returns)
    }

    /// Some epochs of minibatches.
    fn update(&mut self, rollout: &Rollout) -> Vec<(&'static str, f64)> {
        let (advantages, returns) = self.estimate(rollout);
        let learning_rate = self.learning_rate();
        let mut order = (0..rollout.rewards.len()).collect::<Vec<_>>();
        let mut report = Report::default();
        for epoch in 1..=self.settings.epochs {
            order.shuffle(&mut self.rng);
            report = Report::default();
            for indices in order.chunks(self.settings.minibatch) {
                let batch = Batch::new(self, rollout, &advantages, &returns, indices);
                let leaves = self.learned.leaves();
                let loss = self.loss(&leaves, &batch);
                report.add(&loss, self.settings.clip);
                let norm_max = Some(self.settings.gradient_norm_max);
                self.learned.descend(&leaves, &loss.total, learning_rate, norm_max);
            }
            report.epochs = epoch;
            if self.settings.kl_stop > 0.0 && report.kl() > self.settings.kl_stop {
                break;
            }
        }
        self.averaged.blend(self.learned.parameters(), self.settings.averaging);
        let log_std = numbers(self.learned.matrices()[self.actor_matrices].clone());
        let log_std = log_std.iter().map(|value| f64::from(*value)).sum::<f64>() / log_std.len() as f64;
        let log_std = log_std - rollout.narrowed;
        report.scalars(learning_rate, log_std, &self.interaction.spec.action)
    }

    fn loss(&self, leaves: &[Tensor<2>], batch: &Batch) -> Loss {
        let (actor, rest) = leaves.split_at(self.actor_matrices);
        let (log_std, critic) = (&rest[0], &rest[1..]);
        let output = self.actor.forward(actor, &batch.rows).swap_remove(0);
        let (log_prob, entropy) = match self.interaction.spec.action {
            ActionSpace::Discrete { .. } => {
                let log_probs = categorical(output);
                (chosen(log_probs.clone(), batch.actions.clone()), categorical_entropy(log_probs))
            }
            ActionSpace::Continuous { .. } => {
                let log_std = every_action(&self.layout(), log_std.clone().sub_scalar(batch.narrowed));
                let mask = batch.masks.clone();
                let log_prob = gaussian_log_prob(batch.actions.clone(), output, log_std.clone(), mask);
                (log_prob, gaussian_entropy(log_std, batch.masks.clone()))
            }
        };
        let log_ratio = log_prob - batch.log_probs.clone();
        let policy = clipped_surrogate(log_ratio.clone(), batch.advantages.clone(), self.settings.clip);
        let values = self.critic.forward(critic, batch.rows.clone());
        let value = (values - batch.returns.clone()).square().mean();
        let total = policy.clone() + value.clone().mul_scalar(self.settings.value)
            - entropy.clone().mul_scalar(self.settings.entropy);
        Loss { total, policy, value, entropy, log_ratio }
    }

    /// How much of the run is over, 0 to 1.
    fn done(&self) -> f64 {
        (self.interaction.steps() as f64 / self.settings.steps.max(1) as f64).min(1.0)
    }

    /// What is taken off the log-std by now.
    fn narrowed(&self) -> f64 {
        self.settings.narrowing * (2.0 * self.done() - 1.0).max(0.0)
    }

    fn learning_rate(&self) -> f64 {
        self.settings.learning_rate * (1.0 - (1.0 - self.settings.learning_rate_end) * self.done())
    }
}

impl Learner for Ppo {
    fn iterate(&mut self, env: &mut dyn VecEnv) -> Result<Progress, LearnError> {
        self.interaction.begin(env, &mut self.rng)?;
        let rollout = self.gather(env)?;
        let scalars = self.update(&rollout);
        self.interaction.progress(scalars)
    }

    fn policy(&self) -> Policy {
        let matrices = self.averaged.matrices();
        let normaliser = self.interaction.normaliser().clone();
        let output = match self.interaction.spec.action {
            ActionSpace::Discrete { .. } => Output::Choice,
            ActionSpace::Continuous { .. } => Output::Clipped,
        };
        Policy { network: self.actor.network(&matrices[..self.actor_matrices], normaliser), output }
    }

    fn checkpoint(&mut self) -> Vec<u8> {
        self.reward_scale.abandon();
        let state = State {
            interaction: self.interaction.save(&self.rng),
            learned: self.learned.state(),
            averaged: self.averaged.numbers(),
            reward_scale: self.reward_scale.clone(),
        };
        checkpoint::write(NAME, &self.settings, &self.interaction.spec, &state)
    }

    fn resume(&mut self, checkpoint: &[u8]) -> Result<(), CheckpointError> {
        let state: State = checkpoint::read(NAME, &self.settings, &self.interaction.spec, checkpoint)?;
        let learned = self.learned.with(state.learned, &self.compute);
        self.learned = learned.ok_or(CheckpointError::Damaged("lengths"))?;
        let averaged = self.averaged.with(state.averaged, &self.compute);
        self.averaged = averaged.ok_or(CheckpointError::Damaged("lengths"))?;
        self.reward_scale = state.reward_scale;
        self.rng = state.interaction.rng.restore();
        self.interaction.restore(state.interaction);
        Ok(())
    }
}

/// A minibatch on the device.
struct Batch {
    rows: Tensor<2>,
    actions: Tensor<2>,
    masks: Option<Tensor<2>>,
    log_probs: Tensor<2>,
    narrowed: f64,
    advantages: Tensor<2>,
    returns: Tensor<2>,
}

impl Batch {
    fn new(ppo: &Ppo, rollout: &Rollout, advantages: &[f32], returns: &[f32], indices: &[usize]) -> Self {
        let layout = ppo.layout();
        let pick = |values: &[f32], width: usize| {
            let rows = indices.iter().flat_map(|index| &values[index * width..(index + 1) * width]);
            ppo.compute.matrix(rows.copied().collect(), width)
        };
        let actions = layout.outputs();
        let advantages = normalised(indices.iter().map(|index| advantages[*index]).collect());
        Self {
            rows: pick(&rollout.rows, row_len(&layout)),
            actions: pick(&rollout.actions, actions),
            masks: (!rollout.masks.is_empty()).then(|| pick(&rollout.masks, actions)),
            log_probs: pick(&rollout.log_probs, 1),
            narrowed: rollout.narrowed,
            advantages: ppo.compute.matrix(advantages, 1),
            returns: pick(returns, 1),
        }
    }
}

/// The loss of a minibatch and its parts, all to be made small but for the entropy.
struct Loss {
    total: Tensor<1>,
    policy: Tensor<1>,
    value: Tensor<1>,
    entropy: Tensor<1>,
    /// By how much each action has become likelier, `[rows, 1]`.
    log_ratio: Tensor<2>,
}

/// Minus the smaller of `ratio * advantage` and the same with the ratio held within `1 ± clip`, averaged.
fn clipped_surrogate(log_ratio: Tensor<2>, advantages: Tensor<2>, clip: f64) -> Tensor<1> {
    let ratio = log_ratio.exp();
    let held = ratio.clone().clamp(1.0 - clip, 1.0 + clip);
    (ratio * advantages.clone()).min_pair(held * advantages).mean().neg()
}

#[cfg(test)]
mod tests;
