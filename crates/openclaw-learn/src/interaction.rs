//! A learner's side of an environment: the observations it acts on, their running normaliser, the counts of steps and
//! episodes, and the checks that no number runs away unseen.

use crate::checkpoint::SavedRng;
use crate::environment::{Actions, EnvSpec, StepOut, VecEnv};
use crate::episodes::Episodes;
use crate::learner::{LearnError, Progress};
use crate::moments::ObservationMoments;
use crate::rows::{prepare, row_len};
use openclaw_controller::policy::Normaliser;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// See the module.
#[derive(Debug)]
pub(crate) struct Interaction {
    pub(crate) spec: EnvSpec,
    /// What the last step brought; its observations are those to act on.
    pub(crate) out: StepOut,
    /// Those observations as the networks see them.
    pub(crate) rows: Vec<f32>,
    moments: Option<ObservationMoments>,
    /// The normaliser stays as it is once so many steps are done.
    settled_steps: u64,
    normaliser: Normaliser,
    episodes: Episodes,
    steps: u64,
    iteration: u64,
    /// Whether the environment goes on where it is, or is reset first.
    begun: bool,
}

/// What a checkpoint keeps of it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct InteractionState {
    moments: Option<ObservationMoments>,
    steps: u64,
    iteration: u64,
    /// The learner's random numbers, which also give the seed of the next reset.
    pub(crate) rng: SavedRng,
}

impl Interaction {
    /// Without `normalise` features pass as they are.
    pub(crate) fn new(spec: EnvSpec, normalise: bool, settled_steps: u64) -> Self {
        let layout = spec.layout;
        Self {
            out: StepOut::new(&spec),
            rows: vec![0.0; spec.envs * row_len(&layout)],
            moments: normalise.then(|| ObservationMoments::new(&layout)),
            settled_steps,
            normaliser: Normaliser::identity(&layout),
            episodes: Episodes::new(spec.envs),
            steps: 0,
            iteration: 0,
            begun: false,
            spec,
        }
    }

    pub(crate) fn steps(&self) -> u64 {
        self.steps
    }

    pub(crate) fn normaliser(&self) -> &Normaliser {
        &self.normaliser
    }

    /// Begins an iteration: resets the environment where that is due.
    pub(crate) fn begin(&mut self, env: &mut dyn VecEnv, rng: &mut ChaCha8Rng) -> Result<(), LearnError> {
        if env.spec() != self.spec {
            return Err(LearnError::OtherEnvironment);
        }
        if !self.begun {
            env.reset(rng.random(), &mut self.out.observations);
            self.episodes.abandon();
            self.take_in()?;
            self.begun = true;
        }
        self.iteration += 1;
        Ok(())
    }

    /// Takes one action in every copy.
    pub(crate) fn step(&mut self, env: &mut dyn VecEnv, actions: Actions<'_>) -> Result<(), LearnError> {
        env.step(actions, &mut self.out);
        if let Some(copy) = self.out.rewards.iter().position(|reward| !reward.is_finite()) {
            return Err(LearnError::NotFinite { what: "a reward", copy });
        }
        self.steps += self.spec.envs as u64;
        self.episodes.add(&self.out.rewards, &self.out.ends);
        self.take_in()
    }

    /// A raw observation as the networks see it now.
    pub(crate) fn prepare(&self, observation: &[f32], row: &mut [f32]) {
        prepare(&self.spec.layout, &self.normaliser, observation, row);
    }

    /// The final observation of a copy whose episode was truncated in the last step, as the networks see it.
    pub(crate) fn final_row(&self, copy: usize) -> Vec<f32> {
        let len = self.spec.observation_len;
        let mut row = vec![0.0; row_len(&self.spec.layout)];
        self.prepare(&self.out.final_observations[copy * len..][..len], &mut row);
        row
    }

    pub(crate) fn progress(&mut self, scalars: Vec<(&'static str, f64)>) -> Result<Progress, LearnError> {
        if let Some((what, _)) = scalars.iter().find(|(_, value)| !value.is_finite()) {
            return Err(LearnError::Diverged { what, steps: self.steps });
        }
        let (episode_return, episodes) = self.episodes.take();
        let (iteration, steps) = (self.iteration, self.steps);
        Ok(Progress { iteration, steps, episode_return, episodes, scalars })
    }

    /// For a checkpoint; the next iteration begins with a reset.
    pub(crate) fn save(&mut self, rng: &ChaCha8Rng) -> InteractionState {
        self.begun = false;
        InteractionState {
            moments: self.moments.clone(),
            steps: self.steps,
            iteration: self.iteration,
            rng: SavedRng::of(rng),
        }
    }

    pub(crate) fn restore(&mut self, state: InteractionState) {
        let fresh = Self::new(self.spec.clone(), false, self.settled_steps);
        *self = Self { moments: state.moments, steps: state.steps, iteration: state.iteration, ..fresh };
        self.renormalise();
    }

    /// The new observations join the moments before they are normalised by them.
    fn take_in(&mut self) -> Result<(), LearnError> {
        let len = self.spec.observation_len;
        if let Some(index) = self.out.observations.iter().position(|feature| !feature.is_finite()) {
            return Err(LearnError::NotFinite { what: "an observation", copy: index / len });
        }
        if self.steps <= self.settled_steps {
            if let Some(moments) = &mut self.moments {
                moments.add(&self.spec.layout, &self.out.observations);
            }
            self.renormalise();
        }
        let layout = &self.spec.layout;
        let rows = self.rows.chunks_exact_mut(row_len(layout));
        for (observation, row) in self.out.observations.chunks_exact(len).zip(rows) {
            prepare(layout, &self.normaliser, observation, row);
        }
        Ok(())
    }

    fn renormalise(&mut self) {
        if let Some(moments) = &self.moments {
            self.normaliser = moments.normaliser(&self.spec.layout);
        }
    }
}
