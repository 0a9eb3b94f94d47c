//! The committed sets: fixed pieces of the families, as files that anyone can read, edit and play.
//!
//! `cargo xtask codegen` writes them, and a test compares, so that the files are the generator's. There is
//! no training set among them: training samples as it goes.

use std::fmt::Write as _;

use super::{Family, Split, sample};
use crate::scenario::Scenario;

/// The first `count` scenarios of a family in a split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScenarioSet {
    /// Selection or test.
    pub split: Split,
    /// Which conditions.
    pub family: Family,
    /// How many.
    pub count: u64,
}

/// Sizes are multiples of the numbers of kinds where there are kinds, so that each kind weighs alike; for
/// the hidden kinds this is off by one at most. Forty combined and twenty uninstrumented scenarios make
/// standard errors small enough to tell a few points of difference.
pub const COMMITTED: [ScenarioSet; 8] = [
    ScenarioSet { split: Split::Selection, family: Family::Classic, count: 13 },
    ScenarioSet { split: Split::Selection, family: Family::Hard, count: 10 },
    ScenarioSet { split: Split::Selection, family: Family::Combined, count: 12 },
    ScenarioSet { split: Split::Selection, family: Family::Uninstrumented, count: 8 },
    ScenarioSet { split: Split::Test, family: Family::Classic, count: 13 },
    ScenarioSet { split: Split::Test, family: Family::Hard, count: 15 },
    ScenarioSet { split: Split::Test, family: Family::Combined, count: 40 },
    ScenarioSet { split: Split::Test, family: Family::Uninstrumented, count: 20 },
];

impl ScenarioSet {
    /// Where the set lies under the repository's root, for instance `scenarios/sets/test/hard.json`.
    #[must_use]
    pub fn path(self) -> String {
        format!("scenarios/sets/{}/{}.json", self.split.name(), self.family.name())
    }

    /// The scenarios.
    #[must_use]
    pub fn scenarios(self) -> Vec<Scenario> {
        (0..self.count).map(|index| sample(self.family, self.split, index)).collect()
    }

    /// The file: one scenario a line, so that a difference names the scenario.
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "plain data with string keys and finite numbers always serialises"
    )]
    pub fn to_json(self) -> String {
        let mut text = String::from("{\"scenarios\":[");
        for (index, scenario) in self.scenarios().iter().enumerate() {
            let line = serde_json::to_string(scenario).expect("a scenario serialises");
            let comma = if index == 0 { "" } else { "," };
            write!(text, "{comma}\n{line}").expect("a string takes everything");
        }
        text.push_str("\n]}\n");
        text
    }
}
