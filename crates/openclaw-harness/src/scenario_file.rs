//! Scenario files on disk, with the traces that they name.

use std::io;
use std::path::{Path, PathBuf};

use openclaw_scenario::{ArrivalTrace, Scenario, ScenarioErrors, ScenarioFile, TraceError};

use crate::load::ScenarioTraffic;
use crate::zipped;

/// Why a scenario file cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioFileError {
    /// The file, or a trace it names, cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file has mistakes; all of them are named.
    #[error("{}:\n{errors}", path.display())]
    Invalid {
        /// Which file.
        path: PathBuf,
        /// Every mistake with its place in the file.
        errors: ScenarioErrors,
    },
    /// A trace has a mistake.
    #[error("{}, {source}", path.display())]
    Trace {
        /// Which trace.
        path: PathBuf,
        /// The mistake and its line.
        source: TraceError,
    },
}

/// Reads a scenario file.
///
/// # Errors
/// If it cannot be read, or has mistakes: then with all of them.
pub fn read(path: &Path) -> Result<Vec<Scenario>, ScenarioFileError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ScenarioFileError::Read { path: path.to_owned(), source })?;
    match ScenarioFile::parse(&text) {
        Ok(file) => Ok(file.scenarios),
        Err(errors) => Err(ScenarioFileError::Invalid { path: path.to_owned(), errors }),
    }
}

/// The recorded arrivals of a scenario that was read from `path`, plain or gzip; `None` where it uses the
/// demand model. The trace is looked for beside that file.
///
/// # Errors
/// If the trace cannot be read or has a mistake.
pub fn trace(path: &Path, scenario: &Scenario) -> Result<Option<ArrivalTrace>, ScenarioFileError> {
    let Some(arrivals) = &scenario.arrivals else { return Ok(None) };
    let trace_path = path.parent().unwrap_or(Path::new("")).join(&arrivals.trace_file);
    let reader = zipped::open(&trace_path)
        .map_err(|source| ScenarioFileError::Read { path: trace_path.clone(), source })?;
    let trace = ArrivalTrace::parse(reader)
        .map_err(|source| ScenarioFileError::Trace { path: trace_path, source })?;
    Ok(Some(trace))
}

/// The traffic of a scenario that was read from `path`, with its [`trace`] where it names one.
///
/// # Errors
/// If the scenario names a trace that cannot be read.
pub fn traffic(path: &Path, scenario: Scenario) -> Result<ScenarioTraffic, ScenarioFileError> {
    let trace = trace(path, &scenario)?;
    let traffic = ScenarioTraffic::new(scenario);
    Ok(match trace {
        Some(trace) => traffic.with_trace(trace),
        None => traffic,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn text(trace: &str) -> String {
        format!(
            r#"{{"scenarios":[{{"name":"traced","description":"a recorded second","seed":1,"durationS":10,
            "service":{{"workers":4,"serviceTime":{{"distribution":"lognormal","meanMs":10,"cv":0}},"queueMax":10,
            "clientTimeoutMs":500}},"load":0.5,"arrivals":{{"traceFile":"{trace}","speedup":2}}}}]}}"#
        )
    }

    #[test]
    fn a_trace_is_found_beside_its_scenario() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("traced.json");
        std::fs::write(&path, text("arrivals.csv")).unwrap();
        std::fs::write(folder.path().join("arrivals.csv"), "0.5\n1\n").unwrap();
        let scenario = read(&path).unwrap().remove(0);
        let traffic = traffic(&path, scenario).unwrap();
        let times: Vec<f64> = traffic.arrivals().map(|arrival| arrival.time_s).collect();
        assert_eq!(times, [0.25, 0.5]);
    }

    #[test]
    fn a_trace_may_be_gzipped_and_a_damaged_one_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("traced.json");
        std::fs::write(&path, text("arrivals.csv.gz")).unwrap();
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(b"seconds\n0.5\n1\n").unwrap();
        let zipped = encoder.finish().unwrap();
        let trace_path = folder.path().join("arrivals.csv.gz");
        std::fs::write(&trace_path, &zipped).unwrap();
        let scenario = read(&path).unwrap().remove(0);
        assert_eq!(trace(&path, &scenario).unwrap().unwrap().times_s(), [0.5, 1.0]);
        std::fs::write(&trace_path, &zipped[..zipped.len() - 9]).unwrap();
        let damaged = trace(&path, &scenario).unwrap_err().to_string();
        assert!(
            damaged.contains("arrivals.csv.gz, line ") && damaged.ends_with("cannot be read"),
            "{damaged}"
        );
    }

    #[test]
    fn errors_name_the_file_at_fault() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("traced.json");
        let missing = read(&path).unwrap_err().to_string();
        assert!(missing.starts_with(&format!("{}: cannot be read: ", path.display())), "{missing}");
        std::fs::write(&path, text("none.csv").replace(r#""load":0.5"#, r#""load":0"#)).unwrap();
        let invalid = read(&path).unwrap_err().to_string();
        assert!(invalid.ends_with("scenarios[0].load: must be in (0, 1000], is 0"), "{invalid}");
        std::fs::write(&path, text("none.csv")).unwrap();
        let scenario = read(&path).unwrap().remove(0);
        let no_trace = traffic(&path, scenario.clone()).unwrap_err().to_string();
        assert!(no_trace.contains("none.csv: cannot be read: "), "{no_trace}");
        std::fs::write(folder.path().join("none.csv"), "1\nx\n").unwrap();
        let bad_trace = traffic(&path, scenario).unwrap_err().to_string();
        assert!(bad_trace.ends_with("none.csv, line 2: \"x\" is not a number of seconds"), "{bad_trace}");
    }
}
