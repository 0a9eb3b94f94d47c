//! The working tree as the rules see it: packages with their dependencies, and files with their text.
//!
//! Manifests are read by cargo itself, files are listed by git, so that neither a renamed dependency nor an ignored
//! build output can fool a rule. Everything after [`Tree::load`] is pure.

use crate::process;
use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Packages and files of the workspace.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub(crate) packages: Vec<Package>,
    pub(crate) files: Vec<File>,
}

/// One package of the workspace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// Where it lies, from the root, such as `crates/openclaw-bucket`.
    pub(crate) folder: String,
    pub(crate) dependencies: Vec<Dependency>,
    /// The targets that can be named on cargo's command line.
    pub(crate) targets: Vec<Target>,
}

/// A dependency as a manifest declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// Declared under `dev-dependencies`.
    pub(crate) dev: bool,
}

/// A test, bench, example or program of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// As cargo's option is called: `test`, `bench`, `bin`, `example`.
    pub(crate) kind: String,
    pub(crate) name: String,
}

/// A file that is tracked, or would be with the next `git add`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct File {
    /// From the root, with forward slashes.
    pub(crate) path: String,
    /// Empty for files that are not UTF-8.
    pub(crate) text: String,
}

impl Tree {
    /// Reads the workspace this tool was built from.
    ///
    /// # Errors
    /// A manifest that cargo refuses, no git, or a file that cannot be read.
    pub(crate) fn load() -> Result<Self> {
        let root = root();
        let metadata = metadata(&root)?;
        Ok(Self { packages: packages(&metadata, &root)?, files: files(&root)? })
    }

    /// Every file and folder there is, from the root.
    pub(crate) fn paths(&self) -> BTreeSet<&str> {
        self.files
            .iter()
            .flat_map(|file| Path::new(&file.path).ancestors())
            .filter_map(Path::to_str)
            .filter(|path| !path.is_empty())
            .collect()
    }

    /// The text of the file at `path`.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.files.iter().find(|file| file.path == path).map(|file| file.text.as_str())
    }
}

/// The workspace's root: the folder above this package.
pub(crate) fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_owned()
}

/// What cargo says about the workspace.
///
/// # Errors
/// Cargo's own, where a manifest is wrong.
pub(crate) fn metadata(root: &Path) -> Result<Value> {
    let json =
        process::output(process::cargo(root).args(["metadata", "--no-deps", "--format-version", "1"]))?;
    serde_json::from_str(&json).context("cargo metadata wrote no JSON")
}

/// Where cargo puts what it builds.
///
/// # Errors
/// As [`metadata`].
pub(crate) fn target_folder(root: &Path) -> Result<PathBuf> {
    let metadata = metadata(root)?;
    let folder = metadata["target_directory"].as_str().context("cargo metadata names no target folder")?;
    Ok(folder.into())
}

fn packages(metadata: &Value, root: &Path) -> Result<Vec<Package>> {
    let packages = metadata["packages"].as_array().context("cargo metadata lists no packages")?;
    packages.iter().map(|package| self::package(package, root)).collect()
}

fn package(json: &Value, root: &Path) -> Result<Package> {
    let name = json["name"].as_str().context("a package without a name")?;
    let manifest = json["manifest_path"].as_str().with_context(|| format!("{name} has no manifest"))?;
    let folder = Path::new(manifest).parent().and_then(|folder| folder.strip_prefix(root).ok());
    let folder = folder.with_context(|| format!("{name} lies outside {}", root.display()))?;
    let list = |key: &str| json[key].as_array().into_iter().flatten();
    let dependencies = list("dependencies").filter_map(|dependency| {
        let name = dependency["name"].as_str()?.to_owned();
        Some(Dependency { name, dev: dependency["kind"] == "dev" })
    });
    let targets = list("targets").filter_map(|target| {
        let kind = target["kind"].as_array()?.first()?.as_str()?.to_owned();
        Some(Target { kind, name: target["name"].as_str()?.to_owned() })
    });
    Ok(Package {
        name: name.to_owned(),
        folder: folder.to_string_lossy().replace('\\', "/"),
        dependencies: dependencies.collect(),
        targets: targets.collect(),
    })
}

fn files(root: &Path) -> Result<Vec<File>> {
    let mut git = Command::new("git");
    git.current_dir(root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let list = process::output(&mut git).context("the rules cover the files that git lists")?;
    let paths: BTreeSet<&str> = list.split('\0').filter(|path| !path.is_empty()).collect();
    let mut files = Vec::with_capacity(paths.len());
    for path in paths {
        let full = root.join(path);
        // Listed but gone: deleted, and the deletion not yet committed.
        if !full.is_file() {
            continue;
        }
        let bytes = fs::read(&full).with_context(|| format!("reading {path}"))?;
        files.push(File { path: path.to_owned(), text: String::from_utf8(bytes).unwrap_or_default() });
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_known_by_the_files_in_them() {
        let files = vec![File { path: "docs/adr/0001-layers.md".to_owned(), text: String::new() }];
        let tree = Tree { files, ..Tree::default() };
        assert_eq!(
            tree.paths().into_iter().collect::<Vec<_>>(),
            ["docs", "docs/adr", "docs/adr/0001-layers.md"]
        );
    }

    #[test]
    fn cargos_words_become_packages() {
        let json = serde_json::json!({"packages": [{
            "name": "openclaw-bucket",
            "manifest_path": "/w/crates/openclaw-bucket/Cargo.toml",
            "dependencies": [{"name": "serde", "kind": null}, {"name": "loom", "kind": "dev"}],
            "targets": [{"kind": ["lib"], "name": "openclaw_bucket"}, {"kind": ["test"], "name": "loom_word"}],
        }]});
        let packages = packages(&json, Path::new("/w")).unwrap();
        assert_eq!(packages[0].folder, "crates/openclaw-bucket");
        assert_eq!(packages[0].dependencies.iter().map(|d| d.dev).collect::<Vec<_>>(), [false, true]);
        assert_eq!(packages[0].targets[1].name, "loom_word");
    }

    #[test]
    fn this_workspace_is_read_with_this_very_file_in_it() {
        let tree = Tree::load().unwrap();
        assert!(tree.packages.iter().any(|package| package.name == "xtask"));
        assert!(tree.text("xtask/src/tree.rs").unwrap().starts_with("//! The working tree"));
    }
}
