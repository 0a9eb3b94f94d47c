//! Exported policies give in ONNX Runtime what they give here.
//!
//! It needs a Python that has `onnxruntime` and `onnx`, named by `OPENCLAW_ONNX_PYTHON`. `cargo xtask test --only onnx`
//! installs both under the target folder and runs this; an ordinary test run leaves it out.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use openclaw_controller::policy::{
    Artifact, Dense, EXAMPLES, LAYOUT, Layout, Network, Normaliser, Output, Provenance,
};

/// Numbers that look random and are the same everywhere, within ±1.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    fn many(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.next()).collect()
    }

    /// Weights of the size that training begins with.
    fn dense(&mut self, inputs: usize, outputs: usize) -> Dense {
        let scale = (2.0 / inputs as f32).sqrt();
        let weights = self.many(inputs * outputs).into_iter().map(|weight| weight * scale).collect();
        Dense { inputs, outputs, weights, bias: self.many(outputs) }
    }

    fn layers(&mut self, inputs: usize, widths: &[usize]) -> Vec<Dense> {
        let before = [&[inputs], widths].concat();
        before.windows(2).map(|pair| self.dense(pair[0], pair[1])).collect()
    }

    fn network(&mut self, layout: Layout, trunk: &[usize], slot: &[usize]) -> Network {
        let mut normaliser = Normaliser::identity(&layout);
        for entry in (0..layout.normalised()).filter(|entry| *entry != layout.shared) {
            normaliser.mean[entry] = self.next();
            normaliser.std[entry] = 1.1 + self.next();
        }
        let trunk = self.layers(layout.trunk_inputs(), trunk);
        let answers = trunk.last().map_or(layout.trunk_inputs(), |layer| layer.outputs);
        let shared_head = self.dense(answers, layout.actions_shared);
        let slot_hidden =
            if layout.actions_slot > 0 { self.layers(answers + layout.slot, slot) } else { Vec::new() };
        let last = slot_hidden.last().map_or(answers + layout.slot, |layer| layer.outputs);
        let slot_head = (layout.actions_slot > 0).then(|| self.dense(last, layout.actions_slot));
        Network { layout, normaliser, trunk, shared_head, slot_hidden, slot_head }
    }

    /// Rows in which every number of slots is present, none and all of them included.
    fn rows(&mut self) -> Vec<f32> {
        let mut rows = self.many(EXAMPLES * LAYOUT.observation());
        for number in rows.iter_mut() {
            *number *= 4.0;
        }
        for (index, row) in rows.chunks_exact_mut(LAYOUT.observation()).enumerate() {
            for slot in 0..LAYOUT.slots {
                row[LAYOUT.shared + slot * LAYOUT.slot] = if index >> slot & 1 == 1 { 1.0 } else { 0.0 };
            }
        }
        rows
    }

    fn artifact(&mut self, output: Output, trunk: &[usize], slot: &[usize]) -> Artifact {
        let network = self.network(output.layout(), trunk, slot);
        let provenance = Provenance {
            version: "exported".to_owned(),
            algorithm: "none".to_owned(),
            command: String::new(),
            seed: 0,
            commit: String::new(),
            scores: BTreeMap::new(),
        };
        Artifact::new(network, output, provenance, self.rows()).expect("it is sound")
    }
}

fn write_numbers<'a>(path: &Path, rows: impl Iterator<Item = &'a [f32]>) {
    let bytes: Vec<u8> = rows.flatten().flat_map(|number| number.to_le_bytes()).collect();
    std::fs::write(path, bytes).expect("the folder can be written");
}

#[test]
#[ignore = "needs ONNX Runtime: cargo xtask test --only onnx"]
fn exported_policies_give_in_onnx_runtime_what_they_give_here() {
    let python = std::env::var_os("OPENCLAW_ONNX_PYTHON")
        .expect("OPENCLAW_ONNX_PYTHON must name a Python with onnxruntime and onnx; `cargo xtask test --only onnx` sets it");
    let mut numbers = Numbers(5);
    let artifacts = [
        numbers.artifact(Output::Clipped, &[48, 48], &[32]),
        numbers.artifact(Output::Tanh, &[64, 33, 17], &[32, 9]),
        numbers.artifact(Output::Clipped, &[16], &[]),
        numbers.artifact(Output::Clipped, &[], &[8]),
        numbers.artifact(Output::Choice, &[64, 64], &[]),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (index, artifact) in artifacts.iter().enumerate() {
        let file = |ending: &str| folder.path().join(format!("{index}.{ending}"));
        std::fs::write(file("onnx"), artifact.to_onnx()).unwrap();
        write_numbers(&file("rows"), artifact.examples().map(|(row, _)| row));
        write_numbers(&file("answers"), artifact.examples().map(|(_, answer)| answer));
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/onnx_runtime/compare.py");
    let out = Command::new(&python).arg(script).arg(folder.path()).output().unwrap();
    let (told, fault) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{told}{fault}");
    let compared = told.lines().filter(|line| line.contains("largest difference")).count();
    assert_eq!(compared, artifacts.len(), "{told}{fault}");
    println!("{told}");
}
