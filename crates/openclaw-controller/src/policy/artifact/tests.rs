//! What an artifact holds comes back; whatever is wrong with a file is found and said.

use std::collections::BTreeMap;

use super::*;
use crate::policy::{LAYOUT, Layout, OBSERVATION, SHARED_ACTIONS};

/// Numbers that look random and are the same everywhere.
fn numbers(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

fn dense(inputs: usize, outputs: usize) -> Dense {
    Dense { inputs, outputs, weights: numbers(inputs * outputs, 7), bias: numbers(outputs, 8) }
}

fn network(layout: Layout) -> Network {
    let slotted = layout.actions_slot > 0;
    Network {
        layout,
        normaliser: Normaliser::identity(&layout),
        trunk: vec![dense(layout.trunk_inputs(), 12), dense(12, 8)],
        shared_head: dense(8, layout.actions_shared),
        slot_hidden: if slotted { vec![dense(8 + layout.slot, 5)] } else { Vec::new() },
        slot_head: slotted.then(|| dense(5, layout.actions_slot)),
    }
}

fn provenance() -> Provenance {
    Provenance {
        version: "ppo-classic-1".to_owned(),
        algorithm: "ppo".to_owned(),
        command: "openclaw train --algorithm ppo --seed 1".to_owned(),
        seed: u64::MAX,
        commit: "0123abc".to_owned(),
        scores: BTreeMap::from([("selection".to_owned(), 0.1 + 0.2)]),
    }
}

fn rows() -> Vec<f32> {
    let mut rows = numbers(EXAMPLES * OBSERVATION, 9);
    for row in rows.chunks_exact_mut(OBSERVATION) {
        row[LAYOUT.shared] = 1.0;
    }
    rows
}

fn artifact() -> Artifact {
    Artifact::new(network(LAYOUT), Output::Clipped, provenance(), rows()).unwrap()
}

/// The fault of the artifact's file once its header's text was changed.
fn fault_of(from: &str, to: &str) -> String {
    let bytes = artifact().to_bytes().unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header = std::str::from_utf8(&bytes[8..8 + length]).unwrap();
    assert!(header.contains(from), "{from:?} is not in the header");
    let header = header.replacen(from, to, 1);
    let changed =
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &bytes[8 + length..]].concat();
    told(&Artifact::from_bytes(&changed).unwrap_err())
}

/// An error with its source, as a person sees it.
fn told(error: &ArtifactError) -> String {
    let source = std::error::Error::source(error).map(|source| format!(": {source}"));
    format!("{error}{}", source.unwrap_or_default())
}

#[track_caller]
fn assert_fault(fault: &str, expected: &str) {
    assert!(fault.contains(expected), "{fault:?} lacks {expected:?}");
}

#[test]
fn an_artifact_comes_back_as_it_was_with_the_same_bytes() {
    let choice =
        Artifact::new(network(Output::Choice.layout()), Output::Choice, provenance(), rows()).unwrap();
    for artifact in [artifact(), choice] {
        let bytes = artifact.to_bytes().unwrap();
        let read = Artifact::from_bytes(&bytes).unwrap();
        assert_eq!(read, artifact);
        assert_eq!(read.to_bytes().unwrap(), bytes);
        assert_eq!(read.examples().count(), EXAMPLES);
        assert_eq!(read.policy(100.0).unwrap().version(), "ppo-classic-1");
    }
}

#[test]
fn the_form_of_the_file_is_this_one() {
    // What other readers, and files made before, rely on. A new form needs a new ARTIFACT_FORMAT.
    let bytes = artifact().to_bytes().unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let mut shapes: Vec<String> =
        tensors.tensors().iter().map(|(name, view)| format!("{name} {:?}", view.shape())).collect();
    shapes.sort();
    assert_eq!(
        shapes,
        [
            "examples.answers [32, 14]",
            "examples.rows [32, 79]",
            "normaliser.mean [58]",
            "normaliser.std [58]",
            "shared_head.bias [6]",
            "shared_head.weight [6, 8]",
            "slot_head.bias [2]",
            "slot_head.weight [2, 5]",
            "slot_hidden.0.bias [5]",
            "slot_hidden.0.weight [5, 15]",
            "trunk.0.bias [12]",
            "trunk.0.weight [12, 58]",
            "trunk.1.bias [8]",
            "trunk.1.weight [8, 12]",
        ]
    );
    let document: serde_json::Value = serde_json::from_str(&artifact().info().to_json()).unwrap();
    assert_eq!(document["provenance"]["seed"], u64::MAX);
    assert_eq!(document["output"], "clipped");
    assert_eq!(document["layout"]["actionsShared"], SHARED_ACTIONS.len());
    assert_eq!(document["guardrails"]["staleS"], 2.0);
}

#[test]
fn a_policy_for_other_rows_or_behind_other_rails_is_refused() {
    assert_fault(&fault_of(r#"\"schema\":3"#, r#"\"schema\":1"#), "schema is 1, and is 3 here");
    assert_fault(&fault_of(r#"\"format\":1"#, r#"\"format\":9"#), "format is 9");
    assert_fault(&fault_of("p95OverSlo", "p96OverSlo"), "features[1] is \"p96OverSlo\"");
    assert_fault(&fault_of(r#",\"class0.level\""#, ""), "number of actions is 13");
    assert_fault(&fault_of(r#"\"staleS\":2.0"#, r#"\"staleS\":3.0"#), "guardrails.staleS is Some(3.0)");
    assert_fault(&fault_of(r#"\"slots\":4"#, r#"\"slots\":3"#), "must have the layout");
}

#[test]
fn a_document_that_cannot_be_used_is_refused() {
    assert_fault(&fault_of("openclaw-policy", "something-else"), "no entry \"openclaw-policy\"");
    assert_fault(&fault_of(r#"\"seed\":"#, r#"\"tree\":"#), "unknown field `tree`");
    assert_fault(&fault_of("ppo-classic-1", "ppo classic 1"), "version must be");
    assert_fault(&fault_of(r#"\"clipped\""#, r#"\"clapped\""#), "must be one of clipped, tanh, choice");
    assert_fault(&fault_of("0.30000000000000004", "1e999"), "cannot be used");
}

#[test]
fn tensors_that_are_missing_superfluous_or_misshapen_are_refused() {
    assert_fault(&fault_of("normaliser.mean", "normaliser.moan"), "normaliser.mean is missing");
    assert_fault(&fault_of("trunk.0.bias", "trunk.0.bios"), "trunk.0.bias is missing");
    assert_fault(&fault_of("trunk.1", "trunk.7"), "trunk.1.bias is missing");
    assert_fault(&fault_of("slot_head.weight", "slot_head.wait"), "2 of 14 are not a policy's");
    assert_fault(&fault_of("[12,58]", "[58,12]"), "the policy's network is unsound");
    assert_fault(&fault_of("[12,58]", "[2,6,58]"), "must have two dimensions");
    assert_fault(&fault_of("\"shape\":[12]", "\"shape\":[3,4]"), "must have one dimension");
    assert_fault(
        &fault_of(r#""dtype":"F32","shape":[6,8]"#, r#""dtype":"I32","shape":[6,8]"#),
        "must be F32",
    );
}

#[test]
fn a_changed_weight_shows_in_the_examples() {
    let artifact = artifact();
    let bytes = artifact.to_bytes().unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let weights = tensors.tensor("shared_head.weight").unwrap().data().as_ptr();
    let at = weights as usize - bytes.as_ptr() as usize;
    let mut changed = bytes.clone();
    changed[at] ^= 1;
    assert_fault(&told(&Artifact::from_bytes(&changed).unwrap_err()), "does not decide as it did");
    changed[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    assert_fault(&told(&Artifact::from_bytes(&changed).unwrap_err()), "not a finite number");
}

#[test]
fn bytes_that_are_no_such_file_are_refused_without_reading_far() {
    let bytes = artifact().to_bytes().unwrap();
    for cut in [0, 7, 8, 100, bytes.len() - 1] {
        assert!(
            matches!(Artifact::from_bytes(&bytes[..cut]), Err(ArtifactError::NotSafetensors(_))),
            "{cut}"
        );
    }
    let large = vec![0; ARTIFACT_BYTES_MAX + 1];
    assert!(matches!(Artifact::from_bytes(&large), Err(ArtifactError::TooLarge(_))));
}

#[test]
fn what_cannot_be_served_cannot_be_made() {
    let make = |network, rows| Artifact::new(network, Output::Clipped, provenance(), rows);
    let mut not_finite = rows();
    not_finite[3] = f32::NAN;
    assert!(matches!(make(network(LAYOUT), not_finite), Err(ArtifactError::Example(_))));
    assert!(matches!(make(network(LAYOUT), vec![0.0; 5]), Err(ArtifactError::Example(_))));
    let other = Layout { shared: 3, ..LAYOUT };
    assert!(matches!(make(network(other), rows()), Err(ArtifactError::Network(_))));
    let mut overflowing = network(LAYOUT);
    overflowing.shared_head.bias[0] = f32::MAX;
    overflowing.trunk[1].bias = vec![f32::MAX; 8];
    assert!(matches!(make(overflowing, rows()), Err(ArtifactError::Example(_))));
}
