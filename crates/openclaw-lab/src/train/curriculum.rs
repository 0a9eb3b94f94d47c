//! What is trained on when: easy conditions first, then all of them.
//!
//! Single conditions teach the law of the total; where conditions combine, nearly everything goes wrong for a policy
//! that does not know that law yet, and it learns to refuse. Specialists lost: a policy that was trained on one
//! family fell to .70 to .80 of the fair goodput elsewhere, so no family ever leaves the mix.

use std::sync::Arc;

use openclaw_scenario::families::{Mix, Split};
use openclaw_sim::World;

/// Indices of one seed; seeds beyond 2^16 share scenarios, which is no harm.
const INDICES_PER_SEED: u64 = 1 << 27;

/// A part of the training run.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Stage {
    /// Where it ends, as a fraction of the run.
    pub until: f64,
    /// Weights of the families: classic, hard, combined, uninstrumented.
    pub weights: [f64; 4],
}

impl Stage {
    pub(super) fn is_sound(&self) -> bool {
        let weights = &self.weights;
        self.until.is_finite()
            && weights.iter().all(|weight| weight.is_finite() && *weight >= 0.0)
            && weights.iter().any(|weight| *weight > 0.0)
    }
}

/// The order of scenarios in a run.
#[derive(Clone, Debug)]
pub(super) struct Curriculum {
    stages: Vec<(u64, Mix)>,
    copies: u64,
    first_index: u64,
}

impl Curriculum {
    /// A curriculum for a run of `steps` decisions over `copies` services.
    ///
    /// # Panics
    /// If there is no stage.
    pub(super) fn new(stages: &[Stage], steps: u64, copies: u64) -> Self {
        assert!(!stages.is_empty(), "a curriculum needs a stage");
        let stages = stages
            .iter()
            .map(|stage| ((stage.until * steps as f64) as u64, Mix::weighted(stage.weights)))
            .collect();
        Self { stages, copies, first_index: 0 }
    }

    /// Lets the scenarios follow from `seed` from now on.
    pub(super) fn begin(&mut self, seed: u64) {
        self.first_index = (seed % (1 << 16)) * INDICES_PER_SEED;
    }

    /// The scenario that copy number `copy` plays after `begun` others, when `steps` decisions were taken in all.
    pub(super) fn world(&self, copy: u64, begun: u64, steps: u64) -> Arc<World> {
        let last = self.stages.len() - 1;
        let stage = self.stages.iter().position(|(until, _)| steps < *until).unwrap_or(last);
        let index = self.first_index + (begun * self.copies + copy) % INDICES_PER_SEED;
        let scenario = self.stages[stage].1.sample(Split::Training, index);
        Arc::new(World::new(Arc::new(scenario), None, 0))
    }
}
