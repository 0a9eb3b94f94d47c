//! `openclaw policy`: what learned policies there are, where one came from, and one in another format.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use openclaw_controller::policy::{Artifact, ArtifactInfo};

use crate::cli::{PolicyCommand, PolicyFormat};
use crate::policies;
use crate::terminal::{complain, say};

pub(super) fn run(command: PolicyCommand) -> Result<()> {
    match command {
        PolicyCommand::List { folder, json } => list(&folder, json),
        PolicyCommand::Show { file, json } => show(&file, json),
        PolicyCommand::Export { file, format, out } => export(&file, format, &out),
    }
}

/// One line for each policy. A file that is refused is told apart, and does not hide the others.
fn list(folder: &Path, json: bool) -> Result<()> {
    let (mut documents, mut refused) = (Vec::new(), 0);
    for file in policies::in_folder(folder)? {
        match policies::read(&file) {
            Ok(artifact) => {
                if !json {
                    say(&line(&file, artifact.info()));
                }
                documents.push(document(&artifact)?);
            }
            Err(error) => {
                complain(&format!("{error:#}"));
                refused += 1;
            }
        }
    }
    if json {
        say(&serde_json::to_string_pretty(&documents).context("writing JSON")?);
    } else if documents.is_empty() && refused == 0 {
        say(&format!("{} holds no policies", folder.display()));
    }
    ensure!(refused == 0, "{refused} of {} policies are refused", documents.len() + refused);
    Ok(())
}

fn line(file: &Path, info: &ArtifactInfo) -> String {
    let provenance = &info.provenance;
    let scores: Vec<String> =
        provenance.scores.iter().map(|(name, score)| format!("{name} {score:.3}")).collect();
    format!("{}  {}  {}  {}", provenance.version, provenance.algorithm, file.display(), scores.join(", "))
}

fn show(file: &Path, json: bool) -> Result<()> {
    let artifact = policies::read(file)?;
    if json {
        say(&serde_json::to_string_pretty(&document(&artifact)?).context("writing JSON")?);
        return Ok(());
    }
    let (info, network) = (artifact.info(), artifact.network());
    let provenance = &info.provenance;
    let numbers: usize = network.layers().map(|(_, layer)| layer.weights.len() + layer.bias.len()).sum();
    let widths: Vec<String> = network.trunk.iter().map(|layer| layer.outputs.to_string()).collect();
    let rows = [
        ("version", provenance.version.clone()),
        ("algorithm", provenance.algorithm.clone()),
        ("command", provenance.command.clone()),
        ("seed", provenance.seed.to_string()),
        ("commit", provenance.commit.clone()),
        ("schema", info.schema.to_string()),
        (
            "network",
            format!(
                "{} hidden, {numbers} numbers, output {}",
                widths.join(" and "),
                artifact.output().name()
            ),
        ),
        ("examples", format!("{} come out bit for bit", artifact.examples().count())),
    ];
    for (name, value) in rows {
        say(&format!("{name:<10} {value}"));
    }
    for (name, score) in &provenance.scores {
        say(&format!("{:<10} {name} {score:.4}", "score"));
    }
    Ok(())
}

fn export(file: &Path, format: PolicyFormat, out: &Path) -> Result<()> {
    let artifact = policies::read(file)?;
    let bytes = match format {
        PolicyFormat::Safetensors => artifact.to_bytes()?,
        PolicyFormat::Onnx => artifact.to_onnx(),
    };
    std::fs::write(out, &bytes).with_context(|| format!("{} cannot be written", out.display()))?;
    say(&format!(
        "{} holds policy {} in {} bytes",
        out.display(),
        artifact.info().provenance.version,
        bytes.len()
    ));
    Ok(())
}

/// The artifact's document, as it stands in its file.
fn document(artifact: &Artifact) -> Result<serde_json::Value> {
    serde_json::from_str(&artifact.info().to_json()).context("reading the policy's document")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policies::tests::artifact;

    #[test]
    fn what_is_exported_as_safetensors_is_the_same_policy() {
        let folder = tempfile::tempdir().unwrap();
        let [from, to] = ["from.safetensors", "to.safetensors"].map(|name| folder.path().join(name));
        std::fs::write(&from, artifact("one").to_bytes().unwrap()).unwrap();
        export(&from, PolicyFormat::Safetensors, &to).unwrap();
        assert_eq!(std::fs::read(&to).unwrap(), std::fs::read(&from).unwrap());
        export(&from, PolicyFormat::Onnx, &to).unwrap();
        assert_eq!(std::fs::read(&to).unwrap(), artifact("one").to_onnx());
    }

    #[test]
    fn a_refused_policy_fails_the_list_but_hides_no_other() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.safetensors"), artifact("one").to_bytes().unwrap()).unwrap();
        list(folder.path(), false).unwrap();
        list(folder.path(), true).unwrap();
        std::fs::write(folder.path().join("b.safetensors"), b"broken").unwrap();
        assert_eq!(list(folder.path(), false).unwrap_err().to_string(), "1 of 2 policies are refused");
    }

    #[test]
    fn a_policys_line_names_its_version_and_scores() {
        let line = line(Path::new("a.safetensors"), artifact("one").info());
        assert_eq!(line, "one  none  a.safetensors  selection 0.500");
        assert_eq!(document(&artifact("one")).unwrap()["provenance"]["seed"], 1);
    }
}
