//! Soft actor-critic (Haarnoja et al., "Soft Actor-Critic Algorithms and Applications", 2018) for continuous actions:
//! off-policy, with a policy that is rewarded for staying random and a temperature that finds its own value.
//!
//! The details that matter: twin critics of which the smaller one is believed (Fujimoto et al. 2018); target critics by
//! Polyak averaging; actions squashed by the hyperbolic tangent, whose slope enters the log-probability in a form that
//! does not overflow; the temperature learned on its logarithm towards an entropy of minus the number of actions;
//! truncated steps bootstrapped. Actions of absent slots count neither in the log-probability nor in that number, and
//! the critics see zeros for them.

use crate::adam::{Learned, LearnedState};
use crate::checkpoint;
use crate::compute::{Compute, numbers};
use crate::distributions::{noise, squashed_log_prob};
use crate::environment::{ActionSpace, Actions, EnvSpec, VecEnv};
use crate::interaction::{Interaction, InteractionState};
use crate::learner::{CheckpointError, LearnError, Learner, Progress, check};
use crate::networks::{ActorNetwork, TwinCritics};
use crate::parameters::{Begin, Matrix, Parameters};
use crate::policy::{Output, Policy};
use crate::replay::{Batch, Replay, masks};
use crate::rows::{has_slot_head, row_len};
use burn_tensor::Tensor;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

const NAME: &str = "sac";
/// Bounds of the learned spread.
const LOG_STD: (f64, f64) = (-5.0, 2.0);

/// What SAC learns by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct SacSettings {
    /// Widths of the hidden layers, of the actor's trunk and of the critics alike.
    pub hidden: Vec<usize>,
    /// Width of the slots' hidden layer.
    pub slot_hidden: usize,
    /// Ticks of every copy in an iteration.
    pub ticks: usize,
    /// Gradient steps after each tick.
    pub updates_per_tick: usize,
    /// Steps drawn for a gradient step.
    pub batch: usize,
    /// Steps that are kept.
    pub replay_steps: usize,
    /// Steps with random actions before the first gradient step.
    pub warmup_steps: u64,
    /// Adam's step, for actor, critics and temperature.
    pub learning_rate: f64,
    /// What a reward one step later is worth.
    pub gamma: f64,
    /// How far the target critics move towards the critics at each gradient step.
    pub target_fraction: f64,
    /// The temperature at the beginning.
    pub temperature: f64,
    /// The entropy for each action that the temperature keeps to.
    pub entropy_per_action: f64,
    /// Whether observations are normalised by the mean and deviation they had in the warm-up.
    pub normalise_observations: bool,
}

impl Default for SacSettings {
    fn default() -> Self {
        Self {
            hidden: vec![64, 64],
            slot_hidden: 32,
            ticks: 32,
            updates_per_tick: 4,
            batch: 256,
            replay_steps: 200_000,
            warmup_steps: 1_000,
            learning_rate: 1e-3,
            gamma: 0.97,
            target_fraction: 0.01,
            temperature: 0.1,
            entropy_per_action: -1.0,
            normalise_observations: true,
        }
    }
}

impl SacSettings {
    fn check(&self) -> Result<(), LearnError> {
        check(NAME, "hidden and slot_hidden", "widths above 0", {
            !self.hidden.is_empty() && self.hidden.iter().all(|width| *width > 0) && self.slot_hidden > 0
        })?;
        check(NAME, "ticks, batch and replay_steps", "above 0", {
            self.ticks > 0 && self.batch > 0 && self.replay_steps > 0
        })?;
        let positive = self.learning_rate > 0.0 && self.temperature > 0.0;
        check(NAME, "learning_rate and temperature", "above 0", positive)?;
        let within = [self.gamma, self.target_fraction].iter().all(|value| (0.0..=1.0).contains(value));
        check(NAME, "gamma and target_fraction", "from 0 to 1", within)
    }
}

/// A SAC run.
#[derive(Debug)]
pub struct Sac {
    settings: SacSettings,
    compute: Compute,
    interaction: Interaction,
    actor_network: ActorNetwork,
    critic_network: TwinCritics,
    actor: Learned,
    critics: Learned,
    /// The logarithm of the temperature.
    temperature: Learned,
    targets: Parameters,
    replay: Replay,
    rng: ChaCha8Rng,
}

#[derive(Serialize, Deserialize)]
struct State {
    interaction: InteractionState,
    actor: LearnedState,
    critics: LearnedState,
    temperature: LearnedState,
    targets: Vec<f32>,
    replay: Replay,
}

/// Sums over an iteration.
#[derive(Default)]
struct Report {
    critic: f64,
    actor: f64,
    entropy: f64,
    updates: f64,
}

impl Sac {
    /// Begins a run.
    ///
    /// # Errors
    /// The shapes do not fit together, actions are not continuous, or a setting is out of its range.
    pub fn new(
        settings: SacSettings,
        spec: EnvSpec,
        seed: u64,
        compute: Compute,
    ) -> Result<Self, LearnError> {
        spec.check()?;
        settings.check()?;
        if !matches!(spec.action, ActionSpace::Continuous { .. }) {
            return Err(LearnError::Actions { algorithm: NAME, needs: "continuous" });
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let actor_network = ActorNetwork::new(spec.layout, &settings.hidden, settings.slot_hidden, 2, 0.01);
        let critic_network = TwinCritics::new(&spec.layout, &settings.hidden);
        let mut learned = |shapes| Learned::begin(shapes, 1e-8, &compute, &mut rng);
        let (actor, critics) = (learned(actor_network.matrices()), learned(critic_network.matrices()));
        let begin = Begin::Constant(settings.temperature.ln() as f32);
        let temperature = learned(vec![Matrix { inputs: 1, outputs: 1, begin }]);
        let replay = Replay::new(settings.replay_steps, &spec.layout);
        // A normaliser that went on moving would change what every kept value means.
        let interaction = Interaction::new(spec, settings.normalise_observations, settings.warmup_steps);
        let targets = critics.parameters().clone();
        Ok(Self {
            settings,
            compute,
            interaction,
            actor_network,
            critic_network,
            actor,
            critics,
            temperature,
            targets,
            replay,
            rng,
        })
    }

    /// Acts once in every copy and keeps what came of it.
    fn tick(&mut self, env: &mut dyn VecEnv) -> Result<(), LearnError> {
        let layout = self.interaction.spec.layout;
        let actions = if self.interaction.steps() < self.settings.warmup_steps {
            let len = self.interaction.spec.envs * layout.outputs();
            (0..len).map(|_| self.rng.random_range(-1.0..1.0)).collect()
        } else {
            let rows = self.compute.matrix(self.interaction.rows.clone(), row_len(&layout));
            let real = has_slot_head(&layout).then(|| masks(&layout, &self.interaction.rows));
            let mask = real.map(|real| self.compute.matrix(real, layout.outputs()));
            let matrices = self.actor.matrices();
            numbers(self.act(&matrices, &rows, mask).0)
        };
        let seen = self.interaction.out.observations.clone();
        self.interaction.step(env, Actions::Continuous(&actions))?;
        self.replay.keep(&seen, &actions, &self.interaction.out);
        Ok(())
    }

    /// Draws actions; gives them with their log-probabilities, both differentiable by the actor's matrices.
    fn act(
        &mut self,
        matrices: &[Tensor<2>],
        rows: &Tensor<2>,
        mask: Option<Tensor<2>>,
    ) -> (Tensor<2>, Tensor<2>) {
        let mut heads = self.actor_network.forward(matrices, rows).into_iter();
        let (mean, log_std) = heads.next().zip(heads.next()).expect("a mean and a spread");
        let log_std = log_std.clamp(LOG_STD.0, LOG_STD.1);
        let [count, columns] = mean.dims();
        let noise = self.compute.matrix(noise(count * columns, &mut self.rng), columns);
        let raw = mean.clone() + log_std.clone().exp() * noise;
        let log_prob = squashed_log_prob(raw.clone(), mean, log_std, mask.clone());
        let actions = raw.tanh();
        (mask.map_or(actions.clone(), |mask| actions * mask), log_prob)
    }

    /// One gradient step of critics, actor and temperature.
    fn update(&mut self, report: &mut Report) {
        let batch = self.replay.draw(self.settings.batch, &self.interaction, &self.compute, &mut self.rng);
        self.update_critics(&batch, report);
        let log_prob = self.update_actor(&batch, report);
        self.update_temperature(log_prob, &batch);
        self.targets.blend(self.critics.parameters(), self.settings.target_fraction);
        report.updates += 1.0;
    }

    fn update_critics(&mut self, batch: &Batch, report: &mut Report) {
        let actor = self.actor.matrices();
        let (next_actions, next_log_prob) = self.act(&actor, &batch.next_rows, batch.next_mask.clone());
        let [first, second] =
            self.critic_network.forward(&self.targets.matrices(), batch.next_rows.clone(), next_actions);
        let next = soft_value(first.min_pair(second), next_log_prob, self.temperature());
        let targets = batch.rewards.clone() + batch.lives.clone() * next.mul_scalar(self.settings.gamma);
        let leaves = self.critics.leaves();
        let [first, second] = self.critic_network.forward(&leaves, batch.rows.clone(), batch.actions.clone());
        let loss = (first - targets.clone()).square().mean() + (second - targets).square().mean();
        report.critic += f64::from(numbers(loss.clone().inner())[0]);
        self.critics.descend(&leaves, &loss, self.settings.learning_rate, None);
    }

    /// Gives the log-probability of what the actor did before the step.
    fn update_actor(&mut self, batch: &Batch, report: &mut Report) -> Tensor<2> {
        let leaves = self.actor.leaves();
        let (actions, log_prob) = self.act(&leaves, &batch.rows, batch.mask.clone());
        let critics = self.critics.matrices();
        let [first, second] = self.critic_network.forward(&critics, batch.rows.clone(), actions);
        let value = soft_value(first.min_pair(second), log_prob.clone(), self.temperature());
        let loss = value.mean().neg();
        report.actor += f64::from(numbers(loss.clone().inner())[0]);
        self.actor.descend(&leaves, &loss, self.settings.learning_rate, None);
        let log_prob = log_prob.inner();
        report.entropy -= f64::from(numbers(log_prob.clone().mean())[0]);
        log_prob
    }

    /// The loss is `-ln α · (log-probability + target)`, whose gradient by `ln α` needs no graph.
    fn update_temperature(&mut self, log_prob: Tensor<2>, batch: &Batch) {
        let per_action = self.settings.entropy_per_action;
        let target = match &batch.mask {
            Some(mask) => mask.clone().sum_dim(1).mul_scalar(per_action),
            None => log_prob.zeros_like().add_scalar(per_action * batch.actions.dims()[1] as f64),
        };
        let gradient = (log_prob + target).mean().neg();
        self.temperature.step(gradient, self.settings.learning_rate, None);
    }

    fn temperature(&self) -> f64 {
        f64::from(self.temperature.parameters().numbers()[0]).exp()
    }
}

impl Learner for Sac {
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
            ("loss/critic", report.critic / updates),
            ("loss/actor", report.actor / updates),
            ("policy/entropy", report.entropy / updates),
            ("policy/temperature", self.temperature()),
            ("replay/steps", self.replay.len() as f64),
        ])
    }

    fn policy(&self) -> Policy {
        let normaliser = self.interaction.normaliser().clone();
        let network = self.actor_network.network(&self.actor.matrices(), normaliser);
        Policy { network, output: Output::Tanh }
    }

    fn checkpoint(&mut self) -> Vec<u8> {
        let state = State {
            interaction: self.interaction.save(&self.rng),
            actor: self.actor.state(),
            critics: self.critics.state(),
            temperature: self.temperature.state(),
            targets: self.targets.numbers(),
            replay: self.replay.clone(),
        };
        checkpoint::write(NAME, &self.settings, &self.interaction.spec, &state)
    }

    fn resume(&mut self, checkpoint: &[u8]) -> Result<(), CheckpointError> {
        let state: State = checkpoint::read(NAME, &self.settings, &self.interaction.spec, checkpoint)?;
        let odd = CheckpointError::Damaged("lengths");
        let actor = self.actor.with(state.actor, &self.compute).ok_or(odd.clone())?;
        let critics = self.critics.with(state.critics, &self.compute).ok_or(odd.clone())?;
        let temperature = self.temperature.with(state.temperature, &self.compute).ok_or(odd.clone())?;
        let targets = self.targets.with(state.targets, &self.compute).ok_or(odd.clone())?;
        if !state.replay.fits(&self.replay) {
            return Err(odd);
        }
        (self.actor, self.critics, self.temperature) = (actor, critics, temperature);
        (self.targets, self.replay) = (targets, state.replay);
        self.rng = state.interaction.rng.restore();
        self.interaction.restore(state.interaction);
        Ok(())
    }
}

/// What an action is worth with the reward for having been unlikely: `Q - α ln π`.
fn soft_value(value: Tensor<2>, log_prob: Tensor<2>, temperature: f64) -> Tensor<2> {
    value - log_prob.mul_scalar(temperature)
}

#[cfg(test)]
mod tests;
