//! The scenario that `openclaw demo` plays, built into the binary.

use crate::scenario::{Scenario, ScenarioFile};

/// The demo's course on its base of 60 s: calm, a flash crowd at twice the capacity, abusive users, half
/// of the capacity lost. Stretch it with [`Scenario::scaled_to`].
#[must_use]
#[expect(clippy::expect_used, reason = "the text is part of the binary, and a test parses it")]
pub fn demo() -> Scenario {
    let file = ScenarioFile::parse(include_str!("../../../scenarios/demo.json"))
        .expect("the shipped scenario is valid");
    file.scenarios.into_iter().next().expect("a parsed file holds a scenario")
}
