//! The scenario that a command line names, or the demo's.

use std::path::Path;

use anyhow::{Result, anyhow};
use openclaw_harness::{ScenarioTraffic, scenario_file};
use openclaw_scenario::{Scenario, demo};

use crate::cli::ScenarioArgs;

/// The scenario that the arguments name.
pub(super) fn read(args: &ScenarioArgs) -> Result<Scenario> {
    let Some(path) = &args.scenario else { return Ok(demo()) };
    let scenarios = scenario_file::read(path)?;
    let names: Vec<_> = scenarios.iter().map(|scenario| scenario.name.clone()).collect();
    let found = match &args.name {
        Some(name) => scenarios.into_iter().find(|scenario| scenario.name == *name),
        None => scenarios.into_iter().next(),
    };
    found.ok_or_else(|| match &args.name {
        Some(name) => anyhow!("{} holds no scenario {name:?}; it has {}", path.display(), names.join(", ")),
        None => anyhow!("{} holds no scenario", path.display()),
    })
}

/// Its traffic; a trace is looked for beside the scenario's file.
pub(super) fn traffic(args: &ScenarioArgs, scenario: Scenario) -> Result<ScenarioTraffic> {
    Ok(scenario_file::traffic(args.scenario.as_deref().unwrap_or(Path::new("")), scenario)?)
}
