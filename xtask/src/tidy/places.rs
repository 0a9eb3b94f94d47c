//! Nothing in the repository names a place that exists on one machine only: its administrator's folder, its scratch
//! folders, or the host a package came from.

use super::Finding;
use crate::tree::{File, Tree};

/// Folders of a single machine. Written in two halves, so that this file does not find itself.
const FOLDERS: &[&str] = &[concat!("/ro", "ot/"), concat!("/wo", "rk/"), concat!("/tm", "p/")];

/// Hosts that serve packages. Which one serves a machine is that machine's own setting.
const HOSTS: &[&str] = &[
    concat!("crates", ".io"),
    concat!("pypi", ".org"),
    concat!("pythonhosted", ".org"),
    concat!("npmjs", ".org"),
    concat!("npmjs", ".com"),
    concat!("proxy.golang", ".org"),
    concat!("deb.debian", ".org"),
];

/// Written by package managers, which put hosts in them; cargo-deny judges the sources there.
const LOCK_FILES: &[&str] = &["Cargo.lock", "package-lock.json", "go.sum"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.files.iter().filter(|file| !is_lock_file(&file.path)).flat_map(check_file).collect()
}

fn is_lock_file(path: &str) -> bool {
    LOCK_FILES.contains(&path.rsplit('/').next().unwrap_or(path))
}

fn check_file(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        if let Some(folder) = FOLDERS.iter().find(|folder| names_folder(line, folder)) {
            let fault = format!("names {folder}, a folder of one machine");
            let mend = "name the file from the repository's root, or make a temporary folder at run time";
            findings.push(Finding::new(&file.path, index + 1, fault, mend));
        }
        if let Some(host) = HOSTS.iter().find(|host| line.contains(**host)) {
            let fault = format!("names {host}, a package registry's host");
            findings.push(Finding::new(
                &file.path,
                index + 1,
                fault,
                "name the package and leave the host out",
            ));
        }
    }
    findings
}

/// Whether the line has the folder at the start of a path, not in the middle of one.
fn names_folder(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || "._-~}$/".contains(c))
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{places, tree_of};
    use super::*;

    #[test]
    fn machine_folders_are_found_where_a_path_begins() {
        for folder in FOLDERS {
            let text = format!("first\nsee {folder}x\n");
            assert_eq!(places(&check(&tree_of(&[("README.md", &text)]))), ["README.md:2"], "{folder}");
        }
    }

    #[test]
    fn the_middle_of_a_path_or_address_is_fine() {
        for folder in FOLDERS {
            let text = format!("crates{folder}x and http://example.net{folder}x and ${{DIR}}{folder}x\n");
            assert_eq!(check(&tree_of(&[("README.md", &text)])), [], "{folder}");
        }
    }

    #[test]
    fn registry_hosts_are_found_except_in_lock_files() {
        for host in HOSTS {
            let text = format!("source = \"https://{host}/x\"\n");
            assert_eq!(places(&check(&tree_of(&[("a.toml", &text)]))), ["a.toml:1"], "{host}");
            assert_eq!(check(&tree_of(&[("sdk/js/package-lock.json", &text), ("Cargo.lock", &text)])), []);
        }
    }
}
