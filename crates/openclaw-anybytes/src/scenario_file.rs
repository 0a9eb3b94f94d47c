//! Scenario files: any text is a file of scenarios or a list of mistakes, and never a file without scenarios.

use std::collections::HashSet;

use openclaw_scenario::ScenarioFile;

/// Checks a file.
///
/// # Panics
/// Where the promise does not hold.
pub fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match ScenarioFile::parse(text) {
        Ok(file) => {
            let names: HashSet<_> = file.scenarios.iter().map(|scenario| &scenario.name).collect();
            assert!(!names.is_empty() && names.len() == file.scenarios.len());
        }
        Err(mistakes) => assert!(!mistakes.to_string().is_empty()),
    }
}
