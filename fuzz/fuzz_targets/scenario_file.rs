//! Scenario files: any text is a file of scenarios or a list of mistakes, and never a file without scenarios.
#![no_main]

use std::collections::HashSet;

use libfuzzer_sys::fuzz_target;
use openclaw_scenario::ScenarioFile;

fuzz_target!(|text: &str| match ScenarioFile::parse(text) {
    Ok(file) => {
        let names: HashSet<_> = file.scenarios.iter().map(|scenario| &scenario.name).collect();
        assert!(!names.is_empty() && names.len() == file.scenarios.len());
    }
    Err(mistakes) => assert!(!mistakes.to_string().is_empty()),
});
