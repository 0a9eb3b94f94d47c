//! The layers of the workspace and the arrows between them: dependencies point to strictly lower layers, siblings
//! never meet. Dev-dependencies may also point to siblings, never upward.
//!
//! This table is the one place that says which package lies where. cargo-deny's `wrappers` could confine single
//! crates but not express an order.

use super::Finding;
use crate::tree::{Dependency, Package, Tree};

/// From the bottom up; the names lack their `openclaw-`.
const LAYERS: &[(u8, &[&str])] = &[
    (0, &["bucket", "protocol"]),
    (1, &["controller", "scenario", "experiment"]),
    (2, &["store", "collector", "learn", "bucket-tower", "sim", "harness", "admin"]),
    (3, &["rating", "edge", "sidecar", "lab"]),
    (4, &["openclaw", "anybytes"]),
];

/// Support for tests and benchmarks: beside the layers, a dev-dependency only, and without a dependency on them.
const SUPPORT: &[&str] = &["benchkit", "pgserver", "powerloss", "powerloss-preload", "testca"];

/// The highest layer that is pure: no sockets, clocks, environment, threads or unseeded randomness.
pub(super) const PURE_MAX: u8 = 1;

/// Crates that would make a pure layer impure, whatever it took from them.
const IMPURE: &[&str] =
    &["async-nats", "axum", "getrandom", "hyper", "metrics", "mio", "reqwest", "socket2", "sqlx", "tokio"];

/// Crates that only one package may use, so that the choice stays behind its door.
const CONFINED: &[(&str, &str)] = &[
    ("metrics-exporter-prometheus", "openclaw-admin"),
    ("fjall", "openclaw-store"),
    ("sqlx", "openclaw-store"),
    ("burn", "openclaw-learn"),
    ("burn-tensor", "openclaw-learn"),
];

/// Where a package lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Layer(u8),
    Support,
    /// The development tasks: apart from everything.
    Tasks,
}

/// The layer of a package, where it has one.
pub(super) fn layer(package: &str) -> Option<u8> {
    let short = package.strip_prefix("openclaw-").unwrap_or(package);
    LAYERS.iter().find(|(_, names)| names.contains(&short)).map(|(layer, _)| *layer)
}

fn place(package: &str) -> Option<Place> {
    match package.strip_prefix("openclaw-") {
        None if package == "xtask" => Some(Place::Tasks),
        Some(short) if SUPPORT.contains(&short) => Some(Place::Support),
        _ => layer(package).map(Place::Layer),
    }
}

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.packages.iter().flat_map(|package| check_package(package, tree)).collect()
}

fn check_package(package: &Package, tree: &Tree) -> Vec<Finding> {
    let manifest = format!("{}/Cargo.toml", package.folder);
    let Some(place) = place(&package.name) else {
        let mend =
            "add it to the table in xtask/src/tidy/layers.rs, and say in a decision record why it lies there";
        return vec![Finding::new(&manifest, 0, format!("{} lies in no layer", package.name), mend)];
    };
    let mut findings = Vec::new();
    if place != Place::Tasks && package.folder != format!("crates/{}", package.name) {
        let fault = format!("{} lies in {}", package.name, package.folder);
        findings.push(Finding::new(&manifest, 0, fault, format!("move it to crates/{}", package.name)));
    }
    let text = tree.text(&manifest).unwrap_or_default();
    for dependency in &package.dependencies {
        let fault = arrow_fault(&package.name, place, dependency)
            .or_else(|| third_party_fault(package, place, dependency));
        if let Some((fault, mend)) = fault {
            findings.push(Finding::new(&manifest, line_of(text, &dependency.name), fault, mend));
        }
    }
    findings
}

/// What is wrong with an arrow inside the workspace, and how to mend it.
fn arrow_fault(from: &str, place_from: Place, dependency: &Dependency) -> Option<(String, String)> {
    let to = &dependency.name;
    let place_to = place(to)?;
    let verb = if dependency.dev { "tests with" } else { "depends on" };
    let told = |why: &str, mend: &str| Some((format!("{from} {verb} {to}, {why}"), mend.to_owned()));
    match (place_from, place_to) {
        // A test may lead a package through its own features.
        _ if from == to.as_str() && dependency.dev => None,
        (_, Place::Tasks) | (Place::Tasks, _) => {
            told("but xtask stands apart from the workspace's packages", "remove the dependency")
        }
        (Place::Support, Place::Support) => None,
        (_, Place::Support) if dependency.dev => None,
        (_, Place::Support) => {
            told("which only tests and benchmarks may use", "move it to [dev-dependencies]")
        }
        (Place::Support, Place::Layer(_)) => {
            told("but test support stands below every layer", "pass what it needs as an argument or a trait")
        }
        (Place::Layer(above), Place::Layer(below)) if below < above => None,
        (Place::Layer(above), Place::Layer(below)) if below == above && dependency.dev => None,
        (Place::Layer(above), Place::Layer(below)) if below == above => told(
            &format!("its sibling in layer {above}"),
            "move what both need to a lower layer, or join them in a higher one",
        ),
        (Place::Layer(above), Place::Layer(below)) => told(
            &format!("upward from layer {above} to layer {below}"),
            "turn the arrow round: let the higher package pass in what the lower one needs",
        ),
    }
}

/// What is wrong with a dependency on someone else's crate.
fn third_party_fault(package: &Package, place: Place, dependency: &Dependency) -> Option<(String, String)> {
    if dependency.dev {
        return None;
    }
    let name = dependency.name.as_str();
    if let Place::Layer(layer) = place
        && layer <= PURE_MAX
        && IMPURE.contains(&name)
    {
        let fault = format!("{} is in layer {layer}, which is pure, but depends on {name}", package.name);
        return Some((
            fault,
            "take time, randomness and replies as arguments; do the rest in a higher layer".to_owned(),
        ));
    }
    let (_, owner) = CONFINED.iter().find(|(confined, _)| *confined == name)?;
    (package.name != *owner).then(|| {
        (
            format!("{} depends on {name}, which only {owner} may use", package.name),
            format!("go through {owner}"),
        )
    })
}

/// The line of a manifest that declares a dependency; zero where it is not to be found.
fn line_of(manifest: &str, dependency: &str) -> usize {
    let declares = |line: &str| {
        let line = line.trim_start().trim_start_matches('"');
        line.strip_prefix(dependency).is_some_and(|rest| rest.starts_with([' ', '=', '.', '"']))
    };
    manifest.lines().position(declares).map_or(0, |index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::super::tests::package;
    use super::*;

    fn faults(from: &str, to: &str, dev: bool) -> Vec<Finding> {
        let mut from = package(from);
        from.dependencies.push(Dependency { name: to.to_owned(), dev });
        check(&Tree { packages: vec![from], ..Tree::default() })
    }

    #[test]
    fn arrows_to_strictly_lower_layers_are_fine() {
        assert_eq!(faults("openclaw-edge", "openclaw-bucket", false), []);
        assert_eq!(faults("openclaw", "openclaw-edge", false), []);
        assert_eq!(faults("openclaw-controller", "openclaw-protocol", false), []);
    }

    #[test]
    fn siblings_and_upward_arrows_are_refused() {
        assert!(faults("openclaw-edge", "openclaw-rating", false)[0].fault.contains("sibling in layer 3"));
        assert!(
            faults("openclaw-bucket", "openclaw-edge", false)[0]
                .fault
                .contains("upward from layer 0 to layer 3")
        );
    }

    #[test]
    fn tests_may_meet_a_sibling_but_not_look_up() {
        assert_eq!(faults("openclaw-store", "openclaw-harness", true), []);
        assert!(
            faults("openclaw-store", "openclaw-rating", true)[0].fault.contains("tests with openclaw-rating")
        );
    }

    #[test]
    fn support_is_for_tests_alone_and_knows_no_layer() {
        assert_eq!(faults("openclaw-bucket", "openclaw-benchkit", true), []);
        assert!(faults("openclaw-bucket", "openclaw-benchkit", false)[0].mend.contains("[dev-dependencies]"));
        assert_eq!(faults("openclaw-powerloss", "openclaw-store", false).len(), 1);
        assert_eq!(faults("openclaw-powerloss", "openclaw-powerloss-preload", false), []);
    }

    #[test]
    fn a_package_without_a_layer_is_refused() {
        let tree = Tree { packages: vec![package("openclaw-novel")], ..Tree::default() };
        assert!(check(&tree)[0].fault.contains("lies in no layer"));
    }

    #[test]
    fn a_folder_is_called_as_its_package() {
        let mut moved = package("openclaw-edge");
        moved.folder = "crates/edge".to_owned();
        let findings = check(&Tree { packages: vec![moved], ..Tree::default() });
        assert!(findings[0].mend.contains("crates/openclaw-edge"));
    }

    #[test]
    fn a_pure_layer_takes_no_runtime_but_its_tests_may() {
        assert!(faults("openclaw-controller", "tokio", false)[0].fault.contains("pure"));
        assert_eq!(faults("openclaw-controller", "tokio", true), []);
        assert_eq!(faults("openclaw-edge", "tokio", false), []);
    }

    #[test]
    fn a_confined_crate_stays_with_its_owner() {
        assert!(faults("openclaw-edge", "fjall", false)[0].fault.contains("only openclaw-store"));
        assert_eq!(faults("openclaw-store", "fjall", false), []);
    }

    #[test]
    fn a_finding_points_at_the_declaring_line() {
        let manifest = "[dependencies]\nopenclaw-bucket-tower = \"1\"\nopenclaw-bucket.workspace = true\n";
        assert_eq!(line_of(manifest, "openclaw-bucket"), 3);
        assert_eq!(line_of(manifest, "absent"), 0);
    }
}
