//! The pure layers read no clock, socket, variable or thread and own no unseeded randomness: time and random numbers
//! arrive as arguments, so that the simulator runs the production code and one seed gives one log, byte for byte.
//!
//! A `clippy.toml` ban would hold for every package alike; this one knows layers.

use super::Finding;
use super::layers::{PURE_MAX, layer};
use super::rust_text::{closing, code_only, is_word, without_tests};
use crate::tree::{File, Package, Tree};

/// What may not be named, and what to do instead.
const BANNED: &[(&str, &str)] = &[
    ("Instant::now", TIME),
    ("SystemTime", TIME),
    ("std::env", "take the value as an argument; only the binary reads the environment"),
    ("std::net", "move what talks to the network to layer 2 or above"),
    ("std::thread", "leave threads to the caller"),
    ("thread_rng", RANDOMNESS),
    ("rand::rng", RANDOMNESS),
    ("rand::random", RANDOMNESS),
    ("from_os_rng", RANDOMNESS),
    ("from_entropy", RANDOMNESS),
    ("OsRng", RANDOMNESS),
    ("SysRng", RANDOMNESS),
    ("getrandom", RANDOMNESS),
];
const TIME: &str = "take the time as an argument";
const RANDOMNESS: &str = "take a seeded generator as an argument";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let pure =
        tree.packages.iter().filter(|package| layer(&package.name).is_some_and(|layer| layer <= PURE_MAX));
    pure.flat_map(|package| check_package(package, tree)).collect()
}

fn check_package(package: &Package, tree: &Tree) -> Vec<Finding> {
    let source_folder = format!("{}/src/", package.folder);
    let sources = || {
        tree.files.iter().filter(|file| file.path.starts_with(&source_folder) && file.path.ends_with(".rs"))
    };
    let code: Vec<(&File, String, Vec<String>)> = sources()
        .map(|file| {
            let (code, modules) = without_tests(&code_only(&file.text));
            (file, code, modules)
        })
        .collect();
    let test_modules: Vec<String> = code
        .iter()
        .flat_map(|(file, _, modules)| {
            modules.iter().map(|module| format!("{}/{module}", module_folder(&file.path)))
        })
        .collect();
    let in_tests = |path: &str| {
        test_modules.iter().any(|module| {
            path.strip_prefix(module.as_str()).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
        })
    };
    code.iter()
        .filter(|(file, ..)| !in_tests(&file.path))
        .flat_map(|(file, code, _)| banned_words(file, code))
        .collect()
}

/// The folder that holds the modules declared in this file.
fn module_folder(path: &str) -> &str {
    let stem = path.strip_suffix(".rs").unwrap_or(path);
    match stem.rsplit_once('/') {
        Some((folder, "lib" | "main" | "mod")) => folder,
        _ => stem,
    }
}

fn banned_words(file: &File, code: &str) -> Vec<Finding> {
    let code = ungrouped(code);
    let mut findings = Vec::new();
    for (index, line) in code.lines().enumerate() {
        for (banned, mend) in BANNED {
            if names(line, banned) {
                let fault = format!("names {banned}, but its layer is pure");
                findings.push(Finding::new(&file.path, index + 1, fault, *mend));
            }
        }
    }
    findings
}

/// Whether the line holds the path as whole words.
fn names(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + path.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

/// Writes `use std::{env, fmt}` as `use std::{std::env, std::fmt}`, so that a group hides nothing.
fn ungrouped(code: &str) -> String {
    let mut out = String::with_capacity(code.len());
    let mut rest = code;
    while let Some((at, parent)) = ["std", "rand"]
        .into_iter()
        .filter_map(|parent| Some((rest.find(&format!("{parent}::{{"))?, parent)))
        .min()
    {
        let open = at + parent.len() + 2;
        let end = closing(&rest[open..]).map_or(rest.len(), |end| open + end);
        out.push_str(&rest[..=open]);
        let mut depth = 0_i32;
        let mut starts = true;
        for c in rest[open + 1..end].chars() {
            if starts && depth == 0 && is_word(c) {
                out.push_str(parent);
                out.push_str("::");
                starts = false;
            }
            depth += i32::from(c == '{') - i32::from(c == '}');
            starts |= c == ',';
            out.push(c);
        }
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::super::tests::{package, places, tree_of};
    use super::*;

    fn check_files(files: &[(&str, &str)]) -> Vec<String> {
        let packages = vec![package("openclaw-bucket"), package("openclaw-edge")];
        places(&check(&Tree { packages, ..tree_of(files) }))
    }

    fn lines_of(text: &str) -> Vec<String> {
        check_files(&[("crates/openclaw-bucket/src/lib.rs", text)])
    }

    #[test]
    fn every_banned_word_is_found_where_it_stands() {
        for (word, _) in BANNED {
            let text = format!("fn f() {{\n    {word}();\n}}\n");
            assert_eq!(lines_of(&text), ["crates/openclaw-bucket/src/lib.rs:2"], "{word}");
        }
    }

    #[test]
    fn a_use_group_hides_nothing() {
        assert_eq!(lines_of("use std::{\n    fmt,\n    env,\n};\n"), ["crates/openclaw-bucket/src/lib.rs:3"]);
        assert_eq!(lines_of("use rand::{Rng, rng};\n").len(), 1);
        assert_eq!(lines_of("use std::{fmt::{self, Debug}, time::Duration};\n"), [""; 0]);
    }

    #[test]
    fn longer_names_comments_and_strings_are_fine() {
        let text = "//! Never std::env.\nuse std::envelope;\nconst WHY: &str = \"no SystemTime\";\nuse rand::rngs::Small;\n";
        assert_eq!(lines_of(text), [""; 0]);
    }

    #[test]
    fn tests_may_use_threads_and_clocks() {
        let inline = "fn f() {}\n#[cfg(test)]\nmod tests {\n    use std::thread;\n}\n";
        assert_eq!(lines_of(inline), [""; 0]);
        let files = [
            ("crates/openclaw-bucket/src/lib.rs", "mod word;\n"),
            ("crates/openclaw-bucket/src/word.rs", "#[cfg(test)]\nmod tests;\n"),
            ("crates/openclaw-bucket/src/word/tests.rs", "use std::thread;\nmod deep;"),
            ("crates/openclaw-bucket/src/word/tests/deep.rs", "use std::thread;\n"),
            ("crates/openclaw-bucket/tests/stress.rs", "use std::thread;\n"),
        ];
        assert_eq!(check_files(&files), [""; 0]);
    }

    #[test]
    fn a_module_called_tests_is_no_excuse_without_its_cfg() {
        let files = [
            ("crates/openclaw-bucket/src/lib.rs", "mod tests;\n"),
            ("crates/openclaw-bucket/src/tests.rs", "use std::thread;\n"),
        ];
        assert_eq!(check_files(&files), ["crates/openclaw-bucket/src/tests.rs:1"]);
    }

    #[test]
    fn higher_layers_may_read_the_clock() {
        assert_eq!(
            check_files(&[("crates/openclaw-edge/src/lib.rs", "fn f() { Instant::now(); }\n")]),
            [""; 0]
        );
    }
}
