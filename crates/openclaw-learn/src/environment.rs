//! What a learner needs to know of a world: several copies of it, stepped together, with flat rows of `f32`.
//!
//! Stepping many copies at once is what keeps the network's matrices tall enough to be worth multiplying. A trait per
//! single environment lost as the boundary: the simulator shares work between its copies, and decides itself how many
//! threads it uses. Single environments come in through [`Copies`](crate::Copies).

use openclaw_controller::policy::Layout;
use thiserror::Error;

/// Several copies of one environment, stepped together.
///
/// A copy whose episode ends begins its next one within the same [`step`](VecEnv::step). There is no way to save a
/// copy in the middle of an episode: a learner that is resumed begins with fresh episodes, and so does the one that
/// was not interrupted (see [`Learner::checkpoint`](crate::Learner::checkpoint)).
pub trait VecEnv {
    /// The shapes, which never change.
    fn spec(&self) -> EnvSpec;

    /// Begins every copy anew and writes `envs * observation_len` observations. All that happens until the next reset
    /// follows from this seed and the actions alone, on whatever number of threads.
    fn reset(&mut self, seed: u64, observations: &mut [f32]);

    /// Takes one action in every copy.
    fn step(&mut self, actions: Actions<'_>, out: &mut StepOut);
}

/// The shapes of a [`VecEnv`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvSpec {
    /// Copies stepped together.
    pub envs: usize,
    /// Features of one copy's observation.
    pub observation_len: usize,
    /// What a copy takes as an action.
    pub action: ActionSpace,
    /// How observation and action are cut.
    pub layout: Layout,
}

/// What an environment takes as an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActionSpace {
    /// A row of numbers, each in [-1, 1].
    Continuous {
        /// Numbers in the row: the layout's shared actions, then those of slot 0, slot 1 and so on.
        len: usize,
    },
    /// One of so many choices.
    Discrete {
        /// How many choices there are.
        count: usize,
    },
}

/// One action for every copy.
#[derive(Debug, Clone, Copy)]
pub enum Actions<'a> {
    /// `[envs * len]`, each in [-1, 1]. What stands in the place of an absent slot means nothing.
    Continuous(&'a [f32]),
    /// `[envs]`, each below `count`.
    Discrete(&'a [u32]),
}

/// What a step brought. Reused from step to step.
#[derive(Debug, Clone, PartialEq)]
pub struct StepOut {
    /// `[envs * observation_len]`: what to act on next; of a new episode where one has ended.
    pub observations: Vec<f32>,
    /// `[envs]`.
    pub rewards: Vec<f32>,
    /// `[envs]`.
    pub ends: Vec<End>,
    /// `[envs * observation_len]`: the last observation of an episode that was truncated in this step; every other
    /// copy's row is left as it was and means nothing.
    pub final_observations: Vec<f32>,
}

impl StepOut {
    /// Room for one step of such an environment.
    #[must_use]
    pub fn new(spec: &EnvSpec) -> Self {
        let observations = vec![0.0; spec.envs * spec.observation_len];
        Self {
            final_observations: observations.clone(),
            observations,
            rewards: vec![0.0; spec.envs],
            ends: vec![End::Running; spec.envs],
        }
    }
}

/// How a copy's episode goes on after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum End {
    /// The episode goes on.
    Running,
    /// It is over, and nothing that follows has any value.
    Terminated,
    /// It was cut off by a limit that the observation does not show; the value of the final observation still counts.
    Truncated,
}

/// Why an environment's shapes do not fit together.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SpecError {
    /// A count of zero.
    #[error("the environment says {field} = 0; at least one is needed")]
    Zero {
        /// The count.
        field: &'static str,
    },
    /// The layout and the observation differ.
    #[error(
        "the layout cuts {layout} features (shared + slots * slot), but an observation has {observation}"
    )]
    Observation {
        /// What the layout adds up to.
        layout: usize,
        /// `observation_len`.
        observation: usize,
    },
    /// The layout and the action differ.
    #[error(
        "the layout makes {layout} actions (shared + slots * per slot), but the action space has {space}; \
         discrete choices are all shared"
    )]
    Action {
        /// What the layout adds up to.
        layout: usize,
        /// The action space's length or count.
        space: usize,
    },
    /// Slots without features, or the other way round.
    #[error(
        "{slots} slots of {slot} features: either both are zero or neither is (the first feature is presence)"
    )]
    Slots {
        /// Slots.
        slots: usize,
        /// Features of each.
        slot: usize,
    },
}

impl EnvSpec {
    /// Without slots: the network is a plain multi-layer perceptron.
    #[must_use]
    pub fn plain(envs: usize, observation_len: usize, action: ActionSpace) -> Self {
        let (ActionSpace::Continuous { len: actions } | ActionSpace::Discrete { count: actions }) = action;
        let layout =
            Layout { shared: observation_len, slots: 0, slot: 0, actions_shared: actions, actions_slot: 0 };
        Self { envs, observation_len, action, layout }
    }

    /// Whether all shapes fit together.
    ///
    /// # Errors
    /// The first that does not.
    pub fn check(&self) -> Result<(), SpecError> {
        let Layout { slots, slot, actions_shared, actions_slot, .. } = self.layout;
        let counts = [
            (self.envs, "envs"),
            (self.observation_len, "observation_len"),
            (actions_shared, "layout.actions_shared"),
        ];
        if let Some((_, field)) = counts.iter().find(|(count, _)| *count == 0) {
            return Err(SpecError::Zero { field });
        }
        if (slots == 0) != (slot == 0) || (slots == 0 && actions_slot > 0) {
            return Err(SpecError::Slots { slots, slot });
        }
        if self.layout.observation() != self.observation_len {
            let (layout, observation) = (self.layout.observation(), self.observation_len);
            return Err(SpecError::Observation { layout, observation });
        }
        let (space, fits) = match self.action {
            ActionSpace::Continuous { len } => (len, self.layout.outputs() == len),
            ActionSpace::Discrete { count } => (count, actions_shared == count && actions_slot == 0),
        };
        let layout = self.layout.outputs();
        if fits { Ok(()) } else { Err(SpecError::Action { layout, space }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slotted() -> EnvSpec {
        let layout = Layout { shared: 3, slots: 2, slot: 4, actions_shared: 2, actions_slot: 1 };
        EnvSpec { envs: 2, observation_len: 11, action: ActionSpace::Continuous { len: 4 }, layout }
    }

    #[test]
    fn shapes_that_fit_pass() {
        assert_eq!(slotted().check(), Ok(()));
        assert_eq!(EnvSpec::plain(1, 4, ActionSpace::Discrete { count: 2 }).check(), Ok(()));
    }

    #[test]
    fn each_misfit_is_named() {
        let spec = EnvSpec { envs: 0, ..slotted() };
        assert_eq!(spec.check(), Err(SpecError::Zero { field: "envs" }));
        let spec = EnvSpec { observation_len: 12, ..slotted() };
        assert_eq!(spec.check(), Err(SpecError::Observation { layout: 11, observation: 12 }));
        let spec = EnvSpec { action: ActionSpace::Continuous { len: 3 }, ..slotted() };
        assert_eq!(spec.check(), Err(SpecError::Action { layout: 4, space: 3 }));
        let spec = EnvSpec { action: ActionSpace::Discrete { count: 4 }, ..slotted() };
        assert_eq!(spec.check(), Err(SpecError::Action { layout: 4, space: 4 }));
        let layout = Layout { slot: 0, ..slotted().layout };
        assert_eq!(EnvSpec { layout, ..slotted() }.check(), Err(SpecError::Slots { slots: 2, slot: 0 }));
    }
}
