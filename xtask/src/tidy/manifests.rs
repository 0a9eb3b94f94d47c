//! Every package takes the workspace's lints: one that forgot to would be checked by no one.

use super::Finding;
use crate::tree::Tree;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let manifests = tree.packages.iter().map(|package| format!("{}/Cargo.toml", package.folder));
    let without =
        manifests.filter(|manifest| !takes_workspace_lints(tree.text(manifest).unwrap_or_default()));
    without
        .map(|manifest| {
            let mend = "add the lines `[lints]` and `workspace = true`";
            Finding::new(&manifest, 0, "does not take the workspace's lints", mend)
        })
        .collect()
}

fn takes_workspace_lints(manifest: &str) -> bool {
    let mut section = "";
    for line in manifest.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        let setting: String = line.split_whitespace().collect();
        if line.starts_with('[') {
            section = line;
        } else if (section == "[lints]" && setting == "workspace=true")
            || (section.is_empty() && setting == "lints.workspace=true")
        {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::super::tests::{package, places, tree_of};
    use super::*;

    #[test]
    fn a_manifest_with_the_lints_is_fine() {
        for manifest in [
            "[package]\n\n[lints]\nworkspace = true\n",
            "[lints] # all\nworkspace=true",
            "lints.workspace = true\n[package]\n",
        ] {
            assert!(takes_workspace_lints(manifest), "{manifest}");
        }
    }

    #[test]
    fn a_manifest_without_the_lints_is_found() {
        let manifest = "[package]\nname = \"x\"\n[lints]\n[dependencies]\nworkspace = true\n";
        let mut tree = tree_of(&[("crates/openclaw-edge/Cargo.toml", manifest)]);
        tree.packages.push(package("openclaw-edge"));
        assert_eq!(places(&check(&tree)), ["crates/openclaw-edge/Cargo.toml:0"]);
    }
}
