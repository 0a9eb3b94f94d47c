//! The policies of this repository decide as they did when they were made: a change of features, actions or rails without
//! a policy trained anew is found here, not at an edge that refuses to start.

use std::path::Path;

use openclaw_controller::policy::Artifact;

#[test]
fn every_policy_that_is_shipped_is_accepted_and_replays() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies");
    let files =
        std::fs::read_dir(&folder).expect("the folder of policies").map(|file| file.expect("a file").path());
    let mut policies = 0;
    for path in files.filter(|path| path.extension().is_some_and(|extension| extension == "safetensors")) {
        let bytes = std::fs::read(&path).expect("a policy");
        let artifact =
            Artifact::from_bytes(&bytes).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()));
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        assert_eq!(Some(artifact.info().provenance.version.as_str()), stem, "a file is named by its version");
        policies += 1;
    }
    assert!(policies > 0, "{} holds no policy", folder.display());
}
