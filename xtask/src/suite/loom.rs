//! Model checking: every `tests/loom*.rs` of a package is run under loom, which tries the interleavings of threads
//! that a stress test would have to be lucky to meet.
//!
//! Loom needs the whole package compiled with `--cfg loom`; a target folder of its own keeps that from throwing away
//! the ordinary build.

use super::{Setting, Verdict};
use crate::process::cargo;
use crate::test_run;
use crate::tree::{Package, Tree};
use anyhow::{Result, ensure};

/// Runs all models.
///
/// # Errors
/// One failed, or a package has none that runs, or no package has one: then the atomic protocols are unproven, and silence would hide it.
pub(super) fn check(setting: &Setting) -> Result<Verdict> {
    let tree = Tree::load()?;
    let packages = with_models(&tree.packages);
    ensure!(
        !packages.is_empty(),
        "no package has loom models; openclaw-bucket keeps its own in tests/loom*.rs"
    );
    let flags = match std::env::var("RUSTFLAGS") {
        Ok(flags) => format!("{flags} --cfg loom"),
        Err(_) => "--cfg loom".to_owned(),
    };
    for package in packages {
        let mut command = cargo(&setting.root);
        command.env("RUSTFLAGS", &flags).args(["test", "--release", "--locked", "--package", package]);
        command.args(["--test", "loom*", "--target-dir"]).arg(setting.target.join("loom"));
        test_run::run(&mut command)?;
    }
    Ok(Verdict::Passed)
}

fn with_models(packages: &[Package]) -> Vec<&str> {
    let has_models = |package: &&Package| {
        package.targets.iter().any(|target| target.kind == "test" && target.name.starts_with("loom"))
    };
    packages.iter().filter(has_models).map(|package| package.name.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Target;

    #[test]
    fn packages_with_models_are_those_with_a_loom_test() {
        let package = |name: &str, kind: &str, target: &str| Package {
            name: name.to_owned(),
            targets: vec![Target { kind: kind.to_owned(), name: target.to_owned() }],
            ..Package::default()
        };
        let packages =
            [package("a", "test", "loom_word"), package("b", "bench", "loom"), package("c", "test", "bloom")];
        assert_eq!(with_models(&packages), ["a"]);
    }
}
