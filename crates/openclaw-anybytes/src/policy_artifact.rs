//! Files of learned policies: one that is taken reads the same once written again, and decides without surprise.
//!
//! Bytes from nowhere rarely pass the header, so an input may also be changes to a sound file: three bytes each, a
//! place and what stands there.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use openclaw_controller::policy::{
    Artifact, Dense, EXAMPLES, LAYOUT, Network, Normaliser, OBSERVATION, Output, Provenance,
};

static SOUND: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let dense = |inputs, outputs| Dense {
        inputs,
        outputs,
        weights: vec![0.5; inputs * outputs],
        bias: vec![0.25; outputs],
    };
    let network = Network {
        layout: LAYOUT,
        normaliser: Normaliser::identity(&LAYOUT),
        trunk: vec![dense(LAYOUT.trunk_inputs(), 3)],
        shared_head: dense(3, LAYOUT.actions_shared),
        slot_hidden: vec![dense(3 + LAYOUT.slot, 2)],
        slot_head: Some(dense(2, LAYOUT.actions_slot)),
    };
    let provenance = Provenance {
        version: "fuzzed".to_owned(),
        algorithm: "none".to_owned(),
        command: String::new(),
        seed: 1,
        commit: String::new(),
        scores: BTreeMap::new(),
    };
    let artifact = Artifact::new(network, Output::Clipped, provenance, vec![0.5; EXAMPLES * OBSERVATION]);
    artifact.and_then(|artifact| artifact.to_bytes()).expect("it is sound")
});

/// Checks a file, or where the last bit of the first byte is set, changes to a sound one.
///
/// # Panics
/// Where the promise does not hold.
pub fn check(input: &[u8]) {
    let Some((first, bytes)) = input.split_first() else { return };
    let changes = first & 1 == 1;
    if !changes {
        return check_file(bytes);
    }
    let mut file = SOUND.clone();
    for change in bytes.chunks_exact(3) {
        let place = usize::from(u16::from_le_bytes([change[0], change[1]])) % file.len();
        file[place] = change[2];
    }
    check_file(&file);
}

fn check_file(bytes: &[u8]) {
    let Ok(artifact) = Artifact::from_bytes(bytes) else { return };
    let written = artifact.to_bytes().expect("what was read can be written");
    assert_eq!(Artifact::from_bytes(&written).expect("what was written can be read"), artifact);
    artifact.policy(1000.0).expect("what was read can serve");
}
