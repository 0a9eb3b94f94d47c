//! Learned policies from artifact files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use openclaw_controller::policy::{ARTIFACT_BYTES_MAX, Artifact, ArtifactError};

use super::contender::{Build, LEARNED};

/// Why a policy cannot take part.
#[derive(Debug, thiserror::Error)]
pub enum PolicyFileError {
    /// The file cannot be read.
    #[error("--policy {}: cannot be read: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The artifact is refused.
    #[error("--policy {}: {source}", path.display())]
    Refused {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: ArtifactError,
    },
    /// Two files of the same name.
    #[error("--policy {}: another policy is called {stem:?} too; rename one of the files", path.display())]
    SameName {
        /// Which file.
        path: PathBuf,
        /// The name without folder and ending.
        stem: String,
    },
}

/// The policies of `files` by name: `learned`, or `learned:STEM` where there are several.
///
/// # Errors
/// Names the first file that cannot be used.
pub fn read_policies(files: &[PathBuf]) -> Result<Vec<(String, Build)>, PolicyFileError> {
    let mut policies: Vec<(String, Build)> = Vec::new();
    for path in files {
        let stem = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let name = if files.len() == 1 { LEARNED.to_owned() } else { format!("{LEARNED}:{stem}") };
        if policies.iter().any(|(other, _)| *other == name) {
            return Err(PolicyFileError::SameName { path: path.clone(), stem });
        }
        policies.push((name, build(read(path)?)));
    }
    Ok(policies)
}

fn read(path: &Path) -> Result<Artifact, PolicyFileError> {
    let failed = |source| PolicyFileError::Read { path: path.to_owned(), source };
    let refused = |source| PolicyFileError::Refused { path: path.to_owned(), source };
    // A file that is too large is refused unread.
    let length = std::fs::metadata(path).map_err(failed)?.len();
    if length > ARTIFACT_BYTES_MAX as u64 {
        return Err(refused(ArtifactError::TooLarge(usize::try_from(length).unwrap_or(usize::MAX))));
    }
    Artifact::from_bytes(&std::fs::read(path).map_err(failed)?).map_err(refused)
}

#[expect(clippy::expect_used, reason = "an artifact that was read has been checked")]
fn build(artifact: Artifact) -> Build {
    Arc::new(move |start_per_s| Box::new(artifact.policy(start_per_s).expect("the network was checked")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_no_artifact_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("policy.safetensors");
        let missing = read_policies(std::slice::from_ref(&path)).err().unwrap().to_string();
        assert!(missing.contains("policy.safetensors: cannot be read"), "{missing}");
        std::fs::write(&path, "no artifact").unwrap();
        let refused = read_policies(std::slice::from_ref(&path)).err().unwrap().to_string();
        assert!(refused.starts_with(&format!("--policy {}: ", path.display())), "{refused}");
    }
}
