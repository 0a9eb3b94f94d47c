//! Long proofs and benchmarks by name: each is one cargo command line, with the settings for its full counts.
//!
//! To add one, write it as an ordinary test or bench of its package, then add a line to [`PROOFS`] or [`BENCHES`].
//! A proof reads its counts from the environment and falls back to reduced ones, so that the same test runs quickly
//! in `cargo xtask test` and in full here.

mod benches;
mod proofs;
mod registry;

pub(crate) use benches::bench;
pub(crate) use proofs::prove;
pub(crate) use registry::{BENCHES, ON_POSTGRES, PROOFS};

use crate::{process, suite};
use anyhow::{Context, Result};
use std::path::Path;
use std::process::Command;

/// A cargo command line with a name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Recipe {
    /// What to type after `prove` or `bench`.
    pub(crate) name: &'static str,
    /// One line for the list.
    pub(crate) about: &'static str,
    /// Environment variables: a proof's full counts.
    pub(crate) settings: &'static [(&'static str, &'static str)],
    /// The package that holds it.
    pub(crate) package: &'static str,
    /// Its `tests/NAME.rs` or `benches/NAME.rs`.
    pub(crate) target: &'static str,
}

impl Recipe {
    /// `cargo SUBCOMMAND --package … KIND target`, with the settings that the environment does not already have.
    fn command(&self, root: &Path, subcommand: &[&str], kind: &str) -> Command {
        let mut command = process::cargo(root);
        command.args(subcommand).args(["--package", self.package, kind, self.target]);
        for (name, value) in self.settings {
            if std::env::var_os(name).is_none() {
                command.env(name, value);
            }
        }
        command
    }

    /// Installs the server that the target needs, and tells `command` where it is.
    fn provide_server(&self, root: &Path, command: &mut Command) {
        if ON_POSTGRES.contains(&self.name) {
            // Without it, the target itself says what is missing.
            if let Ok(programs) = suite::postgres_programs(root) {
                command.env(suite::POSTGRES_PROGRAMS, programs);
            }
        }
    }
}

/// The names with what they are about, one a line.
pub(crate) fn list(what: &str, recipes: &[Recipe]) -> String {
    if recipes.is_empty() {
        return format!("there are no {what} yet\n");
    }
    let width = recipes.iter().map(|recipe| recipe.name.len()).max().unwrap_or_default();
    recipes.iter().map(|recipe| format!("{:width$}  {}\n", recipe.name, recipe.about)).collect()
}

fn find(what: &str, recipes: &'static [Recipe], name: &str) -> Result<&'static Recipe> {
    recipes
        .iter()
        .find(|recipe| recipe.name == name)
        .with_context(|| format!("{name:?} is none of the {what}:\n{}", list(what, recipes)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Target, Tree};

    #[test]
    fn every_recipe_names_a_target_of_its_package() {
        let tree = Tree::load().unwrap();
        let kinds = PROOFS
            .iter()
            .map(|recipe| (recipe, "test"))
            .chain(BENCHES.iter().map(|recipe| (recipe, "bench")));
        for (recipe, kind) in kinds {
            let target = Target { kind: kind.to_owned(), name: recipe.target.to_owned() };
            let package = tree.packages.iter().find(|package| package.name == recipe.package);
            assert!(
                package.is_some_and(|package| package.targets.contains(&target)),
                "{recipe:?} names no {kind}"
            );
        }
    }

    #[test]
    fn names_are_unique_and_can_be_typed() {
        for recipes in [PROOFS, BENCHES] {
            for recipe in recipes {
                assert_eq!(
                    recipes.iter().filter(|other| other.name == recipe.name).count(),
                    1,
                    "{}",
                    recipe.name
                );
                assert!(recipe.name.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{}", recipe.name);
            }
        }
    }

    #[test]
    fn the_list_aligns_names_and_says_when_there_are_none() {
        let recipe = |name, about| Recipe { name, about, settings: &[], package: "p", target: "t" };
        assert_eq!(list("proofs", &[recipe("a", "one"), recipe("long", "two")]), "a     one\nlong  two\n");
        assert_eq!(list("proofs", &[]), "there are no proofs yet\n");
    }

    #[test]
    fn the_command_carries_its_settings() {
        let recipe = Recipe {
            name: "crash",
            about: "",
            settings: &[("OPENCLAW_PROVE_KILLS", "20")],
            package: "openclaw",
            target: "crash",
        };
        let command = recipe.command(Path::new("."), &["test", "--release"], "--test");
        let shown = process::shown(&command);
        assert!(shown.starts_with("OPENCLAW_PROVE_KILLS=20 cargo"), "{shown}");
        assert!(shown.ends_with(" test --release --package openclaw --test crash"), "{shown}");
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let error = find("benches", BENCHES, "nothing-of-that-name").unwrap_err().to_string();
        assert!(error.contains("nothing-of-that-name"), "{error}");
        assert!(BENCHES.iter().all(|recipe| error.contains(recipe.name)), "{error}");
    }
}
