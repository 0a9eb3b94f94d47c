//! Training: a learner, services to learn on, and selection scenarios that say which policy met on the way is kept.
//!
//! The same settings and seed give the same policy, byte for byte, on any number of threads and however often the
//! run was interrupted: every look at the selection scenarios ends the running episodes and is a place to go on from.

mod checkpoint;
mod curriculum;
mod environment;
mod selection;
mod twin;

use openclaw_controller::policy::{Artifact, ArtifactError, Provenance};
use openclaw_learn::{CheckpointError, Compute, LearnError, Learner, Policy, Progress, Settings, VecEnv};
use openclaw_scenario::families::Family;
use serde::{Deserialize, Serialize};

pub use curriculum::Stage;
pub use selection::{Selection, SelectionScore};

use curriculum::Curriculum;
use environment::Services;

/// A training run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrainSettings {
    /// What learns.
    pub learner: Settings,
    /// Every random draw follows from it.
    pub seed: u64,
    /// Decisions of all services together.
    pub steps: u64,
    /// Services at a time.
    pub services: usize,
    /// Whether a reward is what little-guard's in the same world is less: the same optimum, with less noise, for one
    /// more simulation.
    pub relative: bool,
    /// What they go through.
    pub curriculum: Vec<Stage>,
    /// Scenarios of each family's selection split to choose by: classic, hard, combined, uninstrumented.
    pub selection: [u64; 4],
    /// Decisions between two looks at the selection scenarios.
    pub look_every: u64,
}

/// Who makes the policy, for its artifact.
#[derive(Clone, Debug)]
pub struct Maker {
    /// The policy's version.
    pub version: String,
    /// The command that makes it again.
    pub command: String,
    /// The source's commit.
    pub commit: String,
}

/// Why a policy could not be trained.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The settings do not make a run.
    #[error("{0}")]
    Settings(&'static str),
    /// The learner gave up, or its settings are wrong.
    #[error(transparent)]
    Learn(#[from] LearnError),
    /// The policy cannot be written down.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// The checkpoint does not belong to this run.
    #[error("the checkpoint cannot be used: {0}")]
    Checkpoint(String),
}

impl From<CheckpointError> for TrainError {
    fn from(error: CheckpointError) -> Self {
        Self::Checkpoint(error.to_string())
    }
}

/// A step of a run: what the learner says of an iteration, and what a look at the selection scenarios gave, if it was
/// time for one.
#[derive(Clone, Debug)]
pub struct Advance {
    /// The learner's.
    pub progress: Progress,
    /// After a look.
    pub look: Option<SelectionScore>,
}

/// A run under way.
pub struct Training {
    settings: TrainSettings,
    maker: Maker,
    learner: Box<dyn Learner>,
    services: Services,
    selection: Selection,
    steps: u64,
    looked: u64,
    best: Option<(SelectionScore, Artifact)>,
}

impl std::fmt::Debug for Training {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Training")
            .field("settings", &self.settings)
            .field("steps", &self.steps)
            .finish_non_exhaustive()
    }
}

impl TrainSettings {
    fn check(&self) -> Result<(), TrainError> {
        let positive = self.steps > 0 && self.services > 0 && self.look_every > 0;
        let checks = [
            (positive, "steps, services and lookEvery must be over 0"),
            (self.selection.iter().any(|count| *count > 0), "selection must name at least one scenario"),
            (!self.curriculum.is_empty(), "the curriculum needs at least one stage"),
            (
                self.curriculum.iter().all(Stage::is_sound),
                "a stage's weights must be 0 or more, and one over 0",
            ),
        ];
        checks
            .into_iter()
            .try_for_each(|(holds, fault)| if holds { Ok(()) } else { Err(TrainError::Settings(fault)) })
    }
}

impl Training {
    /// Begins a run: makes the services, and plays the oracle on the selection scenarios.
    ///
    /// # Errors
    /// The settings are wrong.
    pub fn begin(
        settings: TrainSettings,
        maker: Maker,
        compute: Compute,
        threads: usize,
    ) -> Result<Self, TrainError> {
        settings.check()?;
        let curriculum = Curriculum::new(&settings.curriculum, settings.steps, settings.services as u64);
        let discrete = matches!(settings.learner, Settings::Dqn(_));
        let services = Services::new(settings.services, threads, curriculum, discrete, settings.relative);
        let learner = settings.learner.clone().begin(services.spec(), settings.seed, compute)?;
        let families: Vec<_> = Family::ALL.into_iter().zip(settings.selection).collect();
        let selection = Selection::new(&families, threads);
        Ok(Self { settings, maker, learner, services, selection, steps: 0, looked: 0, best: None })
    }

    /// One iteration of the learner, and a look at the selection scenarios where it is time for one. `None` at the
    /// end of the run.
    ///
    /// # Errors
    /// Learning diverged.
    pub fn advance(&mut self) -> Result<Option<Advance>, TrainError> {
        if self.is_over() {
            return Ok(None);
        }
        let progress = self.learner.iterate(&mut self.services)?;
        self.steps = progress.steps;
        let due = self.is_over() || self.steps >= self.looked + self.settings.look_every;
        let look = if due { Some(self.look()?) } else { None };
        Ok(Some(Advance { progress, look }))
    }

    fn is_over(&self) -> bool {
        self.steps >= self.settings.steps
    }

    fn look(&mut self) -> Result<SelectionScore, TrainError> {
        self.looked = self.steps;
        let learned = self.learner.policy();
        // Rounded before it is judged: the score is that of the weights that serve.
        let policy = Policy { network: learned.network.rounded(), ..learned };
        let score = self.selection.score_policy(&policy);
        if self.best.as_ref().is_none_or(|(best, _)| score.total() > best.total()) {
            let artifact = self.artifact(policy, &score)?;
            self.best = Some((score.clone(), artifact));
        }
        Ok(score)
    }

    fn artifact(&self, policy: Policy, score: &SelectionScore) -> Result<Artifact, TrainError> {
        let rows = self.selection.example_rows(&policy);
        let mut scores = score.named();
        scores.insert("steps".to_owned(), self.steps as f64);
        let provenance = Provenance {
            version: self.maker.version.clone(),
            algorithm: self.settings.learner.name().to_owned(),
            command: self.maker.command.clone(),
            seed: self.settings.seed,
            commit: self.maker.commit.clone(),
            scores,
        };
        Ok(Artifact::new(policy.network, policy.output, provenance, rows)?)
    }

    /// The selection scenarios.
    #[must_use]
    pub fn selection(&self) -> &Selection {
        &self.selection
    }

    /// The best policy so far, and what it scored; `None` before the first look.
    #[must_use]
    pub fn best(&self) -> Option<(&SelectionScore, &Artifact)> {
        self.best.as_ref().map(|(score, artifact)| (score, artifact))
    }
}
