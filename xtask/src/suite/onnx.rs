//! Exported policies beside ONNX Runtime, the implementation that most others are measured by.

use super::python::{self, Environment};
use super::{Setting, Verdict};
use crate::process::{self, cargo};
use anyhow::Result;

const ONNX: Environment =
    Environment { name: "onnx", packages: &["numpy==2.3.5", "onnx==1.20.0", "onnxruntime==1.23.2"] };

/// Runs the test that compares both.
///
/// # Errors
/// They differ; or, where a machine asked, the runtime cannot be had.
pub(super) fn check(setting: &Setting) -> Result<Verdict> {
    let python = match python::ensure(&ONNX, setting) {
        Ok(python) => python,
        Err(error) if !setting.ci => return Ok(Verdict::NotChecked(format!("{error:#}"))),
        Err(error) => return Err(error),
    };
    let mut command = cargo(&setting.root);
    command.env("OPENCLAW_ONNX_PYTHON", python);
    command.args(["test", "--locked", "--package", "openclaw-controller", "--test", "onnx_runtime", "--"]);
    process::run(command.args(["--ignored", "--nocapture"]))?;
    Ok(Verdict::Passed)
}
