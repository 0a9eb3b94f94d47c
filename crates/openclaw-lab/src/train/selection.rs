//! Which of the policies met on the way is kept: the one that does best on scenarios that are neither trained on nor
//! reported.
//!
//! The best is often found at 30 to 60 % of a run: the reward is a stand-in for the score, and a policy that goes on
//! gaining the one can lose the other.

use std::collections::BTreeMap;
use std::sync::Arc;

use openclaw_controller::policy::{EXAMPLES, LearnedPolicy};
use openclaw_controller::{Controller, ControllerKind};
use openclaw_learn::Policy;
use openclaw_scenario::families::{Family, Split, sample};
use openclaw_sim::{Run, SimSettings, Simulation, World, oracle, score};
use serde::{Deserialize, Serialize};

use crate::jobs::in_order;

/// Decisions between two examples of one course.
const EXAMPLE_EVERY: usize = 37;

/// Scenarios to choose by, with what the oracle makes of them.
#[derive(Debug)]
pub struct Selection {
    cases: Vec<Case>,
    threads: usize,
}

#[derive(Debug)]
struct Case {
    family: Family,
    world: Arc<World>,
    oracle: Run,
}

/// Means over the scenarios of a [`Selection`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SelectionScore {
    /// Mean of J.
    pub j: f64,
    /// Mean of JF.
    pub jf: f64,
    /// Mean of JF by family, for those that take part.
    pub families: BTreeMap<String, f64>,
}

impl SelectionScore {
    /// What policies are chosen by: the mean of J and JF.
    #[must_use]
    pub fn total(&self) -> f64 {
        0.5 * (self.j + self.jf)
    }

    /// The figures by name, as artifacts and logs have them.
    #[must_use]
    pub fn named(&self) -> BTreeMap<String, f64> {
        let families = self.families.iter().map(|(family, jf)| (format!("selection.{family}.JF"), *jf));
        let all = [("selection.J", self.j), ("selection.JF", self.jf), ("selection", self.total())];
        all.into_iter().map(|(name, value)| (name.to_owned(), value)).chain(families).collect()
    }
}

impl Selection {
    /// The first scenarios of each family's selection split, as many as stand beside it. Plays the oracle on all.
    #[must_use]
    pub fn new(families: &[(Family, u64)], threads: usize) -> Self {
        let wanted: Vec<(Family, u64)> =
            families.iter().flat_map(|(family, count)| (0..*count).map(|index| (*family, index))).collect();
        let cases = in_order(&wanted, threads, |(family, index)| {
            let scenario = Arc::new(sample(*family, Split::Selection, *index));
            let world = Arc::new(World::new(scenario, None, 0));
            let oracle = oracle(&world, &SimSettings::default());
            Case { family: *family, world, oracle }
        });
        Self { cases, threads }
    }

    /// What a controller of the catalogue scores as published.
    #[must_use]
    pub fn score_kind(&self, kind: ControllerKind) -> SelectionScore {
        self.score(&|start_per_s| kind.build(start_per_s, &[]))
    }

    /// What a policy scores.
    #[must_use]
    pub fn score_policy(&self, policy: &Policy) -> SelectionScore {
        self.score(&|start_per_s| Box::new(learned(policy, start_per_s)))
    }

    fn score(&self, build: &(dyn Fn(f64) -> Box<dyn Controller> + Sync)) -> SelectionScore {
        let scores = in_order(&self.cases, self.threads, |case| {
            let simulation = Simulation::in_world(Arc::clone(&case.world), SimSettings::default());
            let run = simulation.run(&mut *build(case.world.start_per_s()));
            let score = score(&run, &case.oracle);
            (score.j, score.jf)
        });
        let mean = |values: Vec<f64>| values.iter().sum::<f64>() / values.len().max(1) as f64;
        let of_family = |family: Family| {
            let own = self.cases.iter().zip(&scores).filter(move |(case, _)| case.family == family);
            own.map(|(_, (_, jf))| *jf).collect::<Vec<_>>()
        };
        let families = Family::ALL.into_iter().map(|family| (family.name().to_owned(), of_family(family)));
        SelectionScore {
            j: mean(scores.iter().map(|(j, _)| *j).collect()),
            jf: mean(scores.iter().map(|(_, jf)| *jf).collect()),
            families: families
                .filter(|(_, own)| !own.is_empty())
                .map(|(name, own)| (name, mean(own)))
                .collect(),
        }
    }

    /// Rows that the policy sees on its way through these scenarios, as many as an artifact wants.
    pub(super) fn example_rows(&self, policy: &Policy) -> Vec<f32> {
        let mut rows = Vec::new();
        let mut found = 0;
        for case in self.cases.iter().cycle() {
            let per_course = EXAMPLES.div_ceil(self.cases.len());
            let mut controller = learned(policy, case.world.start_per_s());
            let mut simulation = Simulation::in_world(Arc::clone(&case.world), SimSettings::default());
            let (mut decisions, mut own) = (0, 0);
            while own < per_course
                && found < EXAMPLES
                && let Some(seen) = simulation.next_decision()
            {
                let Some(seen) = seen else { continue };
                simulation.act(&controller.decide(&seen));
                decisions += 1;
                if let Some(last) = controller.last()
                    && decisions % EXAMPLE_EVERY == 0
                {
                    rows.extend_from_slice(last.features);
                    own += 1;
                    found += 1;
                }
            }
            if found == EXAMPLES {
                break;
            }
        }
        rows
    }
}

fn learned(policy: &Policy, start_per_s: f64) -> LearnedPolicy {
    LearnedPolicy::new(&policy.network, policy.output, String::new(), start_per_s)
        .unwrap_or_else(|error| unreachable!("a learner makes networks that fit its environment: {error}"))
}
