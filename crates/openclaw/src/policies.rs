//! Policy files on disk: found, read within bounds, and checked.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use openclaw_controller::policy::{ARTIFACT_BYTES_MAX, Artifact};

/// How policy files end.
const ENDING: &str = "safetensors";

/// Reads a policy and checks that it decides as it did when it was made.
///
/// # Errors
/// It cannot be read, or is refused; the error names the file.
pub(crate) fn read(path: &Path) -> Result<Artifact> {
    let bytes = read_bounded(path).with_context(|| format!("{} cannot be read", path.display()))?;
    Artifact::from_bytes(&bytes).with_context(|| format!("{} is refused", path.display()))
}

/// One byte more than is accepted: enough to know that a file is too large.
fn read_bounded(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(ARTIFACT_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The policy files of a folder, by name.
///
/// # Errors
/// The folder cannot be read.
pub(crate) fn in_folder(folder: &Path) -> Result<Vec<PathBuf>> {
    let unreadable =
        || format!("the folder {} of policies cannot be read; name another one", folder.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(unreadable)? {
        let path = entry.with_context(unreadable)?.path();
        if path.extension().is_some_and(|ending| ending == ENDING) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use openclaw_controller::policy::{
        Dense, EXAMPLES, LAYOUT, Network, Normaliser, OBSERVATION, Output, Provenance,
    };

    use super::*;

    /// A policy without hidden layers that always gives the same.
    pub(crate) fn artifact(version: &str) -> Artifact {
        let dense = |inputs: usize, outputs: usize| Dense {
            inputs,
            outputs,
            weights: vec![0.0; inputs * outputs],
            bias: vec![0.25; outputs],
        };
        let inputs = LAYOUT.trunk_inputs();
        let network = Network {
            layout: LAYOUT,
            normaliser: Normaliser::identity(&LAYOUT),
            trunk: Vec::new(),
            shared_head: dense(inputs, LAYOUT.actions_shared),
            slot_hidden: Vec::new(),
            slot_head: Some(dense(inputs + LAYOUT.slot, LAYOUT.actions_slot)),
        };
        let provenance = Provenance {
            version: version.to_owned(),
            algorithm: "none".to_owned(),
            command: "openclaw train".to_owned(),
            seed: 1,
            commit: "0123abc".to_owned(),
            scores: BTreeMap::from([("selection".to_owned(), 0.5)]),
        };
        Artifact::new(network, Output::Clipped, provenance, vec![0.5; EXAMPLES * OBSERVATION]).unwrap()
    }

    #[test]
    fn a_policy_is_read_and_others_are_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let (good, bad) = (folder.path().join("a.safetensors"), folder.path().join("b.safetensors"));
        std::fs::write(&good, artifact("one").to_bytes().unwrap()).unwrap();
        std::fs::write(&bad, b"nothing of the kind").unwrap();
        std::fs::write(folder.path().join("notes.txt"), b"").unwrap();
        assert_eq!(in_folder(folder.path()).unwrap(), [good.clone(), bad.clone()]);
        assert_eq!(read(&good).unwrap(), artifact("one"));
        let refused = format!("{:#}", read(&bad).unwrap_err());
        assert!(refused.contains("b.safetensors is refused"), "{refused}");
        let missing = format!("{:#}", read(&folder.path().join("c.safetensors")).unwrap_err());
        assert!(missing.contains("c.safetensors cannot be read"), "{missing}");
    }

    #[test]
    fn a_file_that_is_too_large_is_not_read_to_its_end() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(1 << 40).unwrap();
        let refused = format!("{:#}", read(file.path()).unwrap_err());
        assert!(refused.contains("at most"), "{refused}");
    }
}
