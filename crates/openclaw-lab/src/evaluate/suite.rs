//! The scenarios that controllers are compared on, from files and with the traces that these name.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use openclaw_harness::scenario_file::{self, ScenarioFileError};
use openclaw_scenario::{ArrivalTrace, Scenario};

use super::identity::Identity;

/// One scenario to play.
#[derive(Clone, Debug)]
pub struct Case {
    /// What results call it: its name, with its group before it where two files use the same name.
    pub name: String,
    /// What it is summarised with: the stem of its file, or the name of its family.
    pub group: String,
    /// The scenario.
    pub scenario: Arc<Scenario>,
    /// Its recorded arrivals, where it names a trace.
    pub trace: Option<Arc<ArrivalTrace>>,
    /// What the scenario is, whatever it is called, and at its own length.
    pub identity: Identity,
}

/// Why the scenarios cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum SuiteError {
    /// A file cannot be used.
    #[error(transparent)]
    File(#[from] ScenarioFileError),
    /// The same file twice.
    #[error("{}: given twice; its scenarios would count double", .0.display())]
    Twice(PathBuf),
}

impl Case {
    /// The case of a scenario and the arrivals that it names.
    #[must_use]
    pub fn new(group: &str, scenario: Scenario, trace: Option<ArrivalTrace>) -> Self {
        Self {
            name: scenario.name.clone(),
            group: group.to_owned(),
            identity: Identity::of(&scenario, trace.as_ref()),
            scenario: Arc::new(scenario),
            trace: trace.map(Arc::new),
        }
    }

    /// The same course stretched or compressed.
    #[must_use]
    pub fn scaled_to(self, duration_s: f64) -> Self {
        Self { scenario: Arc::new(self.scenario.scaled_to(duration_s)), ..self }
    }
}

/// Reads all scenarios of `files`, stretched or compressed to `duration_s` where one is given.
///
/// # Errors
/// Names the first file that cannot be used, with every mistake in it.
pub fn read(files: &[PathBuf], duration_s: Option<f64>) -> Result<Vec<Case>, SuiteError> {
    let mut seen = HashSet::new();
    let groups = groups(files);
    let mut cases = Vec::new();
    for (path, group) in files.iter().zip(&groups) {
        // A file that cannot be resolved is reported by the reader, with the reason.
        if !seen.insert(path.canonicalize().unwrap_or_else(|_| path.clone())) {
            return Err(SuiteError::Twice(path.clone()));
        }
        for scenario in scenario_file::read(path)? {
            let trace = scenario_file::trace(path, &scenario)?;
            let case = Case::new(group, scenario, trace);
            cases.push(match duration_s {
                Some(duration_s) => case.scaled_to(duration_s),
                None => case,
            });
        }
    }
    tell_apart(&mut cases);
    Ok(cases)
}

/// A name for each file: its stem, with its folder before it where another file has the same stem, and its whole
/// path where that is not enough.
fn groups(files: &[PathBuf]) -> Vec<String> {
    let stem = |path: &Path| path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let in_folder = |path: &Path| match path.parent().and_then(Path::file_name) {
        Some(folder) => format!("{}/{}", folder.to_string_lossy(), stem(path)),
        None => stem(path),
    };
    let whole = |path: &Path| path.display().to_string();
    let unique = |name: &dyn Fn(&Path) -> String, path: &Path| {
        files.iter().filter(|other| name(other) == name(path)).count() == 1
    };
    let shortest = |path: &PathBuf| {
        if unique(&stem, path) {
            stem(path)
        } else if unique(&in_folder, path) {
            in_folder(path)
        } else {
            whole(path)
        }
    };
    files.iter().map(shortest).collect()
}

/// Puts the group before every name that is used in more than one file.
fn tell_apart(cases: &mut [Case]) {
    let mut uses = BTreeMap::new();
    for case in &*cases {
        *uses.entry(case.name.clone()).or_insert(0_u32) += 1;
    }
    for case in cases.iter_mut().filter(|case| uses[&case.name] > 1) {
        case.name = format!("{}/{}", case.group, case.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, name: &str, scenarios: &[&str]) -> PathBuf {
        let one = |name: &&str| {
            format!(
                r#"{{"name":"{name}","description":"calm","seed":1,"durationS":20,"load":0.5,
                "service":{{"workers":4,"serviceTime":{{"distribution":"lognormal","meanMs":10,"cv":0}},
                "queueMax":10,"clientTimeoutMs":500}},"surges":[{{"kind":"flash","startS":10,"durationS":4,
                "factor":2,"userFraction":1}}]}}"#
            )
        };
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let scenarios: Vec<_> = scenarios.iter().map(one).collect();
        std::fs::write(&path, format!(r#"{{"scenarios":[{}]}}"#, scenarios.join(","))).unwrap();
        path
    }

    #[test]
    fn every_scenario_of_every_file_is_a_case_in_its_file_s_group() {
        let folder = tempfile::tempdir().unwrap();
        let files =
            [write(folder.path(), "calm.json", &["a", "b"]), write(folder.path(), "wild.json", &["c"])];
        let cases = read(&files, Some(10.0)).unwrap();
        let named: Vec<_> = cases.iter().map(|case| (case.group.as_str(), case.name.as_str())).collect();
        assert_eq!(named, [("calm", "a"), ("calm", "b"), ("wild", "c")]);
        assert!(cases.iter().all(|case| case.scenario.duration_s == 10.0));
        assert_eq!(cases[0].scenario.surges[0].start_s, 5.0, "the course scales with its length");
    }

    #[test]
    fn files_and_scenarios_of_the_same_name_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let files = [
            write(folder.path(), "test/classic.json", &["steady", "drop"]),
            write(folder.path(), "selection/classic.json", &["steady"]),
        ];
        let cases = read(&files, None).unwrap();
        let names: Vec<_> = cases.iter().map(|case| case.name.as_str()).collect();
        assert_eq!(names, ["test/classic/steady", "drop", "selection/classic/steady"]);
    }

    #[test]
    fn a_file_given_twice_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = write(folder.path(), "calm.json", &["a"]);
        let again = folder.path().join(".").join("calm.json");
        let error = read(&[file, again], None).unwrap_err().to_string();
        assert!(error.ends_with("calm.json: given twice; its scenarios would count double"), "{error}");
    }

    #[test]
    fn a_mistake_is_told_with_file_field_and_reason() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("bad.json");
        std::fs::write(&file, r#"{"scenarios":[]}"#).unwrap();
        let error = read(&[file], None).unwrap_err().to_string();
        assert!(error.contains("bad.json:") && error.contains("must hold at least one scenario"), "{error}");
    }
}
