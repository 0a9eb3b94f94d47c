//! Settings on disk: what `--tuned` writes and reads.

use std::path::{Path, PathBuf};

use openclaw_controller::ControllerKind;

use super::{Tuned, Tuning};

/// Why a file of settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TuningFileError {
    /// The file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is none of settings.
    #[error("{}: cannot be read as the settings that --tune writes: {source}", path.display())]
    Json {
        /// Which file.
        path: PathBuf,
        /// Why, with line and column.
        source: serde_json::Error,
    },
    /// A setting is not one of its controller's.
    #[error("{}: controllers[{index}].{field}: {problem}", path.display())]
    Setting {
        /// Which file.
        path: PathBuf,
        /// Which controller.
        index: usize,
        /// Which field of it.
        field: String,
        /// What is wrong.
        problem: String,
    },
}

/// Writes settings to `path`.
///
/// # Errors
/// If the file cannot be written.
pub fn write(path: &Path, tuning: &Tuning) -> Result<(), TuningFileError> {
    let text = serde_json::to_string_pretty(tuning)
        .map_err(|source| TuningFileError::Json { path: path.to_owned(), source })?;
    std::fs::write(path, text + "\n").map_err(|source| TuningFileError::Io { path: path.to_owned(), source })
}

/// Reads settings from `path`.
///
/// # Errors
/// If the file cannot be read, is none of settings, or has a setting that its controller does not know or that is out
/// of its bounds: clamping it in silence would compare something else than the file says.
pub fn read(path: &Path) -> Result<Tuning, TuningFileError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| TuningFileError::Io { path: path.to_owned(), source })?;
    let tuning: Tuning = serde_json::from_str(&text)
        .map_err(|source| TuningFileError::Json { path: path.to_owned(), source })?;
    for (index, tuned) in tuning.controllers.iter().enumerate() {
        check(tuned).map_err(|(field, problem)| TuningFileError::Setting {
            path: path.to_owned(),
            index,
            field,
            problem,
        })?;
    }
    Ok(tuning)
}

/// The first wrong field and what is wrong with it.
fn check(tuned: &Tuned) -> Result<(), (String, String)> {
    let kind: ControllerKind = match tuned.controller.parse() {
        Ok(kind) => kind,
        Err(unknown) => return Err(("controller".to_owned(), format!("{unknown}"))),
    };
    for (name, value) in &tuned.parameters {
        let field = || format!("parameters.{name}");
        let Some(parameter) = kind.parameters().iter().find(|parameter| parameter.name == name) else {
            let known: Vec<_> = kind.parameters().iter().map(|parameter| parameter.name).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err((field(), format!("{kind} has no such parameter; it has {known}")));
        };
        if !(parameter.lowest..=parameter.highest).contains(value) {
            let (low, high) = (parameter.lowest, parameter.highest);
            return Err((field(), format!("must be in [{low}, {high}], is {value}")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tuning() -> Tuning {
        Tuning {
            candidates: 3,
            objective: "mean of (J + JF) / 2".to_owned(),
            slo_ms: 200.0,
            scenarios: Vec::new(),
            controllers: vec![Tuned {
                controller: "static".to_owned(),
                parameters: [("refillShare".to_owned(), 0.1 + 0.2), ("bucketS".to_owned(), 0.7)].into(),
                objective: 0.5,
                published_objective: 0.4,
            }],
        }
    }

    #[test]
    fn what_is_written_is_read_back_to_the_last_digit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tuned.json");
        write(&path, &tuning()).unwrap();
        assert_eq!(read(&path).unwrap(), tuning());
    }

    #[test]
    fn a_mistake_is_told_with_file_field_and_reason() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tuned.json");
        let told = |text: String| {
            std::fs::write(&path, text).unwrap();
            read(&path).unwrap_err().to_string()
        };
        let good = serde_json::to_string(&tuning()).unwrap();
        let unknown = told(good.replace("\"static\"", "\"statik\""));
        assert!(unknown.contains("tuned.json: controllers[0].controller: no controller"), "{unknown}");
        let foreign = told(good.replace("bucketS", "bucketM"));
        assert!(foreign.contains("parameters.bucketM: static has no such parameter"), "{foreign}");
        let outside = told(good.replace("0.7", "70"));
        assert!(outside.ends_with("parameters.bucketS: must be in [0.1, 5], is 70"), "{outside}");
        assert!(
            told("{".to_owned()).contains("tuned.json: cannot be read as the settings that --tune writes")
        );
        std::fs::remove_file(&path).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("tuned.json: "));
    }
}
