//! Deep deterministic policy gradient (Lillicrap et al. 2016) for continuous actions, with the three details of TD3
//! (Fujimoto, van Hoof, Meger, "Addressing Function Approximation Error in Actor-Critic Methods", 2018), each of which
//! can be turned off: twin critics of which the smaller one is believed, an actor that learns less often than the
//! critics, and noise on the target's actions, so that no narrow peak of the critic is exploited. With all three off
//! this is DDPG as published, but for two things: exploration by independent normal noise, which Fujimoto et al. found
//! as good as the Ornstein-Uhlenbeck process, and no batch normalisation (the observations' running moments instead).
//! Truncated steps are bootstrapped from their final observation.

use crate::adam::{Learned, LearnedState};
use crate::checkpoint;
use crate::compute::{Compute, numbers};
use crate::distributions::noise;
use crate::environment::{ActionSpace, Actions, EnvSpec, VecEnv};
use crate::interaction::{Interaction, InteractionState};
use crate::learner::{CheckpointError, LearnError, Learner, Progress, check};
use crate::networks::{ActorNetwork, TwinCritics};
use crate::parameters::Parameters;
use crate::policy::{Output, Policy};
use crate::replay::{Batch, Replay};
use crate::rows::row_len;
use burn_tensor::Tensor;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

const NAME: &str = "ddpg";

/// What DDPG learns by. The defaults have all of TD3's details.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct DdpgSettings {
    /// Widths of the hidden layers, of the actor's trunk and of the critics alike.
    pub hidden: Vec<usize>,
    /// Width of the slots' hidden layer.
    pub slot_hidden: usize,
    /// Ticks of every copy in an iteration.
    pub ticks: usize,
    /// Gradient steps of the critics after each tick.
    pub updates_per_tick: usize,
    /// Steps drawn for a gradient step.
    pub batch: usize,
    /// Steps that are kept.
    pub replay_steps: usize,
    /// Steps with random actions before the first gradient step.
    pub warmup_steps: u64,
    /// Adam's step, for actor and critics.
    pub learning_rate: f64,
    /// What a reward one step later is worth.
    pub gamma: f64,
    /// How far the target networks move at each step of the actor.
    pub target_fraction: f64,
    /// Standard deviation of the noise on the actions that are taken.
    pub exploration_std: f64,
    /// TD3: whether the smaller of two critics is believed.
    pub twin_critics: bool,
    /// TD3: gradient steps of the critics for each of the actor; 1 for DDPG.
    pub actor_period: u64,
    /// TD3: standard deviation of the noise on the target's actions; 0 for DDPG.
    pub target_std: f64,
    /// TD3: the most of it.
    pub target_noise_max: f64,
    /// Whether observations are normalised by the mean and deviation they had in the warm-up.
    pub normalise_observations: bool,
}

impl Default for DdpgSettings {
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
            exploration_std: 0.15,
            twin_critics: true,
            actor_period: 2,
            target_std: 0.2,
            target_noise_max: 0.5,
            normalise_observations: true,
        }
    }
}

impl DdpgSettings {
    fn check(&self) -> Result<(), LearnError> {
        check(NAME, "hidden and slot_hidden", "widths above 0", {
            !self.hidden.is_empty() && self.hidden.iter().all(|width| *width > 0) && self.slot_hidden > 0
        })?;
        check(NAME, "ticks, batch, replay_steps and actor_period", "above 0", {
            self.ticks > 0 && self.batch > 0 && self.replay_steps > 0 && self.actor_period > 0
        })?;
        check(NAME, "learning_rate", "above 0", self.learning_rate > 0.0)?;
        let noise = [self.exploration_std, self.target_std, self.target_noise_max];
        let within = noise.iter().all(|value| *value >= 0.0);
        check(NAME, "exploration_std, target_std and target_noise_max", "0 or more", within)?;
        let within = [self.gamma, self.target_fraction].iter().all(|value| (0.0..=1.0).contains(value));
        check(NAME, "gamma and target_fraction", "from 0 to 1", within)
    }
}

/// A DDPG run.
#[derive(Debug)]
pub struct Ddpg {
    settings: DdpgSettings,
    compute: Compute,
    interaction: Interaction,
    actor_network: ActorNetwork,
    critic_network: TwinCritics,
    actor: Learned,
    critics: Learned,
    target_actor: Parameters,
    target_critics: Parameters,
    /// Gradient steps of the critics.
    updates: u64,
    replay: Replay,
    rng: ChaCha8Rng,
}

#[derive(Serialize, Deserialize)]
struct State {
    interaction: InteractionState,
    actor: LearnedState,
    critics: LearnedState,
    target_actor: Vec<f32>,
    target_critics: Vec<f32>,
    updates: u64,
    replay: Replay,
}

/// Sums over an iteration.
#[derive(Default)]
struct Report {
    critic: f64,
    critic_updates: f64,
    actor: f64,
    actor_updates: f64,
}

impl Ddpg {
    /// Begins a run.
    ///
    /// # Errors
    /// The shapes do not fit together, actions are not continuous, or a setting is out of its range.
    pub fn new(
        settings: DdpgSettings,
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
        let actor_network = ActorNetwork::new(spec.layout, &settings.hidden, settings.slot_hidden, 1, 0.01);
        let critic_network = TwinCritics::new(&spec.layout, &settings.hidden);
        let actor = Learned::begin(actor_network.matrices(), 1e-8, &compute, &mut rng);
        let critics = Learned::begin(critic_network.matrices(), 1e-8, &compute, &mut rng);
        let (target_actor, target_critics) = (actor.parameters().clone(), critics.parameters().clone());
        let replay = Replay::new(settings.replay_steps, &spec.layout);
        // A normaliser that went on moving would change what every kept value means.
        let interaction = Interaction::new(spec, settings.normalise_observations, settings.warmup_steps);
        Ok(Self {
            settings,
            compute,
            interaction,
            actor_network,
            critic_network,
            actor,
            critics,
            target_actor,
            target_critics,
            updates: 0,
            replay,
            rng,
        })
    }

    /// Acts once in every copy and keeps what came of it.
    fn tick(&mut self, env: &mut dyn VecEnv) -> Result<(), LearnError> {
        let layout = self.interaction.spec.layout;
        let len = self.interaction.spec.envs * layout.outputs();
        let actions = if self.interaction.steps() < self.settings.warmup_steps {
            (0..len).map(|_| self.rng.random_range(-1.0..1.0)).collect()
        } else {
            let rows = self.compute.matrix(self.interaction.rows.clone(), row_len(&layout));
            let mut actions = numbers(self.act(&self.actor.matrices(), &rows, None));
            let std = self.settings.exploration_std as f32;
            for (action, noise) in actions.iter_mut().zip(noise(len, &mut self.rng)) {
                *action = (*action + std * noise).clamp(-1.0, 1.0);
            }
            actions
        };
        let seen = self.interaction.out.observations.clone();
        self.interaction.step(env, Actions::Continuous(&actions))?;
        self.replay.keep(&seen, &actions, &self.interaction.out);
        Ok(())
    }

    /// The actor's actions; zeros for absent slots where there is a mask.
    fn act(&self, matrices: &[Tensor<2>], rows: &Tensor<2>, mask: Option<&Tensor<2>>) -> Tensor<2> {
        let actions = self.actor_network.forward(matrices, rows).swap_remove(0).tanh();
        mask.map_or(actions.clone(), |mask| actions * mask.clone())
    }

    /// One gradient step of the critics, and every so often of the actor.
    fn update(&mut self, report: &mut Report) {
        let batch = self.replay.draw(self.settings.batch, &self.interaction, &self.compute, &mut self.rng);
        let targets = self.targets(&batch);
        let leaves = self.critics.leaves();
        let [first, second] = self.critic_network.forward(&leaves, batch.rows.clone(), batch.actions.clone());
        let loss = (first - targets.clone()).square().mean() + (second - targets).square().mean();
        report.critic += f64::from(numbers(loss.clone().inner())[0]);
        report.critic_updates += 1.0;
        self.critics.descend(&leaves, &loss, self.settings.learning_rate, None);
        self.updates += 1;
        if self.updates.is_multiple_of(self.settings.actor_period) {
            self.update_actor(&batch, report);
        }
    }

    /// What the critics should say of each step: its reward, and what the target networks make of what follows.
    fn targets(&mut self, batch: &Batch) -> Tensor<2> {
        let mut actions = self.act(&self.target_actor.matrices(), &batch.next_rows, None);
        if self.settings.target_std > 0.0 {
            let [count, columns] = actions.dims();
            let noise = self.compute.matrix(noise(count * columns, &mut self.rng), columns);
            let most = self.settings.target_noise_max;
            let noise = noise.mul_scalar(self.settings.target_std).clamp(-most, most);
            actions = (actions + noise).clamp(-1.0, 1.0);
        }
        if let Some(mask) = &batch.next_mask {
            actions = actions * mask.clone();
        }
        let matrices = self.target_critics.matrices();
        let [first, second] = self.critic_network.forward(&matrices, batch.next_rows.clone(), actions);
        let next = if self.settings.twin_critics { first.min_pair(second) } else { first };
        batch.rewards.clone() + batch.lives.clone() * next.mul_scalar(self.settings.gamma)
    }

    fn update_actor(&mut self, batch: &Batch, report: &mut Report) {
        let leaves = self.actor.leaves();
        let actions = self.act(&leaves, &batch.rows, batch.mask.as_ref());
        let [value, _] = self.critic_network.forward(&self.critics.matrices(), batch.rows.clone(), actions);
        let loss = value.mean().neg();
        report.actor += f64::from(numbers(loss.clone().inner())[0]);
        report.actor_updates += 1.0;
        self.actor.descend(&leaves, &loss, self.settings.learning_rate, None);
        self.target_actor.blend(self.actor.parameters(), self.settings.target_fraction);
        self.target_critics.blend(self.critics.parameters(), self.settings.target_fraction);
    }
}

impl Learner for Ddpg {
    fn iterate(&mut self, env: &mut dyn VecEnv) -> Result<Progress, LearnError> {
        self.interaction.begin(env, &mut self.rng)?;
        let mut report = Report::default();
        for _ in 0..self.settings.ticks {
            self.tick(env)?;
            if self.interaction.steps() >= self.settings.warmup_steps {
                (0..self.settings.updates_per_tick).for_each(|_| self.update(&mut report));
            }
        }
        self.interaction.progress(vec![
            ("loss/critic", report.critic / report.critic_updates.max(1.0)),
            ("loss/actor", report.actor / report.actor_updates.max(1.0)),
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
            target_actor: self.target_actor.numbers(),
            target_critics: self.target_critics.numbers(),
            updates: self.updates,
            replay: self.replay.clone(),
        };
        checkpoint::write(NAME, &self.settings, &self.interaction.spec, &state)
    }

    fn resume(&mut self, checkpoint: &[u8]) -> Result<(), CheckpointError> {
        let state: State = checkpoint::read(NAME, &self.settings, &self.interaction.spec, checkpoint)?;
        let odd = CheckpointError::Damaged("lengths");
        let actor = self.actor.with(state.actor, &self.compute).ok_or(odd.clone())?;
        let critics = self.critics.with(state.critics, &self.compute).ok_or(odd.clone())?;
        let target_actor = self.target_actor.with(state.target_actor, &self.compute).ok_or(odd.clone())?;
        let target_critics =
            self.target_critics.with(state.target_critics, &self.compute).ok_or(odd.clone())?;
        if !state.replay.fits(&self.replay) {
            return Err(odd);
        }
        (self.actor, self.critics) = (actor, critics);
        (self.target_actor, self.target_critics) = (target_actor, target_critics);
        (self.updates, self.replay) = (state.updates, state.replay);
        self.rng = state.interaction.rng.restore();
        self.interaction.restore(state.interaction);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(values: &[f32], columns: usize) -> Tensor<2> {
        Compute::cpu().matrix(values.to_vec(), columns)
    }

    fn ddpg(settings: DdpgSettings) -> Ddpg {
        let spec = EnvSpec::plain(1, 2, ActionSpace::Continuous { len: 1 });
        Ddpg::new(settings, spec, 1, Compute::cpu()).unwrap()
    }

    fn batch() -> Batch {
        Batch {
            rows: matrix(&[0.5, 0.5, 0.5, 0.5], 2),
            next_rows: matrix(&[0.3, -0.2, 0.3, -0.2], 2),
            actions: matrix(&[0.1, 0.1], 1),
            mask: None,
            next_mask: None,
            rewards: matrix(&[3.0, 3.0], 1),
            lives: matrix(&[1.0, 0.0], 1),
        }
    }

    #[test]
    fn a_bellman_target_is_the_smaller_critics_view_of_the_target_actors_action() {
        let mut ddpg = ddpg(DdpgSettings { target_std: 0.0, ..DdpgSettings::default() });
        let action = ddpg.act(&ddpg.target_actor.matrices(), &batch().next_rows, None);
        let critics = ddpg.target_critics.matrices();
        let values =
            ddpg.critic_network.forward(&critics, batch().next_rows, action).map(|value| numbers(value)[0]);
        assert!((values[0] - values[1]).abs() > 1e-3, "the twins begin apart: {values:?}");
        let found = numbers(ddpg.targets(&batch()));
        assert!((found[0] - (3.0 + 0.97 * values[0].min(values[1]))).abs() < 1e-6 && found[1] == 3.0);
        ddpg.settings.twin_critics = false;
        assert!((numbers(ddpg.targets(&batch()))[0] - (3.0 + 0.97 * values[0])).abs() < 1e-6);
    }

    #[test]
    fn the_actor_waits_for_its_turn() {
        let mut ddpg = ddpg(DdpgSettings { actor_period: 2, batch: 4, ..DdpgSettings::default() });
        let out = ddpg.interaction.out.clone();
        ddpg.replay.keep(&[0.1, 0.2], &[0.3], &out);
        let begun = ddpg.actor.parameters().numbers();
        ddpg.update(&mut Report::default());
        assert_eq!(ddpg.actor.parameters().numbers(), begun);
        ddpg.update(&mut Report::default());
        assert_ne!(ddpg.actor.parameters().numbers(), begun);
    }

    #[test]
    fn an_actor_period_of_zero_is_refused() {
        let settings = DdpgSettings { actor_period: 0, ..DdpgSettings::default() };
        assert!(settings.check().unwrap_err().to_string().contains("actor_period"));
    }
}
