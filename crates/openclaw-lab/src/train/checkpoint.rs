//! Going on where a run was interrupted.
//!
//! A checkpoint holds the learner's own, how far the run is, and the best policy so far. What the services are
//! doing is not part of it: after a look they begin new episodes, in the run that goes on as in the one that is
//! resumed.

use openclaw_controller::policy::Artifact;
use serde::{Deserialize, Serialize};

use super::selection::SelectionScore;
use super::{TrainError, TrainSettings, Training};

#[derive(Serialize, Deserialize)]
struct Checkpoint {
    /// JSON, since what a file of settings may leave out differs by algorithm.
    settings: String,
    steps: u64,
    learner: Vec<u8>,
    best: Option<(SelectionScore, Vec<u8>)>,
}

impl Training {
    /// Everything needed to go on from here. To be taken after every look, whether it is kept or not: taking it ends
    /// the running episodes, which the resumed run cannot know either.
    ///
    /// # Errors
    /// The best policy cannot be written down.
    pub fn checkpoint(&mut self) -> Result<Vec<u8>, TrainError> {
        let best = match &self.best {
            Some((score, artifact)) => Some((score.clone(), artifact.to_bytes()?)),
            None => None,
        };
        let (settings, steps, learner) = (document(&self.settings)?, self.steps, self.learner.checkpoint());
        postcard::to_allocvec(&Checkpoint { settings, steps, learner, best }).map_err(unusable)
    }

    /// Goes on where the run was that wrote the checkpoint, which must have had the same settings.
    ///
    /// # Errors
    /// It is damaged or of another run; nothing can be done with this one then.
    pub fn resume(&mut self, bytes: &[u8]) -> Result<(), TrainError> {
        let checkpoint: Checkpoint = postcard::from_bytes(bytes).map_err(unusable)?;
        if checkpoint.settings != document(&self.settings)? {
            let fault = "it is of a run with other settings; resume with the same command";
            return Err(TrainError::Checkpoint(fault.to_owned()));
        }
        self.learner.resume(&checkpoint.learner)?;
        self.services.resume_at(checkpoint.steps);
        (self.steps, self.looked) = (checkpoint.steps, checkpoint.steps);
        self.best = match checkpoint.best {
            Some((score, artifact)) => Some((score, Artifact::from_bytes(&artifact)?)),
            None => None,
        };
        Ok(())
    }
}

fn document(settings: &TrainSettings) -> Result<String, TrainError> {
    serde_json::to_string(settings).map_err(unusable)
}

fn unusable(error: impl std::fmt::Display) -> TrainError {
    TrainError::Checkpoint(error.to_string())
}
