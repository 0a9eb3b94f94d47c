//! Reading a scenario file, or falling back on the demo's.

use anyhow::{Context, Result, anyhow};
use openclaw_scenario::{Scenario, ScenarioFile, demo};

use crate::cli::ScenarioArgs;

/// The scenario that the arguments name.
pub(super) fn read(args: &ScenarioArgs) -> Result<Scenario> {
    let Some(path) = &args.scenario else { return Ok(demo()) };
    let text = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let file = ScenarioFile::parse(&text).map_err(|errors| anyhow!("{}: {errors}", path.display()))?;
    let names: Vec<_> = file.scenarios.iter().map(|scenario| scenario.name.clone()).collect();
    let found = match &args.name {
        Some(name) => file.scenarios.into_iter().find(|scenario| scenario.name == *name),
        None => file.scenarios.into_iter().next(),
    };
    found.ok_or_else(|| match &args.name {
        Some(name) => anyhow!("{} holds no scenario {name:?}; it has {}", path.display(), names.join(", ")),
        None => anyhow!("{} holds no scenario", path.display()),
    })
}
